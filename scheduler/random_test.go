package scheduler

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"umbra/cache"
	"umbra/scheduler/batch"
	"umbra/scheduler/pace"
	"umbra/scheduler/sample"
)

// randomRequest asks for anything that could be; it may be refused.
func randomRequest(r *rand.Rand, c Config) Request {
	q := Request{MaxTokens: r.IntN(20)}
	if r.IntN(2) == 0 { // a beginning that others have too
		for i := range r.IntN(c.Context * 3 / 5) {
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
	switch r.IntN(7) {
	case 2:
		q.Beams = 1 + r.IntN(c.MaxSequences)
		q.N = r.IntN(q.Beams + 1)
		q.LengthPenalty, q.EarlyStopping = []float64{-1, 0, 1}[r.IntN(3)], r.IntN(2) == 0
		q.Sampling, q.Stop = sample.Params{}, nil
	case 0:
		q.N = r.IntN(c.MaxSequences + 1)
	case 1:
		q.BestOf = 1 + r.IntN(c.MaxSequences)
		q.N = r.IntN(q.BestOf + 1)
		q.StopTokens = q.StopTokens[:min(1, len(q.StopTokens))]
	}
	q.Priority = r.IntN(3)
	return q
}

// certain makes a request's draws certain, so that its tokens do not depend on how many numbers were drawn for proposals. Candidates
// and odds are weighed all the same.
func (r *Request) certain() {
	if !r.Sampling.Greedy() {
		r.Sampling.TopP = 0
	}
}

// propose makes proposals of which about two in three come true, drawn with odds or certain. They are made as a draft model would,
// by who knows no more than the texts.
func (x *randomRun) propose() {
	for i, a := range x.s.Asks() {
		require.LessOrEqual(x.t, a.Most, x.c.Speculation.Most)
		text := slices.Clone(a.Tokens)
		p := &x.s.asks[i].Proposal
		for range x.r.IntN(a.Most + 1) {
			likeliest := output(penalised(logitsOf(text), a.Sampling, text), batch.WantToken, 0).Token
			odds := sample.Odds{IDs: []int32{likeliest, (likeliest + 1) % syllables}, Chances: []float64{0.7, 0.3}}
			drawn := 0
			if x.r.Float64() > 0.7 {
				drawn = 1
			}
			if x.r.IntN(2) == 0 {
				p.Odds = append(p.Odds, odds)
			} else {
				p.Odds = append(p.Odds, sample.Odds{})
			}
			p.Tokens, p.Classes = append(p.Tokens, odds.IDs[drawn]), append(p.Classes, uint8(x.r.IntN(pace.Classes)))
			text = append(text, odds.IDs[drawn])
		}
	}
}

// penalised are logits after a repetition penalty.
func penalised(logits []float32, p sample.Params, text []int32) []float32 {
	if !p.Penalises() {
		return logits
	}
	done := map[int32]bool{}
	for _, id := range text[max(0, len(text)-p.PenaltyLast):] {
		switch {
		case done[id]:
		case logits[id] > 0:
			logits[id] /= float32(p.Penalty)
		default:
			logits[id] *= float32(p.Penalty)
		}
		done[id] = true
	}
	return logits
}

// TestRandom adds, steps, cancels and fails at random, with Check after everything. What an answer comes to must be
// what it comes to alone, or a beginning of it if it was cancelled or failed; at idle no block is taken.
func TestRandom(t *testing.T) {
	operations := 5000
	switch {
	case os.Getenv("UMBRA_SOAK") != "":
		operations = 100_000
	case testing.Short():
		operations = 500
	}
	for _, c := range []Config{
		{BlockSize: 4, Blocks: 40, MaxBatchTokens: 24, MaxSequences: 8, Context: 48}, // roomy: hardly ever preempts
		{BlockSize: 2, Blocks: 14, MaxBatchTokens: 7, MaxSequences: 6, Context: 24},  // tight: preempts often
		{BlockSize: 1, Blocks: 20, MaxBatchTokens: 3, MaxSequences: 3, Context: 40},  // cache smaller than the context
		{BlockSize: 16, Blocks: 6, MaxBatchTokens: 64, MaxSequences: 5, Context: 30}, // few large blocks
		{BlockSize: 3, Blocks: 30, MaxBatchTokens: 1, MaxSequences: 1, Context: 20},  // one at a time
		{BlockSize: 2, Blocks: 15, MaxBatchTokens: 9, MaxSequences: 6, Context: 24, NoPrefixReuse: true},
		{BlockSize: 4, Blocks: 13, MaxBatchTokens: 6, MaxSequences: 6, Context: 32, Policy: Priority},
		{BlockSize: 3, Blocks: 14, MaxBatchTokens: 8, MaxSequences: 6, Context: 24, Preemption: Swap, Store: newFakeStore(7)},
		{BlockSize: 2, Blocks: 13, MaxBatchTokens: 12, MaxSequences: 5, Context: 24, Preemption: Auto, Costs: Costs{Row: 1, Block: 0.7},
			Store: newFakeStore(16), Policy: Priority},
		{BlockSize: 4, Blocks: 41, MaxBatchTokens: 24, MaxSequences: 8, Context: 48, Speculation: &Speculation{Most: 6, Outputs: 20, Always: true}},
		{BlockSize: 2, Blocks: 15, MaxBatchTokens: 12, MaxSequences: 5, Context: 24, Speculation: &Speculation{Most: 3, Outputs: 8, Always: true}},
		{BlockSize: 3, Blocks: 13, MaxBatchTokens: 11, MaxSequences: 5, Context: 24, Preemption: Swap, Store: newFakeStore(9),
			Speculation: &Speculation{Most: 15, Outputs: 11, Rates: pace.DraftRates()}},
		{BlockSize: 4, Blocks: 33, MaxBatchTokens: 24, MaxSequences: 6, Context: 48, Speculation: &Speculation{Most: 7, Outputs: 16, Always: true, Text: true}},
		{BlockSize: 2, Blocks: 16, MaxBatchTokens: 12, MaxSequences: 5, Context: 24, Preemption: Swap, Store: newFakeStore(9),
			Speculation: &Speculation{Most: 5, Outputs: 9, Rates: pace.TextRates(), Text: true}},
		// With windows: roomy, tight, alone, and with all that gives blocks back or takes them.
		{BlockSize: 4, Blocks: 110, MaxBatchTokens: 24, MaxSequences: 8, Context: 48, Groups: []cache.Group{{Lanes: 1}, {Window: 6, Lanes: 2}}},
		{BlockSize: 2, Blocks: 22, MaxBatchTokens: 7, MaxSequences: 6, Context: 24, Groups: []cache.Group{{Lanes: 1}, {Window: 5, Lanes: 1}}},
		{BlockSize: 2, Blocks: 9, MaxBatchTokens: 9, MaxSequences: 6, Context: 60, Groups: []cache.Group{{Window: 4, Lanes: 1}}},
		{BlockSize: 3, Blocks: 25, MaxBatchTokens: 11, MaxSequences: 6, Context: 30, Preemption: Swap, Store: newFakeStore(13),
			Groups:      []cache.Group{{Lanes: 1}, {Window: 2, Lanes: 1}, {Window: 7, Lanes: 2}},
			Speculation: &Speculation{Most: 5, Outputs: 11, Rates: pace.DraftRates()}},
		{BlockSize: 2, Blocks: 23, MaxBatchTokens: 12, MaxSequences: 5, Context: 30, Preemption: Auto, Costs: Costs{Row: 1, Block: 0.3},
			Store: newFakeStore(12), Policy: Priority, Groups: []cache.Group{{Lanes: 1}, {Window: 3, Lanes: 1}},
			Speculation: &Speculation{Most: 3, Outputs: 8, Always: true}},
		{BlockSize: 2, Blocks: 26, MaxBatchTokens: 12, MaxSequences: 5, Context: 24, NoPrefixReuse: true, Groups: []cache.Group{{Lanes: 2}, {Window: 4, Lanes: 1}},
			Speculation: &Speculation{Most: 4, Outputs: 9, Always: true}},
	} {
		c.Vocabulary, c.Piece = syllables, syllable
		t.Run(fmt.Sprintf("%dx%d", c.Blocks, c.BlockSize), func(t *testing.T) {
			x := newRandomRun(t, c)
			for range operations {
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
			t.Logf("%d requests, %+v, %d copies, %d rows fed, %d steps ahead, ended %v",
				len(x.requests), st, x.model.copies, x.model.fed, x.ahead, x.ends)
			require.Equal(t, c.Blocks, st.BlocksFree, "at idle every block is free")
			require.Zero(t, st.Waiting+st.Running)
			require.Empty(t, x.results, "every answer has ended")
			if testing.Short() {
				return
			}
			const little = "or the test tests too little"
			require.Equal(t, !c.NoPrefixReuse, st.PrefixHits > 0, little)
			require.Equal(t, c.MaxSequences > 1 && c.BlockSize > 1, x.model.copies > 0, little)
			if c.Blocks >= 13 && c.Blocks <= 15 || c.Groups != nil && c.Groups[0].Window == 0 && c.Blocks < 40 { // windows alone grow no more
				require.NotZero(t, st.Preemptions, little)
			}
			if c.Speculation != nil && c.Speculation.Text {
				require.NotZero(t, st.Speculated.Proposed[0], "random texts seldom repeat, so hardly one comes true, but all are given back")
			} else if c.Speculation != nil {
				sp := st.Speculated
				for i := range min(4, c.Speculation.Most) {
					require.Less(t, 0, sp.Accepted[i], little)
					require.Less(t, sp.Accepted[i], sp.Proposed[i], little)
				}
				require.Greater(t, sp.Tokens, sp.Turns)
			}
			require.NotZero(t, x.ahead, little)
			require.NotZero(t, x.model.fed, little)
			if store := x.model.store; store != nil {
				require.NotZero(t, st.BlocksLoaded, little)
				require.Less(t, st.BlocksLoaded, st.BlocksSaved, "some are found without loading, or lost")
				require.NotZero(t, st.Losses, little)
				require.Less(t, st.Swaps, st.Preemptions, "the store is full at times")
				require.Empty(t, store.held, "nothing is left in the store")
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
	results  map[answer]*result // of those that have not ended
	failed   map[uint64]bool    // requests with answers in a step that failed
	ends     map[Reason]int
	flying   []landing
	ahead    int // steps laid out while another was in flight
	checks   int
}

func newRandomRun(t *testing.T, c Config) *randomRun {
	s, err := New(c)
	require.NoError(t, err)
	x := &randomRun{
		t: t, r: rand.New(rand.NewPCG(uint64(c.Blocks), uint64(c.BlockSize))), c: c, s: s, model: newFake(c),
		requests: map[uint64]Request{}, results: map[answer]*result{}, failed: map[uint64]bool{}, ends: map[Reason]int{},
	}
	if x.model.store != nil {
		x.model.store.lose = func() bool { return x.r.IntN(20) == 0 }
	}
	return x
}

func (x *randomRun) check() {
	x.t.Helper()
	require.NoError(x.t, x.s.Check())
	if x.checks++; x.checks%16 == 0 {
		sameAsStats(x.t, x.s)
	}
}

func (x *randomRun) add() {
	q := randomRequest(x.r, x.c)
	if x.c.Speculation != nil {
		q.certain()
	}
	id, err := x.s.Add(q)
	if err != nil {
		require.ErrorContains(x.t, err, "cache blocks", "the only refusal these requests can meet")
		return
	}
	x.requests[id] = q
	for i := range max(1, q.N) {
		x.results[answer{id, i}] = &result{}
	}
}

// alive returns the ids of requests that have not ended, ascending.
func (x *randomRun) alive() (ids []uint64) {
	for a := range x.results {
		ids = append(ids, a.id)
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

func (x *randomRun) cancel() {
	ids := x.alive()
	if len(ids) == 0 {
		return
	}
	id := ids[x.r.IntN(len(ids))]
	e, ok := x.s.Cancel(id)
	require.True(x.t, ok)
	if e.Answer == AllAnswers {
		for i := range max(1, x.requests[id].N) {
			if x.results[answer{id, i}] != nil {
				x.event(Event{ID: id, Answer: i, Reason: e.Reason})
			}
		}
	} else {
		x.event(e)
	}
	_, ok = x.s.Cancel(id)
	require.False(x.t, ok, "only once")
}

// step runs one step, or one that follows it too, and commits the first; now and then it cancels in flight, or fails. It
// reports false when idle.
func (x *randomRun) step() bool {
	if len(x.flying) == 0 && !x.launch() {
		require.Empty(x.t, x.results, "nothing to do, and some have not ended")
		return false
	}
	if len(x.flying) == 1 && x.r.IntN(3) > 0 && x.launch() {
		x.ahead++
	}
	if x.r.IntN(40) == 0 {
		x.cancel()
		x.check()
	}
	l := x.flying[0]
	x.flying = x.flying[1:]
	if l.err != nil {
		for _, s := range l.batch.Sequences {
			x.failed[s.ID] = true
		}
		for _, q := range x.s.flights[0].moved {
			x.failed[q.id] = true
		}
		events, err := x.s.Fail(l.batch, l.err)
		require.NoError(x.t, err)
		x.events(events)
		return true
	}
	events, err := x.s.Commit(l.batch, l.out)
	require.NoError(x.t, err)
	x.events(events)
	x.s.Took(pace.Times{Step: 10 + x.r.Float64() + 0.1*float64(len(l.batch.Tokens))})
	return true
}

// launch lays out a step and runs it, or has it fail. It reports false if there is none.
func (x *randomRun) launch() bool {
	if x.c.Speculation != nil && !x.c.Speculation.Text {
		x.propose()
	}
	b := x.s.Next()
	x.check()
	if b == nil {
		return false
	}
	if len(x.flying) == 0 {
		first := x.s.running[0].id
		require.True(x.t, slices.ContainsFunc(b.Sequences, func(s batch.Sequence) bool { return s.ID == first }),
			"the first in order has a row in every step")
		if x.c.Policy == FCFS {
			require.Equal(x.t, x.alive()[0], first)
		}
	}
	l := landing{batch: b}
	if x.r.IntN(60) == 0 {
		x.model.spoil(b)
		l.err = errors.New("failed at random")
	} else {
		out, err := x.model.run(b)
		require.NoError(x.t, err)
		l.out = out
	}
	x.flying = append(x.flying, l)
	return true
}

func (x *randomRun) events(events []Event) {
	for _, e := range events {
		x.event(e)
	}
}

// event adds to an answer's result and, at its end, compares it with a run alone.
func (x *randomRun) event(e Event) {
	a := answer{e.ID, e.Answer}
	got := x.results[a]
	require.NotNil(x.t, got, "an event of %v, which has ended or never was", a)
	got.add(e)
	if e.Reason == Unfinished {
		return
	}
	delete(x.results, a)
	x.ends[e.Reason]++
	q := x.requests[e.ID]
	if q.Beams > 0 && e.Reason == Failed {
		require.Empty(x.t, got.tokens)
		return
	}
	if e.Reason != Cancelled {
		generated := len(got.tokens)
		if e.Reason == StopToken {
			generated++
		}
		require.Equal(x.t, Usage{Prompt: len(q.Prompt), Generated: generated, Cached: e.Usage.Cached, Preemptions: e.Usage.Preemptions}, e.Usage)
	}
	wants, err := alone(x.c, q)
	require.NoError(x.t, err)
	ranked := q.BestOf > max(1, q.N)
	switch cut := e.Reason == Cancelled || e.Reason == Failed; {
	case ranked && x.failed[e.ID]: // the best may be among those that failed
		all, err := allAlone(x.c, q)
		require.NoError(x.t, err)
		require.True(x.t, slices.ContainsFunc(all, func(r result) bool {
			return cut && r.begins(got) || r.differs(got) == nil
		}), "%v is no answer to %+v", *got, q)
	case cut:
		require.True(x.t, wants[a.i].begins(got), "%v is no beginning of %v", *got, wants[a.i])
	default:
		require.NoError(x.t, wants[a.i].differs(got), "%v of %+v", a, q)
	}
}
