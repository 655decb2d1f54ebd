package cache

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// written is a table with the tokens it stands for.
type written struct {
	*Table
	tokens []int32
	chain  []uint64 // chain[p] stands for the key and value of position p: it depends on all tokens up to there
	past   int      // positions before are not to be computed any more
}

// each calls f with the slot of every position that is held in every lane, and what it is to hold.
func (x *written) each(f func(lane, position, slot int, want uint64)) {
	for l := range x.pool.lanes {
		end := len(x.chain)
		if x.pool.groups[x.pool.groupOf(l)].Window > 0 {
			end = min(end, x.Reach())
		}
		past, ids := x.Lane(l, x.Len())
		for p := past * x.pool.size; p < end; p++ {
			f(l, p, int(ids[p/x.pool.size-past])*x.pool.size+p%x.pool.size, x.chain[p]+uint64(l))
		}
	}
}

// holds checks that what a row of position n sees is held.
func (x *written) holds(t *testing.T, n int) {
	for l := range x.pool.lanes {
		past, ids := x.Lane(l, x.Len())
		first := 0
		if w := x.pool.groups[x.pool.groupOf(l)].Window; w > 0 {
			first = max(0, n-w+1)
		}
		if past*x.pool.size > first || (past+len(ids))*x.pool.size < n {
			require.Fail(t, "row sees what is not there", "lane %d holds %d blocks from %d on for position %d", l, len(ids), past, n)
		}
	}
}

// TestRandom grows, slides, forks, seals, matches and releases at random, with what stands for keys and values in every slot.
// Each position must keep its own, whoever else writes. Tokens are of two kinds only, so that beginnings often agree;
// where the hash is bad, everything collides.
func TestRandom(t *testing.T) {
	for _, c := range []struct {
		name         string
		blocks, size int
		hash         func(uint64, []int32) uint64
		groups       []Group
	}{
		{"tight", 13, 3, chainHash, nil},
		{"roomy", 60, 2, chainHash, nil},
		{"single", 20, 1, chainHash, nil},
		{"collisions", 30, 2, func(uint64, []int32) uint64 { return 7 }, nil},
		{"lanes", 30, 3, chainHash, []Group{{Lanes: 3}}},
		{"window", 14, 3, chainHash, []Group{{Window: 5, Lanes: 1}}},
		{"both", 40, 2, chainHash, []Group{{Lanes: 1}, {Window: 4, Lanes: 1}}},
		{"all kinds", 70, 3, chainHash, []Group{{Lanes: 2}, {Window: 1, Lanes: 1}, {Window: 7, Lanes: 3}}},
		{"windows collide", 50, 1, func(uint64, []int32) uint64 { return 7 }, []Group{{Window: 3, Lanes: 2}, {Window: 6, Lanes: 1}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := rand.New(rand.NewPCG(1, 2))
			b := pool(t, c.blocks, c.size, c.groups...)
			b.known.hash = c.hash
			slots := make([]uint64, b.Len()*b.Size())
			var tables []*written
			did := map[string]int{}
			for step := range 4000 {
				var x *written
				if len(tables) > 0 {
					x = tables[r.IntN(len(tables))]
				}
				switch n := r.IntN(12); {
				case x == nil || n == 0:
					x = &written{Table: b.Table()}
					var like []int32
					if len(tables) > 0 {
						like = tables[r.IntN(len(tables))].tokens
					} else {
						like = make([]int32, 8)
					}
					hit := x.Match(like)
					did["matched"] += hit
					x.append(like[:hit])
					x.past = hit
					tables = append(tables, x)
				case n < 6:
					x.grow(t, r, slots, did)
				case n < 7:
					x.Seal(x.tokens[:r.IntN(x.Reach()+1)])
				case n < 8 && len(tables) < 9:
					y := &written{Table: x.Fork(), past: x.past}
					y.append(x.tokens)
					tables = append(tables, y)
				case n < 9:
					x.shrink(r, did)
				case n < 10:
					x.Release()
					x.tokens, x.chain, x.past = nil, nil, 0
					tables = deleteTable(tables, x)
				case n < 11:
					free := b.Free()
					x.past += r.IntN(x.Reach() - x.past + 1)
					x.Slide(x.past)
					did["freed"] += b.Free() - free
				default:
					tables = swap(t, r, b, slots, tables, did)
				}
				var all []*Table
				for _, x := range tables {
					all = append(all, x.Table)
					require.Len(t, x.tokens, x.Len())
					x.holds(t, x.past)
					x.each(func(lane, p, slot int, want uint64) {
						if slots[slot] != want {
							require.Fail(t, "lost", "step %d: lane %d, position %d of %v", step, lane, p, x.tokens)
						}
					})
				}
				require.NoError(t, b.Check(all...), "step %d", step)
				agree(t, b, all)
			}
			t.Log(did)
			require.NotZero(t, did["matched"])
			require.Equal(t, c.size > 1, did["copied"] > 0, "a block of one token is never partial")
			require.True(t, did["refused"] > 0 || c.blocks == 60, "unless roomy")
			require.Equal(t, b.Windowed(), did["freed"] > 0)
			require.Equal(t, b.Windowed(), did["extended"] > 0)
			for _, x := range tables {
				x.Release()
			}
			require.Equal(t, b.Len(), b.Free())
			require.NoError(t, b.Check())
		})
	}
}

