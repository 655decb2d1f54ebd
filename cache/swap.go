package cache

import "fmt"

// Layout says which blocks of a list that Pack has made are whose.
type Layout []Share

// Share is a table's part of a Layout.
type Share struct {
	// Tokens is how many tokens its blocks hold.
	Tokens int
	// Past are by group how many blocks its window has passed.
	Past []int
	// Blocks are by group the numbers of its blocks in the list; for each block of several lanes the first's, which the others' follow.
	Blocks [][]int32
}

// Pack lists what a group of tables holds, so that it can be kept elsewhere while their blocks are others': the blocks
// of the first lengths[i] tokens of tables[i] that the row after them sees, each block once, in order of first use, those of earlier positions first, and for each
// table which of them are its own. Where Grow has made copies necessary that have not been taken, it is the copies' sources. Unpack undoes it.
func Pack(tables []*Table, lengths []int) (blocks []int32, layout Layout) {
	number := map[int32]int32{}
	for i, t := range tables {
		if !t.sees(lengths[i]) {
			panic(fmt.Sprintf("cache: pack of %d tokens, of which a window has passed what the next sees", lengths[i]))
		}
		own := Share{Tokens: lengths[i], Blocks: make([][]int32, len(t.pool.groups))}
		for g := range t.pool.groups {
			own.Past = append(own.Past, t.pool.hidden(g, lengths[i]))
		}
		t.each(0, t.pool.span(lengths[i]), func(group, at int) {
			if at+t.passed(group) < own.Past[group] {
				return
			}
			id := t.source(t.heads(group)[at])
			n, ok := number[id]
			if !ok {
				n = int32(len(blocks))
				number[id] = n
				blocks = t.pool.all(blocks, id)
			}
			own.Blocks[group] = append(own.Blocks[group], n)
		})
		layout = append(layout, own)
	}
	return blocks, layout
}

// each calls f for blocks of all groups, by which of those held they are: for those from first on that come before end, in order of positions.
func (t *Table) each(first, end int, f func(group, at int)) {
	for i := first; i < end; i++ {
		for g := range t.pool.groups {
			if at := i - t.passed(g); at >= 0 && at < len(t.heads(g)) {
				f(g, at)
			}
		}
	}
}

// source is the block that a first lane's is to be a copy of, or itself.
func (t *Table) source(id int32) int32 {
	for _, c := range t.copies {
		if c.To == id {
			return c.From
		}
	}
	return id
}

// all appends a block and its mates.
func (b *Blocks) all(to []int32, id int32) []int32 {
	if to = append(to, id); b.mates != nil {
		to = append(to, b.mates[id]...)
	}
	return to
}

// List lists the blocks of all lanes that hold positions from one on, those of earlier positions first. It is a multiple of Size.
func (t *Table) List(position int) (blocks []int32) {
	t.each(position/t.pool.size, t.spanned(), func(group, at int) { blocks = t.pool.all(blocks, t.heads(group)[at]) })
	return blocks
}

// Before returns how many of the blocks of a Layout that its first table uses come before a position, a multiple of size tokens of a block.
func (l Layout) Before(position, size int, groups []Group) (blocks int) {
	for g, group := range groups {
		blocks += min(len(l[0].Blocks[g]), max(0, position/size-l[0].Past[g])) * group.Lanes
	}
	return blocks
}

// Unpack gives tables that hold nothing what Pack's layout says, sharing among them as before. The first table may hold a
// beginning already, whole blocks that Match has found. It returns the blocks taken for the others, in the layout's order from the
// first that is not held on, and false, changing nothing, if too few are free.
func Unpack(tables []*Table, layout Layout) (taken []int32, ok bool) {
	first := tables[0]
	pool := first.pool
	if first.tokens%pool.size != 0 || first.tokens > layout[0].Tokens {
		panic(fmt.Sprintf("cache: unpack of %d tokens into a table that holds %d", layout[0].Tokens, first.tokens))
	}
	for _, t := range tables[1:] {
		if t.tokens != 0 {
			panic(fmt.Sprintf("cache: unpack into a table of %d tokens, want an empty one", t.tokens))
		}
	}
	if pool.Packed(layout)-layout.Before(first.tokens, pool.size, pool.groups) > pool.Free() {
		return nil, false
	}
	ids := map[int32]int32{} // of first lanes, by number
	for i, t := range tables {
		share := layout[i]
		known := t.tokens / pool.size
		for g := range pool.groups {
			t.pass(g, share.Past[g])
		}
		for at := range pool.span(share.Tokens) {
			for g := range pool.groups {
				k := at - share.Past[g]
				if k < 0 || k >= len(share.Blocks[g]) {
					continue
				}
				n := share.Blocks[g][k]
				if at < known {
					ids[n] = t.heads(g)[k]
					continue
				}
				id, have := ids[n]
				if have {
					pool.hold(id)
				} else {
					id = pool.take(g)
					ids[n] = id
					taken = pool.all(taken, id)
				}
				t.push(g, id)
			}
		}
		t.tokens, t.reach = share.Tokens, share.Tokens
	}
	return taken, true
}

// Packed returns how many blocks a layout of Pack speaks of.
func (b *Blocks) Packed(layout Layout) (n int) {
	for _, share := range layout {
		for g, own := range share.Blocks {
			for _, x := range own {
				n = max(n, int(x)+b.groups[g].Lanes)
			}
		}
	}
	return n
}
