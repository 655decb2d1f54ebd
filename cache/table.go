package cache

import (
	"fmt"
	"slices"
)

// Table is one sequence's block tables, one for each lane of each group: in a lane without a window the i-th block holds positions
// i*Size() to (i+1)*Size()-1. Make one with Blocks.Table, and Release it when the sequence ends.
type Table struct {
	pool   *Blocks
	lanes  [][]int32 // ids by lane
	past   []int     // by group: how many blocks the window has passed, so that they are not in lanes; nil where there are no windows
	tokens int       // positions reserved; the last block may have room for more
	reach  int       // those reserved in groups with a window, at most tokens
	sealed int       // the first so many blocks are remembered, where they are still held
	node   int32     // the text of the sealed blocks
	copies []Copy    // to be done before the next write
}

// Copy says that a block's contents must be copied to another, in all its layers.
type Copy struct{ From, To int32 }

// Table returns an empty table of the pool. It holds no block until it grows.
func (b *Blocks) Table() *Table {
	t := &Table{pool: b, lanes: make([][]int32, b.lanes), node: none}
	if b.window {
		t.past = make([]int, len(b.groups))
	}
	return t
}

// Len returns how many positions are reserved; Slot knows those below it that no window has passed.
func (t *Table) Len() int { return t.tokens }

// Reach returns how many positions are reserved in groups with a window too.
func (t *Table) Reach() int { return t.reach }

// Lanes returns how many block tables there are.
func (t *Table) Lanes() int { return len(t.lanes) }

// Blocks returns the ids of the first lane's blocks that hold the first n positions, in order, less those that its window has passed.
// The slice stays valid and unchanged when the table grows or is released later, but must not be written to. It panics if n exceeds Len.
func (t *Table) Blocks(n int) []int32 {
	_, ids := t.Lane(0, n)
	return ids
}

// Lane is Blocks for any lane, and returns how many blocks its window has passed.
func (t *Table) Lane(lane, n int) (past int, ids []int32) {
	if n < 0 || n > t.tokens {
		panic(fmt.Sprintf("cache: blocks of %d positions asked of a table of %d", n, t.tokens))
	}
	if t.past != nil {
		past = t.past[t.pool.groupOf(lane)]
	}
	ids = t.lanes[lane]
	return past, slices.Clip(ids[:min(len(ids), max(0, t.pool.span(n)-past))])
}

// groupOf returns the group of a lane.
func (b *Blocks) groupOf(lane int) int {
	g := len(b.groups) - 1
	for b.base[g] > lane {
		g--
	}
	return g
}

// Grow reserves blocks for n more tokens. It reports false, changing nothing, if too few are free. Where the first of
// them belongs in a block that another table holds too, the table gets one of its own for it, and TakeCopy says what
// must be copied before anything is written.
func (t *Table) Grow(n int) bool { return t.Reserve(t.tokens+n, t.tokens+n) }

// Growth returns how many free blocks Grow takes for n more tokens.
func (t *Table) Growth(n int) int { return t.Lack(t.tokens+n, t.tokens+n) }

// Reserve is Grow to a length of so many tokens; groups with a window get blocks for the first reach of them only, as a window
// that is to pass them by then needs fewer at a time. What is reserved already stays so.
func (t *Table) Reserve(tokens, reach int) bool {
	if tokens == t.tokens && (reach <= t.reach || t.past == nil) {
		return true
	}
	if t.Lack(tokens, reach) > t.pool.Free() {
		return false
	}
	for g := range t.pool.groups {
		have, want := t.ends(g, tokens, reach)
		more, shared := t.lack(g, have, want)
		if shared {
			t.own(g)
			more--
		}
		for range more {
			t.push(g, t.pool.take(g))
		}
	}
	t.tokens = max(t.tokens, tokens)
	t.reach = max(t.reach, min(reach, t.tokens))
	return true
}

// Lack returns how many free blocks Reserve takes.
func (t *Table) Lack(tokens, reach int) (blocks int) {
	if tokens < t.tokens {
		panic(fmt.Sprintf("cache: a table of %d tokens cannot grow to %d", t.tokens, tokens))
	}
	for g, group := range t.pool.groups {
		have, want := t.ends(g, tokens, reach)
		more, _ := t.lack(g, have, want)
		blocks += more * group.Lanes
	}
	return blocks
}

// ends returns how many positions a group has reserved, and is to have.
func (t *Table) ends(group, tokens, reach int) (have, want int) {
	if t.pool.groups[group].Window == 0 {
		return t.tokens, tokens
	}
	return t.reach, max(t.reach, min(reach, tokens))
}

