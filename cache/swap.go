package cache

import "fmt"

// Pack lists what a group of tables holds, so that it can be kept elsewhere while their blocks are others': the blocks
// of the first lengths[i] tokens of tables[i], each block once, in order of first use, and for each table which of them
// are its own. Where Grow has made a copy necessary that has not been taken, it is the copy's source. Unpack undoes it.
func Pack(tables []*Table, lengths []int) (blocks []int32, layout [][]int32) {
	number := map[int32]int32{}
	for i, t := range tables {
		ids := t.Blocks(lengths[i])
		own := make([]int32, len(ids))
		for j, id := range ids {
			if t.copy != nil && id == t.copy.To {
				id = t.copy.From
			}
			n, ok := number[id]
			if !ok {
				n = int32(len(blocks))
				number[id] = n
				blocks = append(blocks, id)
			}
			own[j] = n
		}
		layout = append(layout, own)
	}
	return blocks, layout
}

// Unpack gives tables that hold nothing what Pack's layout says, lengths[i] tokens each, sharing among them as before.
// The first table may hold the first known tokens already, whole blocks that Match has found. It returns the blocks
// taken for the others, in the layout's order from known/Size() on, and false, changing nothing, if too few are free.
func Unpack(tables []*Table, lengths []int, layout [][]int32) (taken []int32, ok bool) {
	first := tables[0]
	pool := first.pool
	if first.tokens%pool.size != 0 || first.tokens > lengths[0] {
		panic(fmt.Sprintf("cache: unpack of %d tokens into a table that holds %d", lengths[0], first.tokens))
	}
	for _, t := range tables[1:] {
		if t.tokens != 0 {
			panic(fmt.Sprintf("cache: unpack into a table of %d tokens, want an empty one", t.tokens))
		}
	}
	found := len(first.ids)
	ids := append([]int32(nil), first.ids...)
	total := Packed(layout)
	if total-found > pool.Free() {
		return nil, false
	}
	for range total - found {
		ids = append(ids, pool.take())
	}
	held := make([]bool, total) // by a table already
	for n := range found {
		held[n] = true
	}
	for i, t := range tables {
		t.tokens = lengths[i]
		for _, n := range layout[i][len(t.ids):] {
			if held[n] {
				pool.hold(ids[n])
			}
			held[n] = true
			t.ids = append(t.ids, ids[n])
		}
	}
	return ids[found:], true
}

// Packed returns how many blocks a layout of Pack speaks of.
func Packed(layout [][]int32) int {
	n := int32(0)
	for _, own := range layout {
		for _, x := range own {
			n = max(n, x+1)
		}
	}
	return int(n)
}
