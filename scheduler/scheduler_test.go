package scheduler

import (
	"errors"
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"umbra/scheduler/batch"
	"umbra/scheduler/sample"
)

func open(t *testing.T, c Config) *Scheduler {
	t.Helper()
	s, err := New(c)
	require.NoError(t, err)
	return s
}

// small is a configuration with room for a few short sequences of a vocabulary larger than batch.MaxTopK.
var small = Config{BlockSize: 4, Blocks: 16, MaxBatchTokens: 16, MaxSequences: 4, Context: 32, Vocabulary: 100}

func TestWant(t *testing.T) {
	for _, c := range []struct {
		p    sample.Params
		want batch.Want
		k    int
	}{
		{sample.Params{}, batch.WantToken, 0},
		{sample.Params{TopK: 40, TopP: 0.9, MinP: 0.1}, batch.WantToken, 0},
		{sample.Params{Penalty: 1.1, PenaltyLast: 64}, batch.WantLogits, 0},
		{sample.Params{Penalty: 1, PenaltyLast: 64}, batch.WantToken, 0},
		{sample.Params{Penalty: 1.1}, batch.WantToken, 0}, // an empty window
		{sample.Params{Temperature: 1, TopP: 1}, batch.WantLogits, 0},
		{sample.Params{Temperature: 1, TopP: 1, TopK: 1}, batch.WantTop, 1},
		{sample.Params{Temperature: 1, TopP: 1, TopK: 64}, batch.WantTop, 64},
		{sample.Params{Temperature: 1, TopP: 1, TopK: 65}, batch.WantLogits, 0},
		{sample.Params{Temperature: 1, TopP: 1, TopK: 40, Penalty: 1.1, PenaltyLast: -1}, batch.WantLogits, 0},
	} {
		s := open(t, small)
		_, err := s.Add(Request{Prompt: []int32{1}, Sampling: c.p})
		require.NoError(t, err)
		b := s.Next()
		require.Equal(t, c.want, b.Sequences[0].Want, "%+v", c.p)
		require.Equal(t, c.k, b.TopK, "%+v", c.p)
		require.Equal(t, 1, b.Outputs())
	}
}

// TestTopKBeyondTheVocabulary: as many candidates as there are tokens are asked for, and are enough.
func TestTopKBeyondTheVocabulary(t *testing.T) {
	c := small
	c.Vocabulary = 3
	s := open(t, c)
	_, err := s.Add(Request{Prompt: []int32{1}, Sampling: sample.Params{Temperature: 1, TopP: 1, TopK: 40}})
	require.NoError(t, err)
	b := s.Next()
	require.Equal(t, batch.WantTop, b.Sequences[0].Want)
	require.Equal(t, 3, b.TopK)
	events, err := s.Commit(b, []batch.Output{{TopIDs: []int32{2, 0, 1}, TopLogits: []float32{3, 2, 1}}})
	require.NoError(t, err)
	require.NoError(t, events[0].Err)
	require.Len(t, events[0].Tokens, 1)
}

func TestBatchLayout(t *testing.T) {
	c := small
	c.MaxBatchTokens = 8
	s := open(t, c)
	_, err := s.Add(Request{Prompt: []int32{1, 2, 3, 4, 5}})
	require.NoError(t, err)
	_, err = s.Add(Request{Prompt: []int32{6, 7, 8, 9}, Sampling: sample.Params{Temperature: 1, TopK: 3}})
	require.NoError(t, err)
	require.Equal(t, &batch.Batch{
		Tokens:    []int32{1, 2, 3, 4, 5, 6, 7, 8},
		Positions: []int32{0, 1, 2, 3, 4, 0, 1, 2},
		Slots:     []int32{0, 1, 2, 3, 4, 8, 9, 10},
		Sequences: []batch.Sequence{
			{ID: 1, Start: 0, Rows: 5, Blocks: []int32{0, 1}, Outputs: 1, Want: batch.WantToken},
			{ID: 2, Start: 5, Rows: 3, Blocks: []int32{2}},
		},
	}, s.Next(), "TopK is of rows that want output only")
	_, err = s.Commit(s.flights[0].batch, []batch.Output{{Token: 50}})
	require.NoError(t, err)
	require.Equal(t, &batch.Batch{
		Tokens:    []int32{50, 9},
		Positions: []int32{5, 3},
		Slots:     []int32{5, 11},
		Sequences: []batch.Sequence{
			{ID: 1, Start: 0, Rows: 1, Blocks: []int32{0, 1}, Outputs: 1, Want: batch.WantToken},
			{ID: 2, Start: 1, Rows: 1, Blocks: []int32{2}, Outputs: 1, Want: batch.WantTop},
		},
		TopK: 3,
	}, s.Next())
}

