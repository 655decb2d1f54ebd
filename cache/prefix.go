package cache

import "slices"

// none is no block and no node: the parent of a text's first, and the end of a list.
const none = int32(-1)

// prefixes remembers what full blocks hold, so that a sequence with the same beginning can share them. The keys and
// values of a block depend on all tokens before it, so a block is known by a text: a node of a tree, which has the tokens
// of the block and, for its parent, the node of those before, back to the first. A node is found by a hash of the chain and then
// compared, parent and tokens; a collision costs time and is never a wrong answer. Each group may have a block for a node.
//
// Every table that holds a remembered block of a group without a window holds its parent's too, and gives its blocks back last
// block first. So there a parent never rests longer than its children, and no block is forgotten before those that follow
// it. With a window it may be; the node stays while something follows it, so that what follows is still known for what it is.
type prefixes struct {
	index  map[uint64]int32 // first node of each hash
	nodes  []node
	unused []int32 // numbers of nodes that stand for nothing
	groups int
	held   []int32 // [node][group]: the block that holds the node's tokens, or none
	blocks []known // by block id
	// The list of blocks that are remembered and held by no table, the one that has rested longest first.
	first, last int32
	idle        int // how many they are, their mates counted

	hash func(parent uint64, tokens []int32) uint64

	// Of a Match, kept for their room:
	path []int32 // the nodes found
	runs []int   // by group: how many of the last of them have a block
}

// node is a text in whole blocks.
type node struct {
	hash     uint64  // of the parent's hash and tokens
	parent   int32   // the text before, or none
	tokens   []int32 // a copy; kept for its room after the node's end
	twin     int32   // next node of the same hash, or none
	children int32   // nodes whose parent this is
	tables   int32   // whose sealed blocks end with it
	blocks   int32   // groups that have a block for it
}

// known is what is remembered of a block.
type known struct {
	node  int32 // whose tokens it holds, or none
	group int32 // the one it was taken for

	resting      bool
	older, newer int32 // neighbours in the list, or none
}

func newPrefixes(n, groups int) prefixes {
	p := prefixes{index: map[uint64]int32{}, groups: groups, blocks: make([]known, n), first: none, last: none, hash: chainHash, runs: make([]int, groups)}
	for i := range p.blocks {
		p.blocks[i].node = none
	}
	return p
}

// chainHash mixes a block's tokens into the hash of those before it. Word-wise FNV-1a with a final shift, as the
// multiplication moves nothing down.
func chainHash(parent uint64, tokens []int32) uint64 {
	h := parent ^ 0xcbf29ce484222325 // FNV's offset basis
	for _, t := range tokens {
		h = (h ^ uint64(uint32(t))) * 0x100000001b3 // FNV's prime
		h ^= h >> 29
	}
	return h
}

// has reports whether the block is remembered.
func (p *prefixes) has(id int32) bool { return p.blocks[id].node != none }

// block returns the block that a group has for a node, or none.
func (p *prefixes) block(n int32, group int) int32 { return p.held[int(n)*p.groups+group] }

// find returns the node with these tokens after parent, or none, and the hash of both.
func (p *prefixes) find(parent int32, tokens []int32) (n int32, hash uint64) {
	if parent != none {
		hash = p.nodes[parent].hash
	}
	hash = p.hash(hash, tokens)
	n, ok := p.index[hash]
	if !ok {
		return none, hash
	}
	for ; n != none; n = p.nodes[n].twin {
		if x := &p.nodes[n]; x.parent == parent && slices.Equal(x.tokens, tokens) {
			return n, hash
		}
	}
	return none, hash
}

// add makes a node, which find has not found. It lasts while something is known of it: a block, what follows it, or a table.
func (p *prefixes) add(parent int32, hash uint64, tokens []int32) int32 {
	var n int32
	if last := len(p.unused) - 1; last >= 0 {
		n, p.unused = p.unused[last], p.unused[:last]
	} else {
		n = int32(len(p.nodes))
		p.nodes = append(p.nodes, node{})
		for range p.groups {
			p.held = append(p.held, none)
		}
	}
	x := &p.nodes[n]
	x.hash, x.parent, x.twin = hash, parent, none
	x.tokens = append(x.tokens[:0], tokens...)
	if head, ok := p.index[hash]; ok {
		x.twin = head
	}
	p.index[hash] = n
	if parent != none {
		p.nodes[parent].children++
	}
	return n
}

// prune ends a node that nothing is known of any more, and those before it that were only there for it.
func (p *prefixes) prune(n int32) {
	for n != none {
		x := &p.nodes[n]
		if x.children+x.tables+x.blocks > 0 {
			return
		}
		if head := p.index[x.hash]; head != n {
			for p.nodes[head].twin != n {
				head = p.nodes[head].twin
			}
			p.nodes[head].twin = x.twin
		} else if x.twin != none {
			p.index[x.hash] = x.twin
		} else {
			delete(p.index, x.hash)
		}
		p.unused = append(p.unused, n)
		if n = x.parent; n != none {
			p.nodes[n].children--
		}
	}
}

// move has a table's sealed blocks end with another node; none is no node.
func (p *prefixes) move(from, to int32) {
	if to != none {
		p.nodes[to].tables++
	}
	if from != none {
		p.nodes[from].tables--
		p.prune(from)
	}
}

// before returns the node so many blocks before another.
func (p *prefixes) before(n int32, blocks int) int32 {
	for range blocks {
		n = p.nodes[n].parent
	}
	return n
}

// remember makes a block the one that its group has for a node.
func (p *prefixes) remember(id, n int32) {
	group := int(p.blocks[id].group)
	p.blocks[id].node = n
	p.held[int(n)*p.groups+group] = id
	p.nodes[n].blocks++
}

// forget undoes remember.
func (p *prefixes) forget(id int32) {
	n := p.blocks[id].node
	p.blocks[id].node = none
	p.held[int(n)*p.groups+int(p.blocks[id].group)] = none
	p.nodes[n].blocks--
	p.prune(n)
}

// oldest returns the block that has rested longest.
func (p *prefixes) oldest() int32 { return p.first }

// rest puts a remembered block at the end of the list. lanes counts it with its mates.
func (p *prefixes) rest(id int32, lanes int) {
	x := &p.blocks[id]
	x.resting, x.older, x.newer = true, p.last, none
	if p.last == none {
		p.first = id
	} else {
		p.blocks[p.last].newer = id
	}
	p.last = id
	p.idle += lanes
}

// revive takes a block off the list.
func (p *prefixes) revive(id int32, lanes int) {
	x := &p.blocks[id]
	if x.older == none {
		p.first = x.newer
	} else {
		p.blocks[x.older].newer = x.newer
	}
	if x.newer == none {
		p.last = x.older
	} else {
		p.blocks[x.newer].older = x.older
	}
	x.resting = false
	p.idle -= lanes
}
