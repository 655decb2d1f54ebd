package scheduler

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"umbra/scheduler/sample"
)

// randomRequest asks for anything that could be; it may be refused.
func randomRequest(r *rand.Rand, c Config) Request {
	q := Request{MaxTokens: r.IntN(20)}
	if r.IntN(2) == 0 { // a beginning that others have too
		for i := range r.IntN(c.Context / 2) {
			q.Prompt = append(q.Prompt, int32(i*i%7))
		}
	}
	for range 1 + r.IntN(c.Context*2/3-len(q.Prompt)) {
		q.Prompt = append(q.Prompt, r.Int32N(int32(c.Vocabulary)))
	}
	if r.IntN(3) > 0 {
		q.Sampling = sample.Params{Temperature: 0.5 + r.Float64(), TopK: r.IntN(2) * (1 + r.IntN(70)), TopP: 1, Seed: r.Uint64()}
		if r.IntN(2) == 0 {
			q.Sampling.TopP = r.Float64()
		}
	}
	if r.IntN(3) == 0 {
		q.Sampling.Penalty, q.Sampling.PenaltyLast = 1.3, 10
	}
	if r.IntN(4) == 0 {
		q.StopTokens = []int32{r.Int32N(syllables), r.Int32N(syllables)}
	}
	if r.IntN(4) == 0 {
		q.Stop = []string{string(syllable(r.Int32N(syllables)))[1:] + string(syllable(r.Int32N(syllables)))[:1], "ka"}
	}
	return q
}

// TestRandom adds, steps, cancels and fails at random, with Check after everything. What a sequence comes to must be
// what it comes to alone, or a beginning of it if it was cancelled or failed; at idle no block is taken.
func TestRandom(t *testing.T) {
	steps := 2500
	if testing.Short() {
		steps = 300
	}
	for _, c := range []Config{
		{BlockSize: 4, Blocks: 40, MaxBatchTokens: 24, MaxSequences: 8, Context: 48},                     // roomy: hardly ever preempts
		{BlockSize: 2, Blocks: 14, MaxBatchTokens: 7, MaxSequences: 6, Context: 24},                      // tight: preempts often
		{BlockSize: 1, Blocks: 20, MaxBatchTokens: 3, MaxSequences: 3, Context: 40},                      // cache smaller than the context
		{BlockSize: 16, Blocks: 3, MaxBatchTokens: 64, MaxSequences: 5, Context: 30},                     // few large blocks
		{BlockSize: 3, Blocks: 30, MaxBatchTokens: 1, MaxSequences: 1, Context: 20},                      // one at a time
		{BlockSize: 2, Blocks: 15, MaxBatchTokens: 9, MaxSequences: 6, Context: 24, NoPrefixReuse: true}, // tight
	} {
		c.Vocabulary, c.Piece = syllables, syllable
		t.Run(fmt.Sprintf("%dx%d", c.Blocks, c.BlockSize), func(t *testing.T) {
			x := newRandomRun(t, c)
			for range steps {
				switch x.r.IntN(20) {
				case 0, 1, 2, 3, 4:
					if x.s.Stats().Waiting < 6 {
						x.add()
					}
				case 5:
					if x.r.IntN(4) == 0 {
						x.cancel()
					}
				default:
					x.step()
				}
				x.check()
			}
			for x.step() {
				x.check()
			}
			st := x.s.Stats()
			t.Logf("%d requests, %+v, ended %v", len(x.requests), st, x.ends)
			require.Equal(t, c.Blocks, st.BlocksFree, "at idle every block is free")
			require.Zero(t, st.Waiting+st.Running)
			require.Empty(t, x.results, "every sequence has ended")
			require.Equal(t, !c.NoPrefixReuse, st.PrefixHits > 0, "or the test tests too little")
			if c.Blocks == 14 || c.Blocks == 15 {
				require.NotZero(t, st.Preemptions, "or the test tests too little")
			}
		})
	}
}

