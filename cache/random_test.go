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
}

// TestRandom grows, forks, seals, matches and releases at random, with what stands for keys and values in every slot.
// Each position must keep its own, whoever else writes. Tokens are of two kinds only, so that beginnings often agree;
// where the hash is bad, everything collides.
func TestRandom(t *testing.T) {
	for _, c := range []struct {
		name         string
		blocks, size int
		hash         func(uint64, []int32) uint64
	}{
		{"tight", 13, 3, chainHash},
		{"roomy", 60, 2, chainHash},
		{"single", 20, 1, chainHash},
		{"collisions", 30, 2, func(uint64, []int32) uint64 { return 7 }},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := rand.New(rand.NewPCG(1, 2))
			b := pool(t, c.blocks, c.size)
			b.known.hash = c.hash
			slots := make([]uint64, b.Len()*b.Size())
			var tables []*written
			did := map[string]int{}
			for step := range 4000 {
				var x *written
				if len(tables) > 0 {
					x = tables[r.IntN(len(tables))]
				}
				switch n := r.IntN(11); {
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
					tables = append(tables, x)
				case n < 6:
					x.grow(t, r, slots, did)
				case n < 7:
					x.Seal(x.tokens[:r.IntN(len(x.tokens)+1)])
				case n < 8 && len(tables) < 9:
					y := &written{Table: x.Fork()}
					y.append(x.tokens)
					tables = append(tables, y)
				case n < 9:
					x.shrink(r, did)
				case n < 10:
					x.Release()
					x.tokens, x.chain = nil, nil
					tables = deleteTable(tables, x)
				default:
					tables = swap(t, r, b, slots, tables, did)
				}
				var all []*Table
				for _, x := range tables {
					all = append(all, x.Table)
					require.Len(t, x.tokens, x.Len())
					for p, want := range x.chain {
						require.Equal(t, want, slots[x.Slot(p)], "step %d: position %d of %v", step, p, x.tokens)
					}
				}
				require.NoError(t, b.Check(all...), "step %d", step)
				agree(t, b, all)
			}
			t.Log(did)
			require.NotZero(t, did["matched"])
			require.Equal(t, c.size > 1, did["copied"] > 0, "a block of one token is never partial")
			require.True(t, did["refused"] > 0 || c.blocks == 60, "unless roomy")
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

// grow adds random tokens and writes their slots, after the copy; it must fit exactly when there are enough blocks.
func (x *written) grow(t *testing.T, r *rand.Rand, slots []uint64, did map[string]int) {
	b := x.pool
	n, free, before := r.IntN(2+2*b.Size()), b.Free(), fmt.Sprint(x.ids)
	need := b.Need(x.Len()+n) - b.Need(x.Len())
	shared := n > 0 && x.Len()%b.Size() != 0 && b.refs[x.ids[len(x.ids)-1]] > 1
	if shared {
		need++
	}
	if need > free {
		require.False(t, x.Grow(n))
		require.Equal(t, free, b.Free())
		require.Equal(t, before, fmt.Sprint(x.ids))
		did["refused"]++
		return
	}
	require.True(t, x.Grow(n))
	require.Equal(t, free-need, b.Free())
	c, ok := x.TakeCopy()
	require.Equal(t, shared, ok)
	if ok {
		copy(slots[int(c.To)*b.Size():][:b.Size()], slots[int(c.From)*b.Size():])
		did["copied"]++
	}
	for range n {
		x.append([]int32{r.Int32N(2)})
		p := len(x.tokens) - 1
		slots[x.Slot(p)] = x.chain[p]
	}
}

// shrink gives back a random end, unless that cuts a remembered block.
func (x *written) shrink(r *rand.Rand, did map[string]int) {
	n := r.IntN(x.Len() + 1)
	if n%x.pool.size != 0 && x.pool.known.has(x.ids[n/x.pool.size]) {
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
		n := r.IntN(len(x.tokens) + 1)
		x.tokens, x.chain = x.tokens[:n], x.chain[:n]
		packed, lengths = append(packed, x.Table), append(lengths, n)
	}
	blocks, layout := Pack(packed, lengths)
	require.Equal(t, len(blocks), Packed(layout))
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
	taken, ok := Unpack(packed, lengths, layout)
	require.Equal(t, len(blocks)-known/b.Size() <= free, ok)
	if !ok {
		require.Equal(t, free, b.Free())
		group[0].Release()
		return append([]*written(nil), others...)
	}
	require.Equal(t, free-len(taken), b.Free())
	for i, id := range taken {
		copy(slots[int(id)*b.Size():], kept[known/b.Size()+i])
	}
	did["swapped"] += len(taken)
	did["found again"] += known
	return tables
}
