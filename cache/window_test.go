package cache

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// evict forgets what a group has for the i-th block of a text, as if the room had been needed.
func evict(t *testing.T, b *Blocks, tokens []int32, group, i int) {
	t.Helper()
	n := none
	for at := range i + 1 {
		n, _ = b.known.find(n, tokens[at*b.size:(at+1)*b.size])
		require.NotEqual(t, none, n)
	}
	id := b.known.block(n, group)
	require.NotEqual(t, none, id, "group %d has nothing for block %d", group, i)
	b.known.revive(id, b.lanesOf(id))
	b.known.forget(id)
	b.release(id)
}

var text = []int32{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}

// TestMatchWindows: a beginning is found where all groups have what the row after it sees, and no block that it does not see is taken.
func TestMatchWindows(t *testing.T) {
	full, window, narrow := Group{Lanes: 1}, Group{Window: 4, Lanes: 1}, Group{Window: 2, Lanes: 2}
	for _, c := range []struct {
		name   string
		groups []Group
		gone   [][2]int // group and number of blocks evicted
		want   int
		held   []int // blocks of each group's first lane
	}{
		{"all there", []Group{full, window}, nil, 10, []int{5, 2}},
		{"what no row sees", []Group{full, window}, [][2]int{{1, 0}, {1, 1}, {1, 2}}, 10, []int{5, 2}},
		{"the last of the window", []Group{full, window}, [][2]int{{1, 4}}, 8, []int{4, 2}},
		{"the first that it sees", []Group{full, window}, [][2]int{{1, 3}}, 6, []int{3, 2}},
		{"all but the beginning", []Group{full, window}, [][2]int{{1, 3}, {1, 1}}, 2, []int{1, 1}},
		{"all of the window", []Group{full, window}, [][2]int{{1, 0}, {1, 1}, {1, 2}, {1, 3}, {1, 4}}, 0, []int{0, 0}},
		{"the end of what sees all", []Group{full, window}, [][2]int{{0, 4}, {0, 3}, {0, 2}}, 4, []int{2, 2}},
		{"the beginning of what sees all", []Group{full, window}, [][2]int{{0, 4}, {0, 3}, {0, 2}, {0, 1}, {0, 0}}, 0, []int{0, 0}},
		{"ends of both", []Group{full, window}, [][2]int{{0, 4}, {1, 2}}, 4, []int{2, 2}},
		{"windows alone", []Group{window}, [][2]int{{0, 0}, {0, 1}, {0, 2}}, 10, []int{2}},
		{"windows alone, cut", []Group{window}, [][2]int{{0, 3}}, 6, []int{2}},
		{"two windows", []Group{full, window, narrow}, [][2]int{{2, 4}, {1, 1}}, 8, []int{4, 2, 1}},
		{"the wider decides", []Group{full, window, narrow}, [][2]int{{1, 3}}, 6, []int{3, 2, 1}},
		{"the narrower decides", []Group{full, window, narrow}, [][2]int{{2, 2}, {1, 4}, {2, 3}}, 4, []int{2, 2, 1}},
		{"a window of one sees nothing before", []Group{full, {Window: 1, Lanes: 1}}, [][2]int{{1, 4}, {1, 3}, {1, 0}}, 10, []int{5, 0}},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := pool(t, 30, 2, c.groups...)
			filled(t, b, text...).Release()
			require.Equal(t, 30, b.Free())
			for _, g := range c.gone {
				evict(t, b, text, g[0], g[1])
			}
			require.NoError(t, b.Check())
			x := b.Table()
			require.Equal(t, c.want, x.Match(text))
			require.NoError(t, b.Check(x))
			for g := range c.groups {
				require.Len(t, x.heads(g), c.held[g], "group %d", g)
			}
			require.True(t, x.Grow(len(text)-c.want))
			x.Seal(text)
			require.NoError(t, b.Check(x))
			require.NoError(t, x.Holds(text))
			x.Release()
			require.NoError(t, b.Check())
			require.Equal(t, 30, b.Free())
		})
	}
}

