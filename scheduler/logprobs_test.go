package scheduler

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"umbra/scheduler/batch"
	"umbra/scheduler/sample"
)

func TestLogProbsOf(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for range 50 {
		logits := make([]float32, 40)
		for i := range logits {
			logits[i] = float32(r.IntN(12)) // many ties
		}
		id, n := int32(r.IntN(40)), r.IntN(8)
		ids := make([]int32, 40)
		sum := 0.0
		for i := range ids {
			ids[i] = int32(i)
			sum += math.Exp(float64(logits[i]))
		}
		slices.SortStableFunc(ids, func(a, b int32) int { return int(logits[b] - logits[a]) })
		got := logProbsOf(logits, id, n)
		assert.InDelta(t, math.Log(math.Exp(float64(logits[id]))/sum), got.LogProb, 1e-9)
		require.Len(t, got.Top, n)
		for i, p := range got.Top {
			assert.Equal(t, ids[i], p.ID)
			assert.InDelta(t, math.Log(math.Exp(float64(logits[p.ID]))/sum), p.LogProb, 1e-9)
		}
	}
}

// TestLogProbs: each token of an event comes with its log-probability, also where the best of several are reported at their end.
func TestLogProbs(t *testing.T) {
	for _, bestOf := range []int{0, 2} {
		c := small
		c.Vocabulary = syllables
		s := open(t, c)
		_, err := s.Add(Request{Prompt: []int32{1}, MaxTokens: 3, LogProbs: 3, BestOf: bestOf, Sampling: sample.Params{Temperature: 1, TopP: 1}})
		require.NoError(t, err)
		f := newFake(c)
		tokens := 0
		for b := s.Next(); b != nil; b = s.Next() {
			require.Equal(t, batch.WantLogits, b.Sequences[0].Want)
			out, err := f.run(b)
			require.NoError(t, err)
			events, err := s.Commit(b, out)
			require.NoError(t, err)
			for _, e := range events {
				require.Len(t, e.LogProbs, len(e.Tokens))
				for i, p := range e.LogProbs {
					assert.Equal(t, e.Tokens[i], p.ID)
					assert.Len(t, p.Top, 2)
					assert.LessOrEqual(t, p.LogProb, p.Top[0].LogProb)
				}
				tokens += len(e.Tokens)
			}
		}
		require.Equal(t, 3, tokens)
	}
	_, err := open(t, small).Add(Request{Prompt: []int32{1}, LogProbs: 40})
	require.ErrorContains(t, err, "40 log-probabilities a token are asked for, want 0 to 32")
}

func TestBorrow(t *testing.T) {
	c := small
	c.Vocabulary = syllables
	s := open(t, c)
	var rows, held []int
	require.NoError(t, s.Borrow(9, 6, func(position int, q batch.Sequence) error {
		rows, held = append(rows, position, q.Rows), append(held, q.Past, len(q.Blocks))
		return nil
	}))
	require.Equal(t, []int{0, 6, 6, 3}, rows)
	require.Equal(t, []int{0, 2, 0, 3}, held)
	require.NoError(t, s.Check())
	require.Equal(t, small.Blocks, s.Stats().BlocksFree)
	require.ErrorIs(t, s.Borrow(9, 9, func(int, batch.Sequence) error { return assert.AnError }), assert.AnError)
	require.ErrorContains(t, s.Borrow(33, 9, nil), "33 tokens are more than the context of 32")
	for i := range int32(3) {
		prompt := make([]int32, 13)
		prompt[0] = i
		_, err := s.Add(Request{Prompt: prompt})
		require.NoError(t, err)
	}
	f := newFake(small)
	for range 4 {
		b := s.Next()
		require.ErrorIs(t, s.Borrow(9, 9, nil), errInFlight)
		out, err := f.run(b)
		require.NoError(t, err)
		_, err = s.Commit(b, out)
		require.NoError(t, err)
	}
	require.ErrorIs(t, s.Borrow(32, 9, nil), ErrBusy)
	require.NoError(t, s.Check())
}
