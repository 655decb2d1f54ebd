package cache

import "slices"

// none is no block: the parent of a sequence's first, and the end of a list.
const none = int32(-1)

// prefixes remembers what full blocks hold, so that a sequence with the same beginning can share them. The keys and
// values of a block depend on all tokens before it, so a block is known by its own tokens and by its parent, the block
// before it, back to the first: a tree of blocks. It is found by a hash of the chain and then compared, parent and
// tokens; a collision costs time and is never a wrong answer.
//
// Every table that holds a remembered block holds its parent too, and gives its blocks back last block first. So a
// parent never rests longer than its children, and no block is forgotten before those that follow it.
type prefixes struct {
	index  map[uint64]int32 // first block of each hash
	blocks []prefix         // by block id
	// The list of blocks that are remembered and held by no table, the one that has rested longest first.
	first, last int32
	idle        int // its length

	hash func(parent uint64, tokens []int32) uint64
}

// prefix is what is remembered of a block.
type prefix struct {
	known  bool
	hash   uint64  // of the parent's hash and tokens
	parent int32   // the block before it, or none
	tokens []int32 // a copy; kept for its room after the block is forgotten
	twin   int32   // next block of the same hash, or none

	resting      bool
	older, newer int32 // neighbours in the list, or none
}

func newPrefixes(n int) prefixes {
	return prefixes{index: map[uint64]int32{}, blocks: make([]prefix, n), first: none, last: none, hash: chainHash}
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
func (p *prefixes) has(id int32) bool { return p.blocks[id].known }

// find returns the remembered block with these tokens after parent, or none, and the hash of both.
func (p *prefixes) find(parent int32, tokens []int32) (id int32, hash uint64) {
	if parent != none {
		hash = p.blocks[parent].hash
	}
	hash = p.hash(hash, tokens)
	id, ok := p.index[hash]
	if !ok {
		return none, hash
	}
	for ; id != none; id = p.blocks[id].twin {
		if x := &p.blocks[id]; x.parent == parent && slices.Equal(x.tokens, tokens) {
			return id, hash
		}
	}
	return none, hash
}

// remember makes a block findable, which find has not found.
func (p *prefixes) remember(id, parent int32, hash uint64, tokens []int32) {
	x := &p.blocks[id]
	x.known, x.hash, x.parent, x.twin = true, hash, parent, none
	x.tokens = append(x.tokens[:0], tokens...)
	if head, ok := p.index[hash]; ok {
		x.twin = head
	}
	p.index[hash] = id
}

// forget undoes remember.
func (p *prefixes) forget(id int32) {
	x := &p.blocks[id]
	x.known = false
	if head := p.index[x.hash]; head != id {
		for p.blocks[head].twin != id {
			head = p.blocks[head].twin
		}
		p.blocks[head].twin = x.twin
	} else if x.twin != none {
		p.index[x.hash] = x.twin
	} else {
		delete(p.index, x.hash)
	}
}

// oldest returns the block that has rested longest.
func (p *prefixes) oldest() int32 { return p.first }

// rest puts a remembered block at the end of the list.
func (p *prefixes) rest(id int32) {
	x := &p.blocks[id]
	x.resting, x.older, x.newer = true, p.last, none
	if p.last == none {
		p.first = id
	} else {
		p.blocks[p.last].newer = id
	}
	p.last = id
	p.idle++
}

// revive takes a block off the list.
func (p *prefixes) revive(id int32) {
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
	p.idle--
}