// TestCommitRefuses: a wrong batch or a wrong number of outputs changes nothing; the step can still be committed.
func TestCommitRefuses(t *testing.T) {
	s := open(t, small)
	_, err := s.Add(Request{Prompt: []int32{1, 2}})
	require.NoError(t, err)
	b := s.Next()
	before := s.Stats()

	_, err = s.Commit(&batch.Batch{}, nil)
	require.EqualError(t, err, "scheduler: this batch is not the oldest step in flight")
	_, err = s.Fail(&batch.Batch{}, nil)
	require.EqualError(t, err, "scheduler: this batch is not the oldest step in flight")
	_, err = s.Commit(b, nil)
	require.EqualError(t, err, "scheduler: 0 outputs came back for a step that wants 1")
	_, err = s.Commit(b, make([]batch.Output, 2))
	require.EqualError(t, err, "scheduler: 2 outputs came back for a step that wants 1")
	require.Equal(t, before, s.Stats())
	require.NoError(t, s.Check())
	ahead := s.Next()
	require.NotNil(t, ahead)
	require.Panics(t, func() { s.Next() })
	_, err = s.Commit(ahead, make([]batch.Output, 1))
	require.EqualError(t, err, "scheduler: this batch is not the oldest step in flight")
	require.NoError(t, s.Check())

	events, err := s.Commit(b, []batch.Output{{Token: 7}})
	require.NoError(t, err)
	require.Equal(t, []Event{{ID: 1, Tokens: []int32{7}, Usage: Usage{Prompt: 2, Generated: 1}}}, events)
	_, err = s.Commit(b, []batch.Output{{Token: 7}})
	require.EqualError(t, err, "scheduler: this batch is not the oldest step in flight")
	_, err = s.Commit(ahead, []batch.Output{{Token: 7}})
	require.NoError(t, err)
	_, err = s.Commit(ahead, []batch.Output{{Token: 7}})
	require.EqualError(t, err, "scheduler: no step is in flight; call Next first, and take each batch back once")
}

