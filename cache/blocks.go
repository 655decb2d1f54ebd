// Package cache keeps the books of a paged KV cache: which blocks are free, which block holds which positions of a
// sequence, and which blocks hold a beginning that another sequence may share. It does no I/O, knows nothing of
// devices, and never sees a key or a value.
//
// A block is a page of KV slots for a fixed number of tokens; a sequence's block table maps its positions to blocks,
// so that its cache need not be contiguous (PagedAttention: Kwon et al. 2023, arXiv 2309.06180). Blocks are counted,
// not owned: several tables may hold the same one, and it is free when the last lets go. A shared block is never
// written to: full ones have nothing left to write, and Grow copies the last, partial one first.
//
// Layers whose rows see a window of the last tokens only are a group apart from those whose rows see all (Group). A table
// has blocks of its own for each group, from one pool, and gives those of a window back as the window passes them (Slide).
//
// Nothing here is safe for concurrent use.
package cache

import (
	"fmt"
	"math"
)

// Group is layers that see the same tokens.
type Group struct {
	// Window is how many tokens a row sees, itself the last of them; 0 is all.
	Window int
	// Lanes is how many blocks hold the same positions, each for its share of the group's layers; at least 1.
	Lanes int
}

// Blocks is a pool of equal KV blocks with ids from 0 to Len()-1. Make one with New.
type Blocks struct {
	size   int // tokens per block
	groups []Group
	base   []int // by group: the number of its first lane
	lanes  int   // of all groups
	window bool  // some group has one

	// Blocks of all lanes of a group for the same positions are taken, held and dropped together; what is counted and
	// remembered of them is that of the first.
	refs  []int32   // refs[id] is the number of tables that hold the block
	mates [][]int32 // mates[id] are the blocks of the group's other lanes; nil where no group has any
	used  []int     // by group: how many blocks tables hold
	free  []int32   // ids nobody holds and nothing is known of; taken from and returned to its end, a warm block first
	known prefixes
}

// New makes a pool of n free blocks of size tokens each, for groups of layers; without any, for one that sees all and has
// a lane. Slot numbers are int32, so n*size must not exceed 2^31-1.
func New(n, size int, groups ...Group) (*Blocks, error) {
	if n < 1 || size < 1 {
		return nil, fmt.Errorf("cache: %d blocks of %d tokens: both must be at least 1", n, size)
	}
	if n > math.MaxInt32/size {
		return nil, fmt.Errorf("cache: %d blocks of %d tokens: at most %d slots can be numbered; use fewer blocks",
			n, size, math.MaxInt32)
	}
	if len(groups) == 0 {
		groups = []Group{{Lanes: 1}}
	}
	b := &Blocks{size: size, groups: groups, refs: make([]int32, n), used: make([]int, len(groups)), free: make([]int32, n), known: newPrefixes(n, len(groups))}
	for i, g := range groups {
		if g.Lanes < 1 || g.Window < 0 {
			return nil, fmt.Errorf("cache: group %d has a window of %d and %d lanes, want at least 0 and 1", i, g.Window, g.Lanes)
		}
		if g.Lanes > 1 && b.mates == nil {
			b.mates = make([][]int32, n)
		}
		b.base = append(b.base, b.lanes)
		b.lanes += g.Lanes
		b.window = b.window || g.Window > 0
	}
	for i := range b.free {
		b.free[i] = int32(n - 1 - i) // block 0 is taken first
	}
	return b, nil
}

// Size returns how many tokens one block holds.
func (b *Blocks) Size() int { return b.size }

// Len returns how many blocks the pool has, free or not.
func (b *Blocks) Len() int { return len(b.refs) }

// Lanes returns how many blocks hold the same positions in all groups.
func (b *Blocks) Lanes() int { return b.lanes }

// Windowed reports whether some group has a window.
func (b *Blocks) Windowed() bool { return b.window }

// Free returns how many blocks no table holds, those that are remembered among them.
func (b *Blocks) Free() int { return len(b.free) + b.known.idle }

// Groups returns the groups.
func (b *Blocks) Groups() []Group { return b.groups }

// Used returns how many blocks tables hold of a group's, a block of several once.
func (b *Blocks) Used(group int) int { return b.used[group] }

// span returns how many blocks of a lane hold n tokens: n/size, rounded up.
func (b *Blocks) span(n int) int { return (n + b.size - 1) / b.size }

// take gives blocks that nobody holds their first reference, one for each lane of a group, and returns the first lane's:
// those of the free list, or else of the remembered that have been idle longest, which are forgotten. The caller has checked Free.
func (b *Blocks) take(group int) int32 {
	lanes := b.groups[group].Lanes
	for len(b.free) < lanes {
		b.evict()
	}
	id := b.pop()
	if lanes > 1 {
		mates := make([]int32, lanes-1)
		for i := range mates {
			mates[i] = b.pop()
		}
		b.mates[id] = mates
	}
	b.refs[id] = 1
	b.known.blocks[id].group = int32(group)
	b.used[group] += lanes
	return id
}

// pop takes the last of the free list.
func (b *Blocks) pop() int32 {
	last := len(b.free) - 1
	id := b.free[last]
	b.free = b.free[:last]
	return id
}

// evict forgets the block that has rested longest.
func (b *Blocks) evict() {
	id := b.known.oldest()
	b.known.revive(id, b.lanesOf(id))
	b.known.forget(id)
	b.release(id)
}

// lanesOf returns how many blocks there are of one and its mates.
func (b *Blocks) lanesOf(id int32) int {
	if b.mates == nil {
		return 1
	}
	return 1 + len(b.mates[id])
}

// release puts a block that nothing is known of on the free list, with its mates.
func (b *Blocks) release(id int32) {
	if b.mates != nil {
		b.free = append(b.free, b.mates[id]...)
		b.mates[id] = nil
	}
	b.free = append(b.free, id)
}

// hold adds a reference to a block that another table holds, or that is remembered.
func (b *Blocks) hold(id int32) {
	if b.refs[id] == 0 {
		b.known.revive(id, b.lanesOf(id))
		b.used[b.known.blocks[id].group] += b.lanesOf(id)
	}
	b.refs[id]++
}

// drop gives back one reference to a block. With the last it is free, and stays findable if it is remembered.
func (b *Blocks) drop(id int32) {
	b.refs[id]--
	switch {
	case b.refs[id] < 0:
		panic(fmt.Sprintf("cache: block %d released more often than it was taken", id))
	case b.refs[id] > 0:
		return
	}
	b.used[b.known.blocks[id].group] -= b.lanesOf(id)
	switch {
	case b.known.has(id):
		b.known.rest(id, b.lanesOf(id))
	default:
		b.release(id)
	}
}
