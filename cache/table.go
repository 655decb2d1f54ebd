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
	tokens int   // positions reserved; the last block may have room for more
	sealed int   // the first so many blocks are remembered
	copy   *Copy // to be done before the next write; nil if none
}

// Copy says that a block's contents must be copied to another, in all layers.
type Copy struct{ From, To int32 }

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

// Grow reserves blocks for n more tokens. It reports false, changing nothing, if too few are free. Where the first of
// them belongs in a block that another table holds too, the table gets one of its own for it, and TakeCopy says what
// must be copied before anything is written.
func (t *Table) Grow(n int) bool {
	more, shared := t.growth(n)
	if more > t.pool.Free() {
		return false
	}
	if shared {
		last := len(t.ids) - 1
		t.copy = &Copy{From: t.ids[last], To: t.pool.take()}
		t.replace(last, t.copy.To)
		more--
	}
	for range more {
		t.ids = append(t.ids, t.pool.take())
	}
	t.tokens += n
	return true
}

// Growth returns how many free blocks Grow takes for n more tokens.
func (t *Table) Growth(n int) int {
	more, _ := t.growth(n)
	return more
}

// growth returns how many blocks n more tokens take, and whether one of them replaces the last, which is shared.
func (t *Table) growth(n int) (more int, shared bool) {
	if n < 0 {
		panic(fmt.Sprintf("cache: a table cannot grow by %d tokens", n))
	}
	more = t.pool.Need(t.tokens+n) - len(t.ids)
	if n > 0 && t.tokens%t.pool.size != 0 && t.pool.refs[t.ids[len(t.ids)-1]] > 1 {
		return more + 1, true
	}
	return more, false
}

// TakeCopy returns the copy that Grow has made necessary, once. Release drops it.
func (t *Table) TakeCopy() (Copy, bool) {
	if t.copy == nil {
		return Copy{}, false
	}
	c := *t.copy
	t.copy = nil
	return c, true
}

// Fork returns a second table with the same blocks: what both have reserved is shared, what either reserves from now
// on is its own. It panics if a copy has not been taken.
func (t *Table) Fork() *Table {
	if t.copy != nil {
		panic(fmt.Sprintf("cache: fork before the copy of block %d to %d", t.copy.From, t.copy.To))
	}
	for _, id := range t.ids {
		t.pool.hold(id)
	}
	return &Table{pool: t.pool, ids: slices.Clone(t.ids), tokens: t.tokens, sealed: t.sealed}
}

// Holds returns an error unless what is remembered of the table's sealed blocks is the beginning of tokens.
func (t *Table) Holds(tokens []int32) error {
	size := t.pool.size
	if t.sealed*size > len(tokens) {
		return fmt.Errorf("cache: %d blocks of %d are sealed for %d tokens", t.sealed, size, len(tokens))
	}
	for i, id := range t.ids[:t.sealed] {
		if known := t.pool.known.blocks[id].tokens; !slices.Equal(known, tokens[i*size:(i+1)*size]) {
			return fmt.Errorf("cache: block %d, a table's number %d, is remembered with tokens %v, want %v", id, i, known, tokens[i*size:(i+1)*size])
		}
	}
	return nil
}

// Match gives an empty table the longest run of remembered blocks that holds a beginning of tokens, and returns the
// length of that beginning: a multiple of Size, not above len(tokens).
func (t *Table) Match(tokens []int32) int {
	if t.tokens != 0 {
		panic(fmt.Sprintf("cache: match for a table of %d tokens, want an empty one", t.tokens))
	}
	parent := none
	for b := range slices.Chunk(tokens, t.pool.size) {
		if len(b) < t.pool.size {
			break
		}
		id, _ := t.pool.known.find(parent, b)
		if id == none {
			break
		}
		t.pool.hold(id)
		t.ids = append(t.ids, id)
		parent = id
	}
	t.sealed = len(t.ids)
	t.tokens = t.sealed * t.pool.size
	return t.tokens
}

// Seal remembers the full blocks of tokens, the beginning of the sequence whose keys and values are in the cache. A
// block whose like is remembered already is given back, and the table shares the other from now on; one that forks
// share as well stays as it is, and nothing after it is remembered. Seal before Fork for all to be.
func (t *Table) Seal(tokens []int32) {
	size := t.pool.size
	if len(tokens) > t.tokens {
		panic(fmt.Sprintf("cache: seal of %d tokens of a table of %d", len(tokens), t.tokens))
	}
	for ; (t.sealed+1)*size <= len(tokens); t.sealed++ {
		i, parent := t.sealed, none
		if i > 0 {
			parent = t.ids[i-1]
		}
		block := tokens[i*size : (i+1)*size]
		found, hash := t.pool.known.find(parent, block)
		switch found {
		case t.ids[i]: // a fork has sealed it
		case none:
			t.pool.known.remember(t.ids[i], parent, hash, block)
		default:
			if t.pool.refs[t.ids[i]] > 1 {
				return // forks hold it, and hold what follows: that would be without its parent there
			}
			t.pool.hold(found)
			t.replace(i, found)
		}
	}
}

// Shrink gives back what is reserved beyond the first n positions, whatever was written there. It panics if n exceeds Len,
// if a copy has not been taken, and if n falls in a block that is remembered: who grows again would write to it.
func (t *Table) Shrink(n int) {
	size := t.pool.size
	if n < 0 || n > t.tokens || t.copy != nil || n%size != 0 && t.pool.known.has(t.ids[n/size]) {
		panic(fmt.Sprintf("cache: a table of %d tokens, %d blocks of them sealed, cannot shrink to %d", t.tokens, t.sealed, n))
	}
	t.tokens, t.sealed = n, min(t.sealed, n/size)
	need := t.pool.Need(n)
	if need == len(t.ids) {
		return
	}
	for _, id := range slices.Backward(t.ids[need:]) {
		t.pool.drop(id)
	}
	t.ids = slices.Clip(t.ids[:need]) // slices handed out by Blocks keep their values
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
// too stays taken; one that is remembered can still be found until it is needed.
func (t *Table) Release() {
	for _, id := range slices.Backward(t.ids) { // so that the first block is taken next, or forgotten last
		t.pool.drop(id)
	}
	*t = Table{pool: t.pool} // nil, not [:0]: slices handed out by Blocks keep their values
}

// replace gives the i-th block back for another, which the table holds already.
func (t *Table) replace(i int, id int32) {
	old := t.ids[i]
	t.ids = slices.Clone(t.ids) // slices handed out by Blocks keep their values
	t.ids[i] = id
	t.pool.drop(old)
}

// owns reports whether the table has the block.
func (t *Table) owns(id int32) bool { return slices.Contains(t.ids, id) }
