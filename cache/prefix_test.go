package cache

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// filled returns a table that has computed and sealed tokens.
func filled(t *testing.T, b *Blocks, tokens ...int32) *Table {
	t.Helper()
	x := b.Table()
	n := x.Match(tokens)
	require.True(t, x.Grow(len(tokens)-n))
	x.Seal(tokens)
	return x
}

func TestMatchTakesTheLongest(t *testing.T) {
	b := pool(t, 8, 2)
	x := filled(t, b, 1, 2, 3, 4, 5) // blocks 0, 1 and a part of 2
	for _, c := range []struct {
		tokens []int32
		want   []int32
	}{
		{[]int32{1, 2, 3, 4, 5, 6}, []int32{0, 1}},
		{[]int32{1, 2, 3, 4}, []int32{0, 1}},
		{[]int32{1, 2, 3}, []int32{0}},
		{[]int32{1, 2, 9, 4}, []int32{0}},
		{[]int32{3, 4}, nil}, // the block is there, but after other tokens
		{[]int32{2, 1}, nil},
		{[]int32{1}, nil},
		{nil, nil},
	} {
		y := b.Table()
		require.Equal(t, 2*len(c.want), y.Match(c.tokens), "%v", c.tokens)
		require.Equal(t, c.want, y.Blocks(y.Len()), "%v", c.tokens)
		require.NoError(t, b.Check(x, y))
		y.Release()
	}
	require.Panics(t, func() { x.Match([]int32{1, 2}) })
	require.Panics(t, func() { x.Seal(make([]int32, 6)) })
}

func TestReleasedBlocksAreFound(t *testing.T) {
	b := pool(t, 4, 2)
	filled(t, b, 1, 2, 3, 4, 5).Release()
	require.Equal(t, 4, b.Free())
	require.NoError(t, b.Check())
	x := b.Table()
	require.Equal(t, 4, x.Match([]int32{1, 2, 3, 4}))
	require.Equal(t, 2, b.Free())
	require.NoError(t, b.Check(x))
}

// TestForgetsTheOldestFirst: the free list is used up first, then the last blocks of what has rested longest.
func TestForgetsTheOldestFirst(t *testing.T) {
	b := pool(t, 6, 2)
	x, y := filled(t, b, 1, 2, 3, 4), filled(t, b, 5, 6, 7, 8)
	x.Release()
	y.Release()
	found := func() (n [2]int) {
		for i, tokens := range [][]int32{{1, 2, 3, 4}, {5, 6, 7, 8}} {
			n[i] = len(matchOnly(b, tokens))
		}
		return n
	}
	z := b.Table()
	for _, want := range [][2]int{{2, 2}, {2, 2}, {1, 2}, {0, 2}, {0, 1}, {0, 0}} {
		require.True(t, z.Grow(2))
		require.Equal(t, want, found())
		require.NoError(t, b.Check(z))
	}
	require.False(t, z.Grow(1))
}

// matchOnly looks without touching, so that the order of rest stays.
func matchOnly(b *Blocks, tokens []int32) (ids []int32) {
	n := none
	for i := 0; i+b.size <= len(tokens); i += b.size {
		if n, _ = b.known.find(n, tokens[i:i+b.size]); n == none || b.known.block(n, 0) == none {
			break
		}
		ids = append(ids, b.known.block(n, 0))
	}
	return ids
}

// TestAMatchIsAUse: what was found again is forgotten after what was not.
func TestAMatchIsAUse(t *testing.T) {
	b := pool(t, 2, 2)
	filled(t, b, 1, 2).Release()
	filled(t, b, 3, 4).Release()
	x := b.Table()
	require.Equal(t, 2, x.Match([]int32{1, 2}))
	x.Release()
	require.True(t, b.Table().Grow(1))
	require.Len(t, matchOnly(b, []int32{1, 2}), 1)
	require.Empty(t, matchOnly(b, []int32{3, 4}))
}

// TestSealGivesTwinsBack: two compute the same beginning side by side; afterwards they share it.
func TestSealGivesTwinsBack(t *testing.T) {
	b := pool(t, 6, 2)
	x, y := b.Table(), b.Table()
	require.True(t, x.Grow(4))
	require.True(t, y.Grow(5))
	before := y.Blocks(5)
	x.Seal([]int32{1, 2, 3, 4})
	y.Seal([]int32{1, 2, 9, 9, 9})
	require.NoError(t, b.Check(x, y))
	require.Equal(t, []int32{0, 3, 4}, y.Blocks(5))
	require.Equal(t, []int32{2, 3, 4}, before, "slices handed out keep their values")
	require.Equal(t, 2, b.Free())
}

// TestSealAfterFork: a block that forks hold is not exchanged under one of them.
func TestSealAfterFork(t *testing.T) {
	b := pool(t, 8, 2)
	w := filled(t, b, 1, 2)
	x := b.Table()
	require.True(t, x.Grow(4))
	y := x.Fork()
	x.Seal([]int32{1, 2, 3, 4})
	require.NoError(t, b.Check(w, x, y))
	require.Len(t, matchOnly(b, []int32{1, 2, 3, 4}), 1, "the second has no parent that y holds")
	x.Release()
	y.Seal([]int32{1, 2, 3, 4})
	require.NoError(t, b.Check(w, x, y))
	require.Len(t, matchOnly(b, []int32{1, 2, 3, 4}), 2)
}

