package kvswap

import (
	"errors"
	"math/rand/v2"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// check compares the books with what there is, and with the bounds; exceeded says how far memory may be above its own.
func (s *Store) check(t *testing.T, exceeded int) {
	t.Helper()
	host, disk, filled := 0, 0, 0
	for id, e := range s.entries {
		require.Equal(t, id, e.id)
		if e.data != nil || !e.filled() {
			host += e.blocks
		}
		if e.file != "" {
			disk += e.blocks
		}
		if e.filled() {
			filled++
			require.Contains(t, s.order, e)
		}
		require.False(t, e.fetched && (e.job != nil || e.file != ""), "entry %d is to stay in memory", id)
		if e.job != nil {
			require.Contains(t, s.jobs, e.job)
			require.Same(t, e, e.job.entry)
			require.True(t, e.data != nil && e.file == "")
		}
	}
	require.Len(t, s.order, filled)
	for _, j := range s.jobs {
		disk += j.blocks
		if j.dropped {
			host += j.blocks
		}
	}
	require.Equal(t, []int{host, disk}, []int{s.host, s.disk})
	require.LessOrEqual(t, s.host, s.config.HostBlocks+exceeded)
	require.LessOrEqual(t, s.disk, s.config.DiskBlocks)
}

// TestRandom compares a store with a map, at random, over 10,000 operations: every entry is what was put, the books agree,
// and no bound is exceeded but by what was fetched.
func TestRandom(t *testing.T) {
	for _, c := range []struct {
		name              string
		host, disk, ahead int
		failing           bool // the disk, after a while
	}{
		{"memory", 16, 0, 0, false},
		{"on demand", 16, 24, 0, false},
		{"ahead", 16, 40, 8, false},
		{"far ahead", 12, 100, 12, false},
		{"disk fails", 16, 24, 8, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := open(t, c.host, c.disk)
			s.ahead = c.ahead
			r := rand.New(rand.NewPCG(3, 4))
			did := map[string]int{}
			create := s.spiller.create
			if c.failing {
				made := 0
				s.spiller.create = func(path string) (sink, error) {
					if made++; made > 300 {
						return nil, errors.New("broken")
					}
					return create(path)
				}
			}
			blocks, filled, fetched := map[uint64]int{}, map[uint64]bool{}, map[uint64]int{}
			var ids []uint64
			forget := func(i int) {
				id := ids[i]
				delete(blocks, id)
				delete(filled, id)
				delete(fetched, id)
				ids = append(ids[:i], ids[i+1:]...)
			}
			for step := range 10_000 {
				i := len(ids) - 1
				if i >= 0 && r.IntN(3) == 0 {
					i = r.IntN(len(ids))
				}
				switch n := r.IntN(12); {
				case i < 0 || n < 5:
					id, want := uint64(step), 1+r.IntN(6)
					if len(fetched) == 0 && s.config.HostBlocks-s.host >= want {
						did["sure"]++
						require.True(t, s.Reserve(id, want))
					} else if !s.Reserve(id, want) {
						did["full"]++
						break
					}
					blocks[id] = want
					ids = append(ids, id)
					did["reserve"]++
					if r.IntN(10) > 0 {
						require.NoError(t, s.Put(id, contents(id, want)))
						filled[id] = true
					}
				case n < 6:
					id := ids[i]
					if err := s.Put(id, contents(id, blocks[id])); filled[id] {
						require.Error(t, err)
					} else {
						require.NoError(t, err)
						filled[id] = true
					}
				case n < 7:
					require.NoError(t, s.Fetch(ids[i]))
					fetched[ids[i]] = blocks[ids[i]]
					did["fetch"]++
				case n < 10 || len(fetched) > 1:
					if filled[ids[i]] {
						take(t, s, ids[i], blocks[ids[i]])
					} else {
						_, err := s.Take(ids[i])
						require.ErrorIs(t, err, ErrLost)
					}
					forget(i)
					did["take"]++
				default:
					s.Drop(ids[i])
					forget(i)
					did["drop"]++
				}
				exceeded := 0
				for _, n := range fetched {
					exceeded += n
				}
				s.check(t, exceeded)
				require.Len(t, s.entries, len(ids))
				require.Equal(t, len(ids), s.Stats().Entries)
				require.ErrorIs(t, s.Fetch(uint64(step)+1), ErrLost)
				if len(s.jobs) == 0 && s.dir != "" {
					n := 0
					for _, e := range s.entries {
						if e.file != "" {
							n++
						}
					}
					found, err := os.ReadDir(s.dir)
					require.NoError(t, err)
					require.Len(t, found, n)
				}
			}
			now := s.Stats()
			t.Log(did, now)
			assert.Equal(t, c.failing, s.Warning() != nil)
			for _, k := range []string{"sure", "full", "reserve", "fetch", "take", "drop"} {
				assert.Positive(t, did[k], k)
			}
			assert.Equal(t, c.disk > 0, now.SpilledBlocks > 0 && now.FetchedBlocks > 0)
		})
	}
}