// TestBadOutput: what cannot be sampled ends its sequence; the other one goes on.
func TestBadOutput(t *testing.T) {
	nan := float32(math.NaN())
	top := sample.Params{Temperature: 1, TopP: 1, TopK: 2}
	full := sample.Params{Temperature: 1, TopP: 1}
	for _, c := range []struct {
		p    sample.Params
		out  batch.Output
		want string
	}{
		{sample.Params{}, batch.Output{Token: 100}, "scheduler: sequence 1: token 100 came back for a vocabulary of 100"},
		{sample.Params{}, batch.Output{Token: -1}, "scheduler: sequence 1: token -1 came back for a vocabulary of 100"},
		{full, batch.Output{}, "scheduler: sequence 1: 0 logits came back for a vocabulary of 100"},
		{full, batch.Output{Logits: make([]float32, 99)}, "scheduler: sequence 1: 99 logits came back for a vocabulary of 100"},
		{full, batch.Output{Logits: append(make([]float32, 99), nan)}, "scheduler: sequence 1: sample: logit 99 of 100 is NaN"},
		{top, batch.Output{Token: 5}, "scheduler: sequence 1: no largest logits came back, want 2"},
		{top, batch.Output{TopIDs: []int32{4}, TopLogits: []float32{1}},
			"scheduler: sequence 1: sample: the largest 1 logits are not enough for these parameters (top-k 2, penalty 0)"},
		{top, batch.Output{TopIDs: []int32{4, 5}, TopLogits: []float32{1, 2}},
			"scheduler: sequence 1: sample: candidates 0 and 1 are out of order: token 4 (1) before token 5 (2)"},
		{top, batch.Output{TopIDs: []int32{400, 500}, TopLogits: []float32{2, -1e9}},
			"scheduler: sequence 1: token 400 came back for a vocabulary of 100"},
	} {
		s := open(t, small)
		_, err := s.Add(Request{Prompt: []int32{1}, Sampling: c.p})
		require.NoError(t, err)
		_, err = s.Add(Request{Prompt: []int32{1}})
		require.NoError(t, err)
		events, err := s.Commit(s.Next(), []batch.Output{c.out, {Token: 3}})
		require.NoError(t, err)
		require.Len(t, events, 2)
		require.Equal(t, Failed, events[0].Reason)
		require.EqualError(t, events[0].Err, c.want)
		require.Equal(t, Event{ID: 2, Tokens: []int32{3}, Usage: Usage{Prompt: 1, Generated: 1}}, events[1])
		require.NoError(t, s.Check())
		require.Equal(t, 1, s.Stats().Running)
	}
}

func TestFailKeepsTheCause(t *testing.T) {
	s := open(t, small)
	_, err := s.Add(Request{Prompt: []int32{1}})
	require.NoError(t, err)
	cause := errors.New("device lost")
	events, err := s.Fail(s.Next(), cause)
	require.NoError(t, err)
	require.Len(t, events, 1)
	require.ErrorIs(t, events[0].Err, cause)
	require.Nil(t, s.Next())
	require.NoError(t, s.Check())
}

// TestAddCopies: neither the caller's slices nor an event's are the scheduler's.
func TestAddCopies(t *testing.T) {
	c := small
	piece := []byte("xy")
	c.Piece = func(int32) []byte { return piece }
	s := open(t, c)
	r := Request{Prompt: []int32{1, 2}, StopTokens: []int32{9}, Stop: []string{"yz"}}
	_, err := s.Add(r)
	require.NoError(t, err)
	r.Prompt[0], r.StopTokens[0], r.Stop[0] = 50, 50, "x"
	b := s.Next()
	require.Equal(t, []int32{1, 2}, b.Tokens)
	events, err := s.Commit(b, []batch.Output{{Token: 50}})
	require.NoError(t, err)
	require.Equal(t, "x", string(events[0].Text), "y may begin yz")
	require.Equal(t, Unfinished, events[0].Reason)
	events[0].Text[0], events[0].Tokens[0] = '?', 60
	require.Equal(t, "xy", string(piece))
	require.Equal(t, []int32{50}, s.Next().Tokens)
}

func TestReasonString(t *testing.T) {
	require.Equal(t, "unfinished", Unfinished.String())
	require.Equal(t, "failed", Failed.String())
	require.Equal(t, "reason 99", Reason(99).String())
}

