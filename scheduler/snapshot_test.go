package scheduler

import (
	"testing"

	"github.com/stretchr/testify/require"

	"umbra/cache"
	"umbra/scheduler/batch"
)

// likeliest gives every output row of a step the same token.
func likeliest(b *batch.Batch, id int32) []batch.Output {
	out := make([]batch.Output, b.Outputs())
	for i := range out {
		out[i].Token = id
	}
	return out
}

func TestSnapshot(t *testing.T) {
	c := small
	c.MaxSequences, c.MaxBatchTokens = 3, 8
	s := open(t, c)
	require.Empty(t, s.Snapshot().Sequences)
	states := func() (all []State) {
		snap := s.Snapshot()
		for _, q := range snap.Sequences {
			all = append(all, q.State)
		}
		sameAsStats(t, s)
		return all
	}
	_, err := s.Add(Request{Prompt: []int32{1, 2, 3, 4, 5, 6, 7, 8, 9}, MaxTokens: 5})
	require.NoError(t, err)
	_, err = s.Add(Request{Prompt: []int32{21, 22, 23, 24}, N: 2, MaxTokens: 3})
	require.NoError(t, err)
	_, err = s.Add(Request{Prompt: []int32{31}})
	require.NoError(t, err)
	require.Equal(t, []State{Waits, Waits, Waits, Waits}, states())

	b := s.Next()
	require.Equal(t, []State{Prefills, Waits, Waits, Waits}, states(), "8 of 9 rows, all of the step's")
	require.Equal(t, SequenceState{ID: 1, State: Prefills, Prompt: 9, Tokens: 9, Most: 14, Rows: 8, Blocks: 3}, s.Snapshot().Sequences[0])
	_, err = s.Commit(b, likeliest(b, 50))
	require.NoError(t, err)
	require.Equal(t, []State{Decodes, Waits, Waits, Waits}, states(), "one known token is left to compute")

	b = s.Next()
	require.Equal(t, []State{Decodes, Prefills, Follows, Waits}, states(), "the answers' prompt is computed once; nobody else has a place")
	_, err = s.Commit(b, likeliest(b, 50))
	require.NoError(t, err)
	snap := s.Snapshot()
	require.Equal(t, []State{Decodes, Decodes, Decodes, Waits}, states())
	require.Equal(t, 1, snap.Sequences[0].Rows)
	require.Equal(t, 4, snap.Sequences[1].Rows)
	require.Contains(t, snap.Maps[0], cache.Cell{Owner: 1, Holders: 2}, "the answers share their prompt")

	b = s.Next()
	_, ok := s.Cancel(2)
	require.True(t, ok)
	require.Equal(t, []State{Decodes, Ends, Ends, Waits}, states())
	_, err = s.Commit(b, likeliest(b, 50))
	require.NoError(t, err)
	require.Equal(t, []State{Decodes, Waits}, states())
	require.NoError(t, s.Check())
}

// sameAsStats has a snapshot's sequences and maps say what the counts say.
func sameAsStats(t *testing.T, s *Scheduler) {
	t.Helper()
	snap := s.Snapshot()
	st := snap.Stats
	require.Equal(t, s.Stats(), st)
	waiting, held := 0, 0
	for _, q := range snap.Sequences {
		if q.State == Waits || q.State == Saved {
			waiting++
			require.Zero(t, q.Blocks)
		}
		held += q.Blocks
	}
	require.Equal(t, []int{st.Waiting, st.Running}, []int{waiting, len(snap.Sequences) - waiting})
	for _, cells := range snap.Maps {
		free, holders := 0, 0
		for _, c := range cells {
			holders += int(c.Holders)
			if c.Holders == 0 {
				free++
			} else if c.Owner < 0 || int(c.Owner) >= st.Running {
				t.Fatalf("a block's owner is %d of %d that run", c.Owner, st.Running)
			}
		}
		require.Equal(t, []int{st.Blocks, st.BlocksFree, held}, []int{len(cells), free, holders})
	}
}
