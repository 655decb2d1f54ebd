package scheduler

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"umbra/scheduler/beam"
)

// answer names one answer of a request.
type answer struct {
	id uint64
	i  int
}

// result is what an answer came to.
type result struct {
	tokens  []int32
	text    []byte
	reason  Reason
	logProb float64
}

func (r *result) add(e Event) {
	r.tokens = append(r.tokens, e.Tokens...)
	r.text = append(r.text, e.Text...)
	r.reason = e.Reason
	r.logProb = e.LogProb
}

// differs says how another result differs, or returns nil.
func (r *result) differs(other *result) error {
	if !slices.Equal(r.tokens, other.tokens) || string(r.text) != string(other.text) || r.reason != other.reason ||
		math.Abs(r.logProb-other.logProb) > 1e-6 {
		return fmt.Errorf("came to %v, alone to %v", *other, *r)
	}
	return nil
}

// begins reports whether a result that was cut short is a beginning of r.
func (r *result) begins(cut *result) bool {
	n := len(cut.tokens)
	return n <= len(r.tokens) && slices.Equal(r.tokens[:n], cut.tokens)
}

// alone runs each answer of a request by itself, with the cache to itself, its prompt in one step and nothing shared,
// and returns those that are to be reported.
func alone(c Config, q Request) ([]result, error) {
	if q.Beams > 0 {
		return beamsAlone(c, q)
	}
	all, err := allAlone(c, q)
	if err != nil || q.BestOf <= max(1, q.N) {
		for i := range all {
			all[i].logProb = 0
		}
		return all, err
	}
	slices.SortStableFunc(all, func(a, b result) int { return cmp.Compare(b.logProb, a.logProb) })
	return all[:max(1, q.N)], nil
}

// allAlone returns all answers by number, with their log-probabilities.
func allAlone(c Config, q Request) (all []result, err error) {
	s, err := New(c)
	if err != nil {
		return nil, err
	}
	c.Context = s.longest(len(q.Prompt), q.answers())
	c.MaxBatchTokens = max(c.MaxBatchTokens, c.Context)
	c.NoPrefixReuse, c.Speculation = true, nil
	answers := q.answers()
	q.N, q.BestOf = 0, 0
	for range answers {
		r, err := oneAlone(c, q)
		if err != nil {
			return nil, err
		}
		all = append(all, r)
		q.Sampling.Seed++
	}
	return all, nil
}

// beamsAlone searches without a scheduler: each beam is its tokens.
func beamsAlone(c Config, q Request) ([]result, error) {
	s, err := New(c)
	if err != nil {
		return nil, err
	}
	longest, reason := s.longest(len(q.Prompt), q.Beams)-len(q.Prompt), ContextFull
	if q.MaxTokens > 0 && q.MaxTokens <= longest {
		longest, reason = q.MaxTokens, Length
	}
	search := beam.New(q.beams(), longest, q.StopTokens)
	places := [][]int32{nil}
	ended := map[int]result{}
	keep := func(id int, tokens []int32, reason Reason) {
		r := result{tokens: slices.Clone(tokens), reason: reason}
		for _, id := range tokens {
			r.text = append(r.text, syllable(id)...)
		}
		ended[id] = r
	}
	for {
		var rows [][]float32
		for _, tokens := range places {
			rows = append(rows, logitsOf(slices.Concat(q.Prompt, tokens)))
		}
		d, err := search.Step(rows)
		if err != nil {
			return nil, err
		}
		for _, e := range d.Ended {
			keep(e.ID, places[e.Parent], StopToken)
		}
		if d.Done {
			break
		}
		before := places
		places = make([][]int32, q.Beams)
		for i, m := range d.Next {
			places[i] = append(slices.Clone(before[m.Parent]), m.Token)
		}
		if len(places[0]) == longest {
			for _, e := range search.Finish() {
				keep(e.ID, places[e.Parent], reason)
			}
			break
		}
	}
	var all []result
	for _, e := range search.Best(max(1, q.N)) {
		r := ended[e.ID]
		r.logProb = e.LogProb
		all = append(all, r)
	}
	return all, nil
}

func oneAlone(c Config, q Request) (r result, err error) {
	s, err := New(c)
	if err != nil {
		return r, err
	}
	if _, err := s.Add(q); err != nil {
		return r, err
	}
	f := newFake(c)
	sum := 0.0
	for b := s.Next(); b != nil; b = s.Next() {
		out, err := f.run(b)
		if err != nil {
			return r, err
		}
		events, err := s.Commit(b, out)
		if err != nil {
			return r, err
		}
		for _, e := range events {
			tokens := e.Tokens
			if e.Reason == StopToken {
				tokens = q.StopTokens[:1] // which of several is not told
			}
			total := 0.0
			for _, l := range f.last {
				total += math.Exp(float64(l))
			}
			for _, id := range tokens {
				sum += math.Log(math.Exp(float64(f.last[id])) / total)
			}
			r.add(e)
		}
	}
	r.logProb = sum
	return r, nil
}