// TestCheckFinds spoils a running scheduler in each way Check knows.
func TestCheckFinds(t *testing.T) {
	for _, c := range []struct {
		name  string
		spoil func(s *Scheduler)
		want  string
	}{
		{"order", func(s *Scheduler) { s.running[0], s.running[1] = s.running[1], s.running[0] }, "sequence 1 comes after 2"},
		{"too many", func(s *Scheduler) { s.config.MaxSequences = 1 }, "2 sequences run, at most 1 may"},
		{"not alive", func(s *Scheduler) { delete(s.live, 3) }, "sequence 3 is not among the living"},
		{"lost", func(s *Scheduler) { s.waiting = nil }, "2 sequences wait or run, 3 are alive"},
		{"leak", func(s *Scheduler) { s.blocks.Table().Grow(1) }, "block 3 has 1 references, but 0 tables hold it"},
		{"waits computed", func(s *Scheduler) { s.waiting[0].computed = 1 }, "sequence 3 waits with 1 tokens computed"},
		{"all computed", func(s *Scheduler) { s.running[0].table.Grow(1); s.running[0].computed = 6 }, "sequence 1 knows 6 tokens and has computed 6"},
		{"rows", func(s *Scheduler) { s.running[0].rows = 1 }, "sequence 1 has reserved 5 tokens, with 5 computed and 1 rows in flight"},
		{"reserved", func(s *Scheduler) { s.running[0].table.Grow(2) }, "sequence 1 has reserved 7 of 6 tokens"},
		{"promised", func(s *Scheduler) { s.running[0].promised = 1 }, "1 tokens promised"},
		{"parked", func(s *Scheduler) { s.running[0].group.parked = new(parked) }, "request 1 of 1 members has saved the blocks of 0"},
		{"saved", func(s *Scheduler) { s.saves = make([]batch.Swap, 1) }, "1 swaps are in none"},
		{"no rows", func(s *Scheduler) { s.running[0].rows = -1 }, "sequence 1 has -1 rows in flight"},
		{"too long", func(s *Scheduler) { s.limit = 5 }, "sequence 1 has 6 tokens, at most 5 fit"},
		{"ended", func(s *Scheduler) { s.running[0].ended = true }, "sequence 1 has ended and still runs"},
		{"share changed", func(s *Scheduler) { s.Next(); s.flights[0].shares[1].outputs = 0 }, "share 1 of the step is 1 rows of sequence 2"},
		{"rows lost", func(s *Scheduler) { s.Next(); s.running[1].promised = 0 }, "sequence 2 has 1 rows in flight and 1 tokens promised, not 1 and 0"},
		{"step changed", func(s *Scheduler) { s.Next().Sequences[1].Rows = 3 }, "share 1 of the step is 3 rows of sequence 2, not 1 of 2"},
		{"step cut", func(s *Scheduler) { b := s.Next(); b.Tokens = b.Tokens[:1] }, "a step in flight has 1 rows, its sequences 2"},
		{"share lost", func(s *Scheduler) { s.Next(); f := s.flights[0]; f.shares = f.shares[:1] }, "2 shares of a step, 1 sequences have rows in it"},
		{"starved", func(s *Scheduler) {
			b := s.Next()
			f := s.flights[0]
			s.running[1].rows, s.running[1].promised, f.shares = 0, 0, f.shares[:1]
			b.Tokens, b.Sequences = b.Tokens[:1], b.Sequences[:1]
		}, "1 of 2 running sequences have no row in a step of 1"},
		{"member lost", func(s *Scheduler) { s.running[0].group.members = nil }, "request 1 has 0 members"},
		{"member elsewhere", func(s *Scheduler) { s.running[0].group.members[0] = s.running[1] }, "member 0 of request 1 is not in its place"},
		{"alive", func(s *Scheduler) { s.running[0].group.live, s.running[1].group.live = 0, 2 }, "request 1 has 1 answers alive of 1, thinks 0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			conf := small
			conf.MaxSequences = 2
			s := open(t, conf)
			for _, n := range []int{5, 3, 2} {
				_, err := s.Add(Request{Prompt: make([]int32, n)})
				require.NoError(t, err)
			}
			_, err := s.Commit(s.Next(), make([]batch.Output, 2))
			require.NoError(t, err)
			require.NoError(t, s.Check())
			c.spoil(s)
			require.ErrorContains(t, s.Check(), c.want)
		})
	}
}

