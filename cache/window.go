package cache

import (
	"fmt"
	"slices"

	"umbra/internal/window"
)

// hidden is how many blocks hold nothing that a row of a position sees.
func (b *Blocks) hidden(group, position int) int {
	return window.Hidden(b.groups[group].Window, position, b.size)
}

// most is how many blocks of a lane so many rows next to each other see at most, n blocks in all; with a window that is bounded.
func (b *Blocks) most(group, n, rows int) int {
	return window.Seen(b.groups[group].Window, n, rows, b.size)
}

// Need returns how many blocks a sequence of n tokens holds at most, in all lanes, where its rows are computed one at a time.
func (b *Blocks) Need(n int) int { return b.NeedAhead(n, 1) }

// NeedAhead is Need where so many rows are computed at a time.
func (b *Blocks) NeedAhead(n, rows int) (blocks int) {
	for g, group := range b.groups {
		blocks += b.most(g, b.span(n), rows) * group.Lanes
	}
	return blocks
}

// NeedTogether is Need of several sequences of so many tokens, which share the first blocks of each lane.
func (b *Blocks) NeedTogether(shared int, lengths ...int) (blocks int) {
	for g, group := range b.groups {
		apart, beyond := 0, b.most(g, shared, 1)
		for _, n := range lengths {
			apart += b.most(g, b.span(n), 1)
			beyond += b.most(g, max(0, b.span(n)-shared), 1)
		}
		blocks += min(apart, beyond) * group.Lanes // where windows have passed what is shared, it is the first
	}
	return blocks
}

// Short returns how many blocks more than now the table holds at most on its way to n tokens, where its rows are computed one at a
// time.
func (t *Table) Short(n int) (blocks int) {
	for g := range t.pool.groups {
		blocks += t.pool.short(g, n, len(t.heads(g)))
	}
	return blocks
}

// Short is Table.Short of a table that Unpack has made of a share.
func (b *Blocks) Short(s Share, n int) (blocks int) {
	for g := range b.groups {
		blocks += b.short(g, n, len(s.Blocks[g]))
	}
	return blocks
}

// short is a group's part of Short, with so many blocks held in each lane.
func (b *Blocks) short(group, n, held int) int {
	return max(0, b.most(group, b.span(n), 1)-held) * b.groups[group].Lanes
}

// Slide gives back what no row of a position, or of one after it, sees; rows before it are not to be computed any more. It panics
// if the position is not reserved. Where there is no window nothing happens.
func (t *Table) Slide(position int) {
	if t.past == nil {
		return
	}
	if position > t.reach {
		panic(fmt.Sprintf("cache: the windows of a table of %d tokens cannot slide to %d", t.reach, position))
	}
	for g := range t.pool.groups {
		t.pass(g, t.pool.hidden(g, position))
	}
}

// pass gives a group's first blocks back, those of them that are held; no position in them is reserved any more.
func (t *Table) pass(group, past int) {
	gone := min(past-t.passed(group), len(t.heads(group)))
	if past <= t.passed(group) {
		return
	}
	for _, id := range t.heads(group)[:gone] {
		t.pool.drop(id)
	}
	for l := range t.pool.groups[group].Lanes {
		ids := &t.lanes[t.pool.base[group]+l]
		*ids = (*ids)[gone:]
	}
	t.past[group] = past
}

// sees reports whether the table still has all that a row of a position sees; at the beginning that is nothing.
func (t *Table) sees(position int) bool {
	for g, past := range t.past {
		if position > 0 && t.pool.hidden(g, position) < past {
			return false
		}
	}
	return true
}

// Extend reserves in groups with a window as many of the positions up to reach as there are free blocks for, and returns how many
// are then reserved.
func (t *Table) Extend(reach int) int {
	if t.past == nil {
		return t.tokens
	}
	reach = min(reach, t.tokens)
	for t.reach < reach {
		to := reach
		if t.Lack(t.tokens, to) > t.pool.Free() { // as far as the block that holds the next position
			to = min(reach, (t.reach/t.pool.size+1)*t.pool.size)
		}
		if !t.Reserve(t.tokens, to) {
			break
		}
	}
	return t.reach
}

// Resume is Grow of an empty table, or of one that Match has filled, to n tokens that are computed elsewhere: groups with a window get only the
// blocks that a row of position n sees.
func (t *Table) Resume(n int) bool {
	if t.tokens > n || t.tokens != t.sealed*t.pool.size {
		panic(fmt.Sprintf("cache: a table of %d tokens cannot resume at %d", t.tokens, n))
	}
	lack := 0
	for g, group := range t.pool.groups {
		held := t.passed(g) + len(t.heads(g))
		lack += (t.pool.span(n) - max(held, t.pool.hidden(g, n))) * group.Lanes
	}
	if lack > t.pool.Free() {
		return false
	}
	for g := range t.pool.groups {
		t.pass(g, t.pool.hidden(g, n))
		for range t.pool.span(n) - t.passed(g) - len(t.heads(g)) {
			t.push(g, t.pool.take(g))
		}
	}
	t.tokens, t.reach = n, n
	return true
}

// Match gives an empty table the longest beginning of tokens that is remembered, and returns its length: a multiple of Size, not above
// len(tokens). Of groups without a window all its blocks are, of others those that the row after it sees.
func (t *Table) Match(tokens []int32) int {
	if t.tokens != 0 {
		panic(fmt.Sprintf("cache: match for a table of %d tokens, want an empty one", t.tokens))
	}
	p := &t.pool.known
	path, runs := p.path[:0], p.runs
	clear(runs)
	best, n := 0, none
	for b := range slices.Chunk(tokens, t.pool.size) {
		if len(b) < t.pool.size {
			break
		}
		if n, _ = p.find(n, b); n == none {
			break
		}
		path = append(path, n)
		served, lost := true, false
		for g := range runs {
			if runs[g]++; p.block(n, g) == none {
				runs[g] = 0
				lost = lost || t.pool.groups[g].Window == 0
			}
			served = served && runs[g] >= len(path)-t.pool.hidden(g, len(path)*t.pool.size)
		}
		if lost {
			break
		}
		if served {
			best = len(path)
		}
	}
	if p.path = path; best == 0 {
		return 0
	}
	for g := range runs {
		first := t.pool.hidden(g, best*t.pool.size)
		if first > 0 {
			t.past[g] = first
		}
		for _, n := range path[first:best] {
			id := p.block(n, g)
			t.pool.hold(id)
			t.push(g, id)
		}
	}
	t.settle(path[best-1])
	t.sealed = best
	t.tokens = best * t.pool.size
	t.reach = t.tokens
	return t.tokens
}