func deleteTable(tables []*written, x *written) (left []*written) {
	for _, y := range tables {
		if y != x {
			left = append(left, y)
		}
	}
	return left
}

// append adds tokens whose slots hold what they should.
func (x *written) append(tokens []int32) {
	for _, id := range tokens {
		last := uint64(99)
		if n := len(x.chain); n > 0 {
			last = x.chain[n-1]
		}
		x.tokens = append(x.tokens, id)
		x.chain = append(x.chain, last*0x9e3779b97f4a7c15+uint64(id)+1)
	}
}

// grow adds random tokens and writes their slots, after the copies; it must fit exactly when there are enough blocks. With windows it may add
// less than it reserves.
func (x *written) grow(t *testing.T, r *rand.Rand, slots []uint64, did map[string]int) {
	b := x.pool
	n, free, before := r.IntN(2+2*b.Size()), b.Free(), fmt.Sprint(x.lanes)
	to, reach := x.Len()+n, x.Len()+n
	if b.Windowed() && r.IntN(2) == 0 {
		reach = x.Reach() + r.IntN(to-x.Reach()+1)
	}
	need, shared := 0, 0
	for g, group := range b.groups {
		have, want := x.Len(), to
		if group.Window > 0 {
			have, want = x.Reach(), max(x.Reach(), reach)
		}
		blocks := b.span(want) - b.span(have)
		if ids := x.heads(g); want > have && have%b.Size() != 0 && b.refs[ids[len(ids)-1]] > 1 {
			blocks++
			shared += group.Lanes
		}
		need += blocks * group.Lanes
	}
	require.Equal(t, need, x.Lack(to, reach))
	if need > free {
		require.False(t, x.Reserve(to, reach))
		require.Equal(t, free, b.Free())
		require.Equal(t, before, fmt.Sprint(x.lanes))
		did["refused"]++
		return
	}
	require.True(t, x.Reserve(to, reach))
	require.Equal(t, free-need, b.Free())
	if b.Windowed() && r.IntN(2) == 0 {
		reach, at := x.Reach(), x.Extend(to)
		require.True(t, at == to || b.Free() < b.Lanes())
		did["extended"] += at - reach
	}
	copies := x.TakeCopies()
	require.GreaterOrEqual(t, len(copies), shared)
	for _, c := range copies {
		copy(slots[int(c.To)*b.Size():][:b.Size()], slots[int(c.From)*b.Size():])
		did["copied"]++
	}
	for range n {
		x.append([]int32{r.Int32N(2)})
	}
	x.each(func(lane, p, slot int, want uint64) {
		if p >= to-n || p >= x.past {
			slots[slot] = want
		}
	})
}

// shrink gives back a random end, unless that cuts a remembered block, or is before what was slid to.
func (x *written) shrink(r *rand.Rand, did map[string]int) {
	n := r.IntN(x.Len() + 1)
	if n%x.pool.size != 0 && x.remembered(n/x.pool.size) || n < x.past {
		return
	}
	x.Shrink(n)
	x.tokens, x.chain = x.tokens[:n:n], x.chain[:n:n]
	did["shrunk"]++
}

// swap keeps what some tables hold elsewhere, lets another take their blocks, and brings back what fits again. It
// returns the tables that are left.
func swap(t *testing.T, r *rand.Rand, b *Blocks, slots []uint64, tables []*written, did map[string]int) []*written {
	r.Shuffle(len(tables), func(i, j int) { tables[i], tables[j] = tables[j], tables[i] })
	group, others := tables[:1+r.IntN(min(3, len(tables)))], tables
	var packed []*Table
	var lengths []int
	for _, x := range group {
		others = others[1:]
		n := x.past + r.IntN(x.Reach()-x.past+1)
		x.tokens, x.chain, x.past = x.tokens[:n], x.chain[:n], n
		packed, lengths = append(packed, x.Table), append(lengths, n)
	}
	blocks, layout := Pack(packed, lengths)
	require.Equal(t, len(blocks), b.Packed(layout))
	var kept [][]uint64
	for _, id := range blocks {
		kept = append(kept, append([]uint64(nil), slots[int(id)*b.Size():][:b.Size()]...))
	}
	for _, x := range group {
		x.Release()
	}
	if len(others) > 0 {
		others[0].grow(t, r, slots, did)
	}
	known := 0
	if r.IntN(2) == 0 {
		known = group[0].Match(group[0].tokens)
	}
	free := b.Free()
	found := layout.Before(known, b.Size(), b.groups)
	taken, ok := Unpack(packed, layout)
	require.Equal(t, len(blocks)-found <= free, ok)
	if !ok {
		require.Equal(t, free, b.Free())
		group[0].Release()
		return append([]*written(nil), others...)
	}
	require.Len(t, taken, len(blocks)-found)
	for i, id := range taken {
		copy(slots[int(id)*b.Size():], kept[found+i])
	}
	did["swapped"] += len(taken)
	did["found again"] += known
	return tables
}
