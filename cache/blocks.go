// Package cache keeps the books of a paged KV cache: which blocks are free, which block holds which positions of a
// sequence, and which blocks hold a beginning that another sequence may share. It does no I/O, knows nothing of
// devices, and never sees a key or a value.
//
// A block is a page of KV slots for a fixed number of tokens; a sequence's block table maps its positions to blocks,
// so that its cache need not be contiguous (PagedAttention: Kwon et al. 2023, arXiv 2309.06180). Blocks are counted,
// not owned: several tables may hold the same one, and it is free when the last lets go. A shared block is never
// written to: full ones have nothing left to write, and Grow copies the last, partial one first.
//
// Nothing here is safe for concurrent use.
package cache

import (
	"fmt"
	"math"
)

// Blocks is a pool of equal KV blocks with ids from 0 to Len()-1. Make one with New.
type Blocks struct {
	size  int     // tokens per block
	refs  []int32 // refs[id] is the number of tables that hold the block
	free  []int32 // ids nobody holds and nothing is known of; taken from and returned to its end, a warm block first
	known prefixes
}

// New makes a pool of n free blocks of size tokens each. Slot numbers are int32, so n*size must not exceed 2^31-1.
func New(n, size int) (*Blocks, error) {
	if n < 1 || size < 1 {
		return nil, fmt.Errorf("cache: %d blocks of %d tokens: both must be at least 1", n, size)
	}
	if n > math.MaxInt32/size {
		return nil, fmt.Errorf("cache: %d blocks of %d tokens: at most %d slots can be numbered; use fewer blocks",
			n, size, math.MaxInt32)
	}
	b := &Blocks{size: size, refs: make([]int32, n), free: make([]int32, n), known: newPrefixes(n)}
	for i := range b.free {
		b.free[i] = int32(n - 1 - i) // block 0 is taken first
	}
	return b, nil
}

// Size returns how many tokens one block holds.
func (b *Blocks) Size() int { return b.size }

// Len returns how many blocks the pool has, free or not.
func (b *Blocks) Len() int { return len(b.refs) }

// Free returns how many blocks no table holds, those that are remembered among them.
func (b *Blocks) Free() int { return len(b.free) + b.known.idle }

// Need returns how many blocks hold n tokens: n/Size(), rounded up.
func (b *Blocks) Need(n int) int { return (n + b.size - 1) / b.size }

// take gives a block that nobody holds its first reference: one of the free list, or else the one of the remembered
// that has been idle longest, which is forgotten. The caller has checked Free.
func (b *Blocks) take() int32 {
	var id int32
	if last := len(b.free) - 1; last >= 0 {
		id = b.free[last]
		b.free = b.free[:last]
	} else {
		id = b.known.oldest()
		b.known.revive(id)
		b.known.forget(id)
	}
	b.refs[id] = 1
	return id
}

// hold adds a reference to a block that another table holds, or that is remembered.
func (b *Blocks) hold(id int32) {
	if b.refs[id] == 0 {
		b.known.revive(id)
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
	case b.known.has(id):
		b.known.rest(id)
	default:
		b.free = append(b.free, id)
	}
}