// lack returns how many blocks a lane lacks to hold want positions, and whether one of them replaces the last, which is shared.
func (t *Table) lack(group, have, want int) (more int, shared bool) {
	ids := t.heads(group)
	more = t.pool.span(want) - t.passed(group) - len(ids)
	if want > have && have%t.pool.size != 0 && t.pool.refs[ids[len(ids)-1]] > 1 {
		return more + 1, true
	}
	return more, false
}

// heads are the blocks of a group's first lane, which stand for those of the others.
func (t *Table) heads(group int) []int32 { return t.lanes[t.pool.base[group]] }

// passed is how many blocks a group's window has passed.
func (t *Table) passed(group int) int {
	if t.past == nil {
		return 0
	}
	return t.past[group]
}

// own gives the table a last block of its own in the place of one that is shared.
func (t *Table) own(group int) {
	last := len(t.heads(group)) - 1
	var from []int32
	for l := range t.pool.groups[group].Lanes {
		from = append(from, t.lanes[t.pool.base[group]+l][last])
	}
	id := t.pool.take(group)
	t.replace(group, last, id)
	for l, from := range from {
		t.copies = append(t.copies, Copy{From: from, To: t.lanes[t.pool.base[group]+l][last]})
	}
}

// push appends a block and its mates, which the table holds already.
func (t *Table) push(group int, id int32) {
	at := t.pool.base[group]
	t.lanes[at] = append(t.lanes[at], id)
	if t.pool.mates != nil {
		for l, mate := range t.pool.mates[id] {
			t.lanes[at+1+l] = append(t.lanes[at+1+l], mate)
		}
	}
}

// TakeCopies returns the copies that Grow has made necessary, once. Release drops them.
func (t *Table) TakeCopies() []Copy {
	c := t.copies
	t.copies = nil
	return c
}

// Fork returns a second table with the same blocks: what both have reserved is shared, what either reserves from now
// on is its own. It panics if copies have not been taken.
func (t *Table) Fork() *Table {
	if t.copies != nil {
		panic(fmt.Sprintf("cache: fork before the copy of block %d to %d", t.copies[0].From, t.copies[0].To))
	}
	f := &Table{pool: t.pool, past: slices.Clone(t.past), tokens: t.tokens, reach: t.reach, sealed: t.sealed, node: none}
	for g := range t.pool.groups {
		for _, id := range t.heads(g) {
			t.pool.hold(id)
		}
	}
	for _, ids := range t.lanes {
		f.lanes = append(f.lanes, slices.Clone(ids))
	}
	f.settle(t.node)
	return f
}

// settle notes that the sealed blocks end with a node.
func (t *Table) settle(n int32) {
	t.pool.known.move(t.node, n)
	t.node = n
}

// Holds returns an error unless what is remembered of the table's sealed blocks is the beginning of tokens.
func (t *Table) Holds(tokens []int32) error {
	size := t.pool.size
	if t.sealed*size > len(tokens) {
		return fmt.Errorf("cache: %d blocks of %d are sealed for %d tokens", t.sealed, size, len(tokens))
	}
	n := t.node
	for i := t.sealed - 1; i >= 0; i-- {
		x := &t.pool.known.nodes[n]
		if !slices.Equal(x.tokens, tokens[i*size:(i+1)*size]) {
			return fmt.Errorf("cache: a table's block number %d is remembered with tokens %v, want %v", i, x.tokens, tokens[i*size:(i+1)*size])
		}
		n = x.parent
	}
	return nil
}

// Seal remembers the full blocks of tokens, the beginning of the sequence whose keys and values are in the cache, but for those that
// a window has passed. A block whose like is remembered already is given back, and the table shares the other from now on; one that forks
// share as well stays as it is, and nothing after it is remembered. Seal before Fork for all to be, and before Slide.
func (t *Table) Seal(tokens []int32) {
	size := t.pool.size
	if len(tokens) > t.reach {
		panic(fmt.Sprintf("cache: seal of %d tokens of a table of %d", len(tokens), t.reach))
	}
	n := t.node
	for (t.sealed+1)*size <= len(tokens) {
		block := tokens[t.sealed*size : (t.sealed+1)*size]
		next, hash := t.pool.known.find(n, block)
		if next == none {
			next = t.pool.known.add(n, hash, block)
		} else if t.bound(next, t.sealed) {
			break
		}
		t.seal(next, t.sealed)
		n = next
		t.sealed++
	}
	if n != t.node {
		t.settle(n)
	}
}