// TestNothingOfABadStepIsFound: where no token could be chosen, the keys and values may be no numbers either.
func TestNothingOfABadStepIsFound(t *testing.T) {
	s := open(t, small)
	prompt := []int32{1, 2, 3, 4, 5, 6, 7, 8, 9}
	for _, out := range []batch.Output{{Token: -1}, {Token: 5}, {Token: 5}} {
		_, err := s.Add(Request{Prompt: prompt, MaxTokens: 1})
		require.NoError(t, err)
		events, err := s.Commit(s.Next(), []batch.Output{out})
		require.NoError(t, err)
		require.Len(t, events, 1)
		require.NoError(t, s.Check())
		if s.lastID == 3 {
			require.Equal(t, 8, events[0].Usage.Cached)
		} else {
			require.Zero(t, events[0].Usage.Cached)
		}
	}
	require.Equal(t, 8, s.Stats().PrefixHits)
	require.Equal(t, 27, s.Stats().PrefixQueries)
}

// TestLogProb: raw logits, whatever the sampler makes of them.
func TestLogProb(t *testing.T) {
	inf := float32(math.Inf(1))
	for _, c := range []struct {
		logits []float32
		id     int32
		want   float64
	}{
		{[]float32{0, 0}, 1, math.Log(0.5)},
		{[]float32{1000, 1000, 1000 - float32(math.Ln2)}, 2, math.Log(0.2)},
		{[]float32{3, -inf}, 0, 0},
		{[]float32{3, inf, 1, inf}, 3, math.Log(0.5)},
		{[]float32{3, inf}, 0, math.Inf(-1)},
	} {
		require.InDelta(t, math.Exp(c.want), math.Exp(logProb(c.logits, c.id)), 1e-5, "%v", c)
	}
}

// TestBestOrder: likeliest first, ties by number; an answer that could be finished is better than one that could not.
func TestBestOrder(t *testing.T) {
	events := []Event{
		{Answer: 0, Reason: Failed, LogProb: -1}, {Answer: 1, Reason: Length, LogProb: -9},
		{Answer: 2, Reason: StopToken, LogProb: -3}, {Answer: 3, Reason: Length, LogProb: -3},
	}
	slices.SortFunc(events, better)
	var got []int
	for _, e := range events {
		got = append(got, e.Answer)
	}
	require.Equal(t, []int{2, 3, 1, 0}, got)
}

// TestCheckFindsInGroups spoils a request of three answers, before and after they part.
func TestCheckFindsInGroups(t *testing.T) {
	for _, c := range []struct {
		name  string
		parts bool
		spoil func(g *group)
		want  string
	}{
		{"follower reserves", false, func(g *group) { g.members[1].table.Grow(1) }, "answer 1 of request 1 follows with 0 tokens computed, 0 rows, 1 reserved"},
		{"follower computed", false, func(g *group) { g.members[2].computed = 2 }, "sequence 1 has reserved 0 tokens, with 2 computed"},
		{"member lost", false, func(g *group) { g.members = g.members[:2] }, "request 1 has 2 answers alive of 3, thinks 3"},
		{"order", false, func(g *group) { g.members[0].answer = 1 }, "sequence 1 comes after 1"},
		{"parts too early", false, func(g *group) { g.apart = true }, "answer 0 of request 1 is apart with 0 tokens computed of a prompt of 6"},
		{"shared table", true, func(g *group) { g.members[1].table = g.members[0].table }, "cache: table 1 is table 0 once more"},
		{"never parted", true, func(g *group) { g.apart = false }, "sequence 1 knows 7 tokens and has computed 6"},
		{"counts", true, func(g *group) { g.live = 2 }, "3 sequences wait or run, 2 are alive"},
	} {
		t.Run(c.name, func(t *testing.T) {
			conf := small
			conf.MaxBatchTokens = 4
			s := open(t, conf)
			_, err := s.Add(Request{Prompt: make([]int32, 6), N: 3})
			require.NoError(t, err)
			b := s.Next()
			if c.parts {
				_, err := s.Commit(b, nil)
				require.NoError(t, err)
				_, err = s.Commit(s.Next(), make([]batch.Output, 1))
				require.NoError(t, err)
			}
			require.NoError(t, s.Check())
			c.spoil(s.live[1])
			require.ErrorContains(t, s.Check(), c.want)
		})
	}
}
