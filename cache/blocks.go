// Package cache keeps the books of a paged KV cache: which blocks are free, and which block holds which positions of
// a sequence. It does no I/O, knows nothing of devices, and never sees a key or a value.
//
// A block is a page of KV slots for a fixed number of tokens; a sequence's block table maps its positions to blocks,
// so that its cache need not be contiguous (PagedAttention: Kwon et al. 2023, arXiv 2309.06180). Blocks are counted,
// not owned: several tables may hold the same one, and it is free when the last lets go.
//
// Nothing here is safe for concurrent use.
package cache

import (
	"fmt"
	"math"
)

// Blocks is a pool of equal KV blocks with ids from 0 to Len()-1. Make one with New.
type Blocks struct {
	size int     // tokens per block
	refs []int32 // refs[id] is the number of tables that hold the block
	free []int32 // ids nobody holds; taken from and returned to its end, so a warm block is reused first
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
	b := &Blocks{size: size, refs: make([]int32, n), free: make([]int32, n)}
	for i := range b.free {
		b.free[i] = int32(n - 1 - i) // block 0 is taken first
	}
	return b, nil
}

// Size returns how many tokens one block holds.
func (b *Blocks) Size() int { return b.size }

// Len returns how many blocks the pool has, free or not.
func (b *Blocks) Len() int { return len(b.refs) }

// Free returns how many blocks no table holds.
func (b *Blocks) Free() int { return len(b.free) }

// Need returns how many blocks hold n tokens: n/Size(), rounded up.
func (b *Blocks) Need(n int) int { return (n + b.size - 1) / b.size }

// take removes a free block from the free list and gives it its first reference. The caller has checked Free.
func (b *Blocks) take() int32 {
	last := len(b.free) - 1
	id := b.free[last]
	b.free = b.free[:last]
	b.refs[id] = 1
	return id
}

// drop gives back one reference to a block and frees it with the last.
func (b *Blocks) drop(id int32) {
	b.refs[id]--
	if b.refs[id] < 0 {
		panic(fmt.Sprintf("cache: block %d released more often than it was taken", id))
	}
	if b.refs[id] == 0 {
		b.free = append(b.free, id)
	}
}

// Check verifies the books against tables, which must be every table of this pool that may hold a block: each
// block's reference count is the number of tables that hold it, no table holds a block twice, each table has exactly
// the blocks its tokens need, and the free list names each unheld block exactly once. It returns the first
// contradiction it finds; a block that only a table missing from tables holds is such a contradiction (a leak).
func (b *Blocks) Check(tables ...*Table) error {
	held := make([]int32, len(b.refs))
	last := make([]int, len(b.refs)) // 1 + index of the last table seen to hold the block
	for i, t := range tables {
		if t.pool != b {
			return fmt.Errorf("cache: table %d belongs to another pool", i)
		}
		if want := b.Need(t.tokens); len(t.ids) != want {
			return fmt.Errorf("cache: table %d holds %d blocks for %d tokens, want %d", i, len(t.ids), t.tokens, want)
		}
		for _, id := range t.ids {
			if id < 0 || int(id) >= len(b.refs) {
				return fmt.Errorf("cache: table %d holds block %d of a pool of %d", i, id, len(b.refs))
			}
			if last[id] == i+1 {
				return fmt.Errorf("cache: table %d holds block %d twice", i, id)
			}
			last[id] = i + 1
			held[id]++
		}
	}
	for id, n := range held {
		if b.refs[id] != n {
			return fmt.Errorf("cache: block %d has %d references, but %d tables hold it", id, b.refs[id], n)
		}
	}
	free := make([]bool, len(b.refs))
	for _, id := range b.free {
		switch {
		case id < 0 || int(id) >= len(b.refs):
			return fmt.Errorf("cache: free list names block %d of a pool of %d", id, len(b.refs))
		case free[id]:
			return fmt.Errorf("cache: free list names block %d twice", id)
		case held[id] != 0:
			return fmt.Errorf("cache: block %d is on the free list, but %d tables hold it", id, held[id])
		}
		free[id] = true
	}
	for id, n := range held {
		if n == 0 && !free[id] {
			return fmt.Errorf("cache: block %d is lost: no table holds it and the free list does not name it", id)
		}
	}
	return nil
}