// bound reports whether the i-th block of some group cannot be exchanged for that of a node, as forks hold it, and hold what follows:
// that would be without its parent there.
func (t *Table) bound(n int32, i int) bool {
	for g := range t.pool.groups {
		at, found := i-t.passed(g), t.pool.known.block(n, g)
		if at < 0 || at >= len(t.heads(g)) || found == none {
			continue
		}
		if own := t.heads(g)[at]; own != found && t.pool.refs[own] > 1 {
			return true
		}
	}
	return false
}

// seal makes the i-th blocks those of a node, or gives them back for those it has.
func (t *Table) seal(n int32, i int) {
	for g := range t.pool.groups {
		at := i - t.passed(g)
		if at < 0 || at >= len(t.heads(g)) {
			continue
		}
		switch own, found := t.heads(g)[at], t.pool.known.block(n, g); found {
		case own: // a fork has sealed it
		case none:
			t.pool.known.remember(own, n)
		default:
			t.pool.hold(found)
			t.replace(g, at, found)
		}
	}
}

// Shrink gives back what is reserved beyond the first n positions, whatever was written there. It panics if n exceeds Len, if
// copies have not been taken, if n falls in a block that is remembered, as who grows again would write to it, and if a window has passed what
// position n sees.
func (t *Table) Shrink(n int) {
	size := t.pool.size
	if n < 0 || n > t.tokens || t.copies != nil || n%size != 0 && t.remembered(n/size) || !t.sees(n) {
		panic(fmt.Sprintf("cache: a table of %d tokens, %d blocks of them sealed, cannot shrink to %d", t.tokens, t.sealed, n))
	}
	if n == t.tokens {
		return
	}
	t.tokens, t.reach = n, min(t.reach, n)
	if sealed := min(t.sealed, n/size); sealed < t.sealed {
		t.settle(t.pool.known.before(t.node, t.sealed-sealed))
		t.sealed = sealed
	}
	t.cut(t.pool.span(n))
	if n == 0 {
		clear(t.past)
	}
}

// remembered reports whether the i-th block of some group is.
func (t *Table) remembered(i int) bool {
	for g := range t.pool.groups {
		at, ids := i-t.passed(g), t.heads(g)
		if at >= 0 && at < len(ids) && t.pool.known.has(ids[at]) {
			return true
		}
	}
	return false
}

// cut gives back all but the first n blocks, last block first.
func (t *Table) cut(n int) {
	for i := t.spanned() - 1; i >= n; i-- {
		for g := range t.pool.groups {
			if at := i - t.passed(g); at >= 0 && at < len(t.heads(g)) {
				t.pool.drop(t.heads(g)[at])
			}
		}
	}
	for g, group := range t.pool.groups {
		for l := range group.Lanes {
			ids := &t.lanes[t.pool.base[g]+l]
			if keep := max(0, n-t.passed(g)); keep < len(*ids) {
				*ids = slices.Clip((*ids)[:keep]) // slices handed out by Blocks keep their values
			}
		}
	}
}

// spanned returns behind which block the table ends.
func (t *Table) spanned() (n int) {
	for g := range t.pool.groups {
		n = max(n, t.passed(g)+len(t.heads(g)))
	}
	return n
}

// Slot returns the first lane's KV slot of a position: block*Size() + the position's offset in its block. It panics if the
// position has not been reserved, or if a window has passed it.
func (t *Table) Slot(position int) int32 {
	size := t.pool.size
	at := position/size - t.passed(0)
	if position < 0 || position >= t.tokens || at < 0 || at >= len(t.lanes[0]) {
		panic(fmt.Sprintf("cache: slot of position %d asked of a table of %d", position, t.tokens))
	}
	return t.lanes[0][at]*int32(size) + int32(position%size)
}

// Release gives every block back and leaves the table empty, ready to grow again. A block that another table holds
// too stays taken; one that is remembered can still be found until it is needed.
func (t *Table) Release() {
	t.cut(0)       // so that the first block is taken next, or forgotten last
	clear(t.lanes) // nil, not [:0]: slices handed out by Blocks keep their values
	clear(t.past)
	t.settle(none)
	t.tokens, t.reach, t.sealed, t.copies = 0, 0, 0, nil
}

// replace gives the i-th block of those held for another, which the table holds already.
func (t *Table) replace(group, i int, id int32) {
	old := t.heads(group)[i]
	at := t.pool.base[group]
	for l := range t.pool.groups[group].Lanes {
		ids := slices.Clone(t.lanes[at+l]) // slices handed out by Blocks keep their values
		if ids[i] = id; l > 0 {
			ids[i] = t.pool.mates[id][l-1]
		}
		t.lanes[at+l] = ids
	}
	t.pool.drop(old)
}