// TestSlide: however long a sequence gets, a lane with a window holds no more than Need says; what it gave back is found until it
// is needed, and what has been handed out keeps its values.
func TestSlide(t *testing.T) {
	const window, size, n = 7, 3, 60
	b := pool(t, 31, size, Group{Lanes: 1}, Group{Window: window, Lanes: 2})
	require.Equal(t, n/size+2*(1+2), b.Need(n))
	require.Equal(t, 3+2*3, b.Need(9), "short ones take as many as without a window")
	require.Equal(t, 7+2*2*3, b.NeedTogether(3, 15, 15), "windows share nothing for good")
	require.Equal(t, 5+2*5, b.NeedTogether(2, 9, 9, 9, 6), "but at the beginning")
	x := b.Table()
	var tokens []int32
	for p := range int32(n) {
		require.True(t, x.Grow(1), "token %d", p)
		tokens = append(tokens, p)
		past, ids := x.Lane(1, x.Len())
		before := slices.Clone(ids)
		require.LessOrEqual(t, past*size, max(0, int(p)-window+1), "row %d sees what is gone", p)
		require.Equal(t, b.Len()-b.Free(), len(x.Blocks(x.Len()))+2*len(ids))
		require.LessOrEqual(t, b.Len()-b.Free(), b.Need(x.Len()))
		x.Seal(tokens)
		x.Slide(x.Len())
		require.Equal(t, before, ids)
		require.NoError(t, b.Check(x))
	}
	require.Panics(t, func() { x.Slide(n + 1) })
	require.Panics(t, func() { x.Slot(n) })
	require.NotPanics(t, func() { x.Slot(0) }, "the first lane sees all")
	require.Panics(t, func() { x.Shrink(n - size) }, "what it sees is gone")
	require.True(t, x.Grow(2))
	x.Shrink(n)
	require.NoError(t, b.Check(x))
	x.Release()
	y := b.Table()
	require.Equal(t, n-size, y.Match(tokens[:n-1]))
	require.NoError(t, b.Check(y))
	require.NoError(t, y.Holds(tokens))
}

// TestExtend: blocks for positions that a window is to pass are taken as there is room for them.
func TestExtend(t *testing.T) {
	b := pool(t, 14, 2, Group{Lanes: 1}, Group{Window: 3, Lanes: 2})
	x := b.Table()
	require.True(t, x.Reserve(14, 1))
	require.Equal(t, 14-7-2, b.Free())
	require.Equal(t, []int{14, 1}, []int{x.Len(), x.Reach()})
	require.Equal(t, 6, x.Extend(14), "one block is left, which is too few for two lanes")
	require.Equal(t, 6, x.Extend(7))
	x.Slide(6)
	require.Equal(t, 10, x.Extend(14))
	require.Equal(t, 10, x.Extend(9), "what is reserved stays")
	require.NoError(t, b.Check(x))
	require.False(t, x.Reserve(16, 11))
	require.False(t, x.Reserve(14, 11))
	require.Panics(t, func() { x.Seal(make([]int32, 12)) }, "not computed yet")
	x.Slide(10)
	x.Shrink(10)
	require.Equal(t, 10, x.Extend(20))
	require.NoError(t, b.Check(x))
}

// TestResume: a table goes on where blocks were saved, with those that were not and are remembered.
func TestResume(t *testing.T) {
	b := pool(t, 12, 2, Group{Lanes: 1}, Group{Window: 3, Lanes: 1})
	y := b.Table()
	require.True(t, y.Resume(10))
	require.Equal(t, 12-5-1, b.Free())
	require.Len(t, y.List(0), 6)
	y.Seal(text[:10])
	require.NoError(t, b.Check(y))
	y.Release()
	x := b.Table()
	require.Equal(t, 10, x.Match(text))
	require.False(t, x.Resume(24), "too few are free")
	require.True(t, x.Resume(14))
	require.Len(t, x.List(10), 3)
	require.NoError(t, b.Check(x))
	require.Panics(t, func() { x.Resume(15) }, "not all of it is sealed")
	x.Release()
	z := b.Table()
	require.Zero(t, z.Match(text[:6]), "the row after it sees what was never there")
}

// TestForkWithWindows: a last, partial block is copied in every lane of every group.
func TestForkWithWindows(t *testing.T) {
	b := pool(t, 20, 2, Group{Lanes: 1}, Group{Window: 3, Lanes: 2})
	x := filled(t, b, text...)
	x.Slide(len(text))
	require.NoError(t, b.Check(x))
	y := x.Fork()
	require.Equal(t, 3, y.Growth(1))
	require.True(t, y.Grow(1))
	copies := y.TakeCopies()
	require.Len(t, copies, 3)
	for lane, c := range copies {
		_, from := x.Lane(lane, x.Len())
		_, to := y.Lane(lane, y.Len())
		require.Equal(t, Copy{From: from[len(from)-1], To: to[len(to)-1]}, c)
	}
	x.Slide(len(text))
	require.NoError(t, b.Check(x, y))
	x.Release()
	require.True(t, y.Grow(2))
	y.Slide(13)
	require.NoError(t, b.Check(y))
	y.Release()
	require.Equal(t, 20, b.Free())
}

func TestGroupsRefused(t *testing.T) {
	_, err := New(8, 2, Group{Lanes: 1}, Group{Window: -1, Lanes: 1})
	require.EqualError(t, err, "cache: group 1 has a window of -1 and 1 lanes, want at least 0 and 1")
	_, err = New(8, 2, Group{})
	require.EqualError(t, err, "cache: group 0 has a window of 0 and 0 lanes, want at least 0 and 1")
}
