package cache

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestMap(t *testing.T) {
	b := pool(t, 6, 2)
	x, lent := b.Table(), b.Table()
	require.True(t, x.Grow(5))
	require.True(t, lent.Grow(1))
	x.Seal([]int32{1, 2, 3, 4})
	y := x.Fork()
	require.True(t, y.Grow(1))
	require.Len(t, y.TakeCopies(), 1)
	require.Equal(t, []Cell{{0, 2}, {0, 2}, {0, 1}, {Other, 1}, {1, 1}, {Free, 0}}, b.Map(x, y))
	require.Equal(t, []Cell{{0, 2}, {0, 2}, {1, 1}, {Other, 1}, {0, 1}, {Free, 0}}, b.Map(y, x), "the first that is named")
	require.Equal(t, []int{3, 3}, []int{x.Held(), y.Held()})
	x.Release()
	require.Equal(t, []Cell{{0, 1}, {0, 1}, {Free, 0}, {Other, 1}, {0, 1}, {Free, 0}}, b.Map(y, x))
	y.Release()
	require.Equal(t, []Cell{{Remembered, 0}, {Remembered, 0}, {Free, 0}, {Other, 1}, {Free, 0}, {Free, 0}}, b.Map(y, x))
	require.NoError(t, b.Check(x, y, lent))
}

// agree has the map say what Check has verified.
func agree(t *testing.T, b *Blocks, tables []*Table) {
	t.Helper()
	free, holders, held := 0, 0, 0
	for id, c := range b.Map(tables...) {
		holders += int(c.Holders)
		right := c.Owner >= 0 && slices.ContainsFunc(tables[c.Owner].lanes, func(ids []int32) bool { return slices.Contains(ids, int32(id)) })
		if c.Holders == 0 {
			free++
			right = c.Owner == Free && slices.Contains(b.free, int32(id)) || c.Owner == Remembered && !slices.Contains(b.free, int32(id))
		}
		if !right {
			t.Fatalf("block %d: %+v", id, c)
		}
	}
	for _, x := range tables {
		held += x.Held()
	}
	require.Equal(t, []int{b.Free(), held}, []int{free, holders})
}

// BenchmarkMap maps 100,000 blocks, half of them held by 64 tables.
func BenchmarkMap(b *testing.B) {
	p, err := New(100_000, 16)
	require.NoError(b, err)
	var tables []*Table
	for range 64 {
		x := p.Table()
		require.True(b, x.Grow(16*50_000/64))
		tables = append(tables, x)
	}
	for b.Loop() {
		p.Map(tables...)
	}
}