func TestForkCopiesOnWrite(t *testing.T) {
	b := pool(t, 6, 4)
	x := b.Table()
	require.True(t, x.Grow(6))
	y, z := x.Fork(), x.Fork()
	require.Equal(t, 4, b.Free(), "a fork takes no block")
	require.True(t, y.Grow(0))
	require.Empty(t, y.TakeCopies(), "nothing is to be written")
	require.True(t, y.Grow(1))
	require.Panics(t, func() { y.Fork() }, "its last block is not yet what it should be")
	require.NoError(t, b.Check(x, y, z))
	require.Equal(t, []Copy{{From: 1, To: 2}}, y.TakeCopies())
	require.Empty(t, y.TakeCopies(), "once")
	require.True(t, z.Grow(3))
	require.Equal(t, []Copy{{From: 1, To: 3}}, z.TakeCopies())
	require.Equal(t, []int32{0, 3, 4}, z.Blocks(9))
	require.True(t, x.Grow(1))
	require.Empty(t, x.TakeCopies(), "the last has it to itself")
	require.Equal(t, []int32{0, 1}, x.Blocks(7))
	require.NoError(t, b.Check(x, y, z))
}

// TestForkGrowIsAllOrNothing: the copy counts as a block.
func TestForkGrowIsAllOrNothing(t *testing.T) {
	b := pool(t, 3, 2)
	x := b.Table()
	require.True(t, x.Grow(3))
	y := x.Fork()
	require.False(t, y.Grow(2))
	require.Equal(t, []int32{0, 1}, y.Blocks(3))
	require.Empty(t, y.TakeCopies())
	require.NoError(t, b.Check(x, y))
	require.True(t, y.Grow(1))
	require.False(t, x.Grow(2))
	require.True(t, x.Grow(1))
	require.NoError(t, b.Check(x, y))
	y.Release()
	require.Empty(t, y.TakeCopies(), "there is nothing to copy to")
}

func TestCheckFindsInPrefixes(t *testing.T) {
	for _, c := range []struct {
		name  string
		spoil func(b *Blocks, x *Table)
		want  string
	}{
		{"count", func(b *Blocks, x *Table) { b.known.idle++ }, "cache: 1 blocks rest, the last is 3; want 2 and 3"},
		{"list", func(b *Blocks, x *Table) { b.known.blocks[3].older = 2 }, "cache: block 3 rests after block -1, and is linked to 2"},
		{"rests and held", func(b *Blocks, x *Table) { b.known.rest(0, 1) }, "cache: block 0 rests, but 1 tables hold it, remembered true"},
		{"free and known", func(b *Blocks, x *Table) { b.free = append(b.free, 3) }, "cache: block 3 is on the free list, but remembered"},
		{"does not rest", func(b *Blocks, x *Table) { b.known.revive(3, 1) }, "cache: block 3 is remembered, no table holds it, and it does not rest"},
		{"tokens", func(b *Blocks, x *Table) { b.known.nodes[1].tokens[0] = 7 }, "cache: text 1 is remembered, but text -1 is found"},
		{"index", func(b *Blocks, x *Table) { b.known.index[5] = 1 }, "cache: the index has text 1 of another hash, or too many"},
		{"lost text", func(b *Blocks, x *Table) { delete(b.known.index, b.known.nodes[1].hash) }, "cache: 1 texts are not in the index"},
		{"partial", func(b *Blocks, x *Table) { b.known.nodes[1].tokens = nil }, "cache: text 1 has 0 tokens of 2"},
		{"tables", func(b *Blocks, x *Table) { b.known.nodes[0].tables++ }, "cache: text 0 counts 1 blocks, 1 texts after it and 1 tables, not 1, 1 and 0"},
		{"found for another", func(b *Blocks, x *Table) { b.known.held[0] = 1 }, "cache: block 0 is remembered, but block 1 is found"},
		{"parent", func(b *Blocks, x *Table) { b.known.forget(0) }, "cache: block 1 has 1 references, more than its parent, block -1"},
		{"seals too much", func(b *Blocks, x *Table) { x.sealed = 3 }, "cache: table 0: 3 blocks are sealed for 5 tokens"},
		{"seals more than its text", func(b *Blocks, x *Table) { x.sealed, x.node = 1, none }, "cache: text 1 counts 1 blocks, 0 texts after it and 1 tables, not 1, 0 and 0"},
		{"order", func(b *Blocks, x *Table) { x.lanes[0][0], x.lanes[0][1] = x.lanes[0][1], x.lanes[0][0] }, "cache: table 0: 2 blocks are sealed, but block 0, its number 1, is not remembered for its text"},
		{"copy", func(b *Blocks, x *Table) { x.copies = []Copy{{0, 1}} }, "cache: table 0: copy of block 0 to 1, which is not the last of its own"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := pool(t, 6, 2)
			x := filled(t, b, 1, 2, 3, 4, 5)
			filled(t, b, 6, 7).Release()
			require.NoError(t, b.Check(x))
			c.spoil(b, x)
			require.EqualError(t, b.Check(x), c.want)
		})
	}
	b := pool(t, 4, 2)
	filled(t, b, 1, 2, 3, 4).Release()
	b.known.revive(1, 1)
	b.known.rest(1, 1)
	require.EqualError(t, b.Check(), "cache: block 1 would be forgotten after its parent 0")
}