type randomRun struct {
	t        *testing.T
	r        *rand.Rand
	c        Config
	s        *Scheduler
	model    *fake
	requests map[uint64]Request
	results  map[uint64]*result // of those that have not ended
	ends     map[Reason]int
}

func newRandomRun(t *testing.T, c Config) *randomRun {
	s, err := New(c)
	require.NoError(t, err)
	return &randomRun{
		t: t, r: rand.New(rand.NewPCG(uint64(c.Blocks), uint64(c.BlockSize))), c: c, s: s, model: newFake(c),
		requests: map[uint64]Request{}, results: map[uint64]*result{}, ends: map[Reason]int{},
	}
}

func (x *randomRun) check() {
	x.t.Helper()
	require.NoError(x.t, x.s.Check())
}

func (x *randomRun) add() {
	q := randomRequest(x.r, x.c)
	id, err := x.s.Add(q)
	if err != nil {
		require.ErrorContains(x.t, err, "cache blocks", "the only refusal these requests can meet")
		return
	}
	x.requests[id], x.results[id] = q, &result{}
}

func (x *randomRun) cancel() {
	ids := slices.Sorted(maps.Keys(x.results))
	if len(ids) == 0 {
		return
	}
	id := ids[x.r.IntN(len(ids))]
	e, ok := x.s.Cancel(id)
	require.True(x.t, ok)
	x.event(e)
	_, ok = x.s.Cancel(id)
	require.False(x.t, ok, "only once")
}

// step runs one step; now and then it cancels in flight, or fails. It reports false when idle.
func (x *randomRun) step() bool {
	b := x.s.Next()
	if b == nil {
		require.Empty(x.t, x.results, "nothing to do, and some have not ended")
		return false
	}
	x.check()
	require.Equal(x.t, slices.Min(slices.Collect(maps.Keys(x.results))), x.oldest(b.Sequences[0].ID),
		"the oldest has a row in every step")
	if x.r.IntN(40) == 0 {
		x.cancel()
		x.check()
	}
	var events []Event
	out, err := x.model.run(b)
	require.NoError(x.t, err)
	if x.r.IntN(60) == 0 {
		events, err = x.s.Fail(b, errors.New("failed at random"))
	} else {
		events, err = x.s.Commit(b, out)
	}
	require.NoError(x.t, err)
	for _, e := range events {
		x.event(e)
	}
	return true
}

// oldest returns the smallest id with rows in the step in flight, first being one of them.
func (x *randomRun) oldest(first uint64) uint64 {
	for _, s := range x.s.flight.Sequences {
		first = min(first, s.ID)
	}
	return first
}

// event adds to a sequence's result and, at its end, compares it with a run alone.
func (x *randomRun) event(e Event) {
	got := x.results[e.ID]
	require.NotNil(x.t, got, "an event of %d, which has ended or never was", e.ID)
	got.add(e)
	if e.Reason == Unfinished {
		return
	}
	delete(x.results, e.ID)
	x.ends[e.Reason]++
	q := x.requests[e.ID]
	generated := len(got.tokens)
	if e.Reason == StopToken {
		generated++
	}
	require.Equal(x.t, Usage{Prompt: len(q.Prompt), Generated: generated, Cached: e.Usage.Cached, Preemptions: e.Usage.Preemptions}, e.Usage)
	want, err := alone(x.c, q)
	require.NoError(x.t, err)
	if e.Reason == Cancelled || e.Reason == Failed {
		require.LessOrEqual(x.t, len(got.tokens), len(want.tokens))
		require.Equal(x.t, fmt.Sprint(want.tokens[:len(got.tokens)]), fmt.Sprint(got.tokens))
		require.True(x.t, strings.HasPrefix(string(want.text), string(got.text)) || len(q.Stop) > 0)
		return
	}
	require.Equal(x.t, want, *got)
}
