package cache

import (
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

func pool(t *testing.T, n, size int, groups ...Group) *Blocks {
	t.Helper()
	b, err := New(n, size, groups...)
	require.NoError(t, err)
	return b
}

func TestNewRefuses(t *testing.T) {
	for _, c := range []struct {
		n, size int
		want    string
	}{
		{0, 16, "cache: 0 blocks of 16 tokens: both must be at least 1"},
		{16, 0, "cache: 16 blocks of 0 tokens: both must be at least 1"},
		{-1, -1, "cache: -1 blocks of -1 tokens: both must be at least 1"},
		{math.MaxInt32, 2, "cache: 2147483647 blocks of 2 tokens: at most 2147483647 slots can be numbered; use fewer blocks"},
	} {
		_, err := New(c.n, c.size)
		require.EqualError(t, err, c.want)
	}
}

func TestNeed(t *testing.T) {
	b := pool(t, 8, 4)
	for n, want := range []int{0, 1, 1, 1, 1, 2, 2, 2, 2, 3} {
		require.Equal(t, want, b.Need(n), "%d tokens", n)
	}
}

func TestGrowFillsTheLastBlockFirst(t *testing.T) {
	b := pool(t, 3, 4)
	x := b.Table()
	require.True(t, x.Grow(0))
	require.Equal(t, 3, b.Free())
	require.True(t, x.Grow(3))
	require.Equal(t, 2, b.Free())
	require.True(t, x.Grow(1))
	require.Equal(t, 2, b.Free(), "the fourth token fits the first block")
	require.True(t, x.Grow(1))
	require.Equal(t, 1, b.Free())
	require.Equal(t, 5, x.Len())
	require.NoError(t, b.Check(x))
}

func TestGrowIsAllOrNothing(t *testing.T) {
	b := pool(t, 3, 4)
	x, y := b.Table(), b.Table()
	require.True(t, x.Grow(5))
	require.False(t, y.Grow(5))
	require.Equal(t, 0, y.Len())
	require.Empty(t, y.Blocks(0))
	require.Equal(t, 1, b.Free())
	require.True(t, y.Grow(4), "what is left is still usable")
	require.False(t, x.Grow(4))
	require.True(t, x.Grow(3), "room in the last block needs no free one")
	require.NoError(t, b.Check(x, y))
}

func TestSlotsFollowTheTable(t *testing.T) {
	b := pool(t, 4, 2)
	x, y := b.Table(), b.Table()
	require.True(t, x.Grow(2))
	require.True(t, y.Grow(2))
	require.True(t, x.Grow(3)) // x's blocks are not neighbours
	require.Equal(t, []int32{0, 2, 3}, x.Blocks(5))
	require.Equal(t, []int32{0, 2}, x.Blocks(3))
	require.Equal(t, []int32{1}, y.Blocks(2))
	var slots []int32
	for p := range x.Len() {
		slots = append(slots, x.Slot(p))
	}
	require.Equal(t, []int32{0, 1, 4, 5, 6}, slots)
	require.Panics(t, func() { x.Slot(5) }, "has room in its block, but was not reserved")
	require.Panics(t, func() { x.Slot(-1) })
	require.Panics(t, func() { x.Blocks(6) })
	require.Panics(t, func() { x.Grow(-1) })
}

func TestReleaseFreesAndForgets(t *testing.T) {
	b := pool(t, 4, 2)
	x := b.Table()
	require.True(t, x.Grow(7))
	before := x.Blocks(7)
	x.Release()
	require.Equal(t, 4, b.Free())
	require.NoError(t, b.Check(x))
	x.Release()
	require.Equal(t, 4, b.Free(), "a second release has nothing to give")
	require.True(t, x.Grow(1), "an empty table grows again")
	require.Equal(t, []int32{0, 1, 2, 3}, before, "slices handed out keep their values")
}

func TestShrink(t *testing.T) {
	b := pool(t, 6, 2)
	x := b.Table()
	require.True(t, x.Grow(7))
	held := x.Blocks(7)
	before := slices.Clone(held)
	x.Seal([]int32{5, 6})
	x.Shrink(3)
	require.Equal(t, 3, x.Len())
	require.Equal(t, 4, b.Free())
	require.NoError(t, b.Check(x))
	require.NoError(t, x.Holds([]int32{5, 6, 7}))
	require.EqualError(t, x.Holds([]int32{5, 8}), "cache: a table's block number 0 is remembered with tokens [5 6], want [5 8]")
	require.Panics(t, func() { x.Shrink(1) }, "it would be written to again")
	require.Panics(t, func() { x.Shrink(4) })
	y := x.Fork()
	require.True(t, y.Grow(3))
	require.Len(t, y.TakeCopies(), 1, "the partial block is shared")
	require.Equal(t, before, held, "slices handed out keep their values")
	y.Shrink(3)
	x.Shrink(2)
	x.Shrink(0)
	require.NoError(t, b.Check(x, y))
	require.True(t, x.Grow(1))
	require.NotEqual(t, int32(0), x.Blocks(1)[0], "what is remembered stays")
	require.NoError(t, b.Check(x, y))
}

func TestReleaseHonoursReferences(t *testing.T) {
	b := pool(t, 4, 2)
	x := b.Table()
	require.True(t, x.Grow(4))
	y := x.Fork()
	require.NoError(t, b.Check(x, y))
	x.Release()
	require.Equal(t, 2, b.Free(), "y still holds both")
	require.NoError(t, b.Check(x, y))
	y.Release()
	require.Equal(t, 4, b.Free())
	require.NoError(t, b.Check(x, y))
}

func TestCheckFinds(t *testing.T) {
	for _, c := range []struct {
		name  string
		spoil func(b *Blocks, x *Table)
		want  string
	}{
		{"count too high", func(b *Blocks, x *Table) { b.refs[0]++ }, "cache: block 0 has 2 references, but 1 tables hold it"},
		{"count of a free block", func(b *Blocks, x *Table) { b.refs[3]++ }, "cache: block 3 has 1 references, but 0 tables hold it"},
		{"count of a group", func(b *Blocks, x *Table) { b.used[0]++ }, "cache: 2 blocks of group 0 are held, counted are 3"},
		{"held and free", func(b *Blocks, x *Table) { b.free = append(b.free, 1) }, "cache: block 1 is on the free list, but 1 tables hold it"},
		{"freed twice", func(b *Blocks, x *Table) { b.free = append(b.free, 3) }, "cache: free list names block 3 twice"},
		{"lost", func(b *Blocks, x *Table) { b.free = b.free[:1] }, "cache: block 2 is lost: no table holds it and the free list does not name it"},
		{"free list out of range", func(b *Blocks, x *Table) { b.free[0] = 4 }, "cache: free list names block 4 of a pool of 4"},
		{"held twice", func(b *Blocks, x *Table) { x.lanes[0][1] = x.lanes[0][0] }, "cache: table 0 holds block 0 twice"},
		{"table out of range", func(b *Blocks, x *Table) { x.lanes[0][1] = 9 }, "cache: table 0 holds block 9 of a pool of 4"},
		{"too few blocks", func(b *Blocks, x *Table) { x.tokens = 5 }, "cache: table 0 holds 2 blocks for 5 tokens, want 3"},
		{"other pool", func(b *Blocks, x *Table) { x.pool = nil }, "cache: table 0 belongs to another pool"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := pool(t, 4, 2)
			x := b.Table()
			require.True(t, x.Grow(3))
			require.NoError(t, b.Check(x))
			c.spoil(b, x)
			require.EqualError(t, b.Check(x), c.want)
		})
	}
	b := pool(t, 4, 2)
	require.True(t, b.Table().Grow(1))
	require.EqualError(t, b.Check(), "cache: block 0 has 1 references, but 0 tables hold it", "a lost table is a leak")
}
