package cache

import (
	"fmt"
	"slices"
)

// Table is one sequence's block table: its i-th block holds positions i*Size() to (i+1)*Size()-1. Make one with
// Blocks.Table, and Release it when the sequence ends.
type Table struct {
	pool   *Blocks
	ids    []int32
	tokens int // positions reserved; the last block may have room for more
}

// Table returns an empty table of the pool. It holds no block until it grows.
func (b *Blocks) Table() *Table { return &Table{pool: b} }

// Len returns how many positions are reserved; Slot knows those below it.
func (t *Table) Len() int { return t.tokens }

// Blocks returns the ids of the blocks that hold the first n positions, in order. The slice stays valid and unchanged
// when the table grows or is released later, but must not be written to. It panics if n exceeds Len.
func (t *Table) Blocks(n int) []int32 {
	if n < 0 || n > t.tokens {
		panic(fmt.Sprintf("cache: blocks of %d positions asked of a table of %d", n, t.tokens))
	}
	return slices.Clip(t.ids[:t.pool.Need(n)])
}

// Grow reserves blocks for n more tokens. It reports false, changing nothing, if too few are free.
func (t *Table) Grow(n int) bool {
	if n < 0 {
		panic(fmt.Sprintf("cache: a table cannot grow by %d tokens", n))
	}
	more := t.pool.Need(t.tokens+n) - len(t.ids)
	if more > t.pool.Free() {
		return false
	}
	for range more {
		t.ids = append(t.ids, t.pool.take())
	}
	t.tokens += n
	return true
}

// Slot returns the KV slot of a position: block*Size() + the position's offset in its block. It panics if the
// position has not been reserved with Grow.
func (t *Table) Slot(position int) int32 {
	if position < 0 || position >= t.tokens {
		panic(fmt.Sprintf("cache: slot of position %d asked of a table of %d", position, t.tokens))
	}
	size := t.pool.size
	return t.ids[position/size]*int32(size) + int32(position%size)
}

// Release gives every block back and leaves the table empty, ready to grow again. A block that another table holds
// too stays taken.
func (t *Table) Release() {
	for _, id := range slices.Backward(t.ids) { // so that the first block is the next one taken
		t.pool.drop(id)
	}
	t.ids, t.tokens = nil, 0 // nil, not [:0]: slices handed out by Blocks keep their values
}
