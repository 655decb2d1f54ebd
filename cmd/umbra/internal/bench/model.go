// Package bench measures a model's prefill and decode speed, and single kernels against what the adapter can do.
package bench

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"umbra/model"
	"umbra/scheduler/batch"
)

// Test is one line of a model's table: sequences of Prompt tokens prefilled in steps as large as the model takes, or
// Generate tokens decoded one by one; Depth tokens of context are there before.
type Test struct {
	Prompt, Generate, Depth int
	Sequences               int
}

// Name is the customary name: pp512, tg128, with the depth and the number of sequences if any.
func (t Test) Name() string {
	name := fmt.Sprintf("pp%d", t.Prompt)
	if t.Generate > 0 {
		name = fmt.Sprintf("tg%d", t.Generate)
	}
	if t.Depth > 0 {
		name += fmt.Sprintf(" @ %d", t.Depth)
	}
	if t.Sequences > 1 {
		name += fmt.Sprintf(" x %d", t.Sequences)
	}
	return name
}

// Tokens is how many tokens a run computes, all sequences together.
func (t Test) Tokens() int { return t.Sequences * (t.Prompt + t.Generate) }

// Context is how long each sequence gets.
func (t Test) Context() int { return t.Depth + t.Prompt + t.Generate }

// Blocks is how many KV blocks a test needs.
func (t Test) Blocks() int {
	return t.Sequences * ((t.Context() + model.BlockSize - 1) / model.BlockSize)
}

// Speed is a test's outcome in tokens per second: the median of its runs, and the extremes.
type Speed struct {
	Test             string
	Sequences        int
	Median, Min, Max float64
}

// Run measures a test: one run to warm up, then runs of which the median counts.
func Run(m *model.Model, t Test, runs int) (Speed, error) {
	if p := m.Plan(); t.Context() > p.Context || t.Blocks() > p.Whole() || t.Sequences > p.Sequences {
		return Speed{}, fmt.Errorf("%s: %d sequences of %d tokens are more than the model was opened for", t.Name(), t.Sequences, t.Context())
	}
	var speeds []float64
	for i := range runs + 1 {
		took, err := t.run(m)
		if err != nil {
			return Speed{}, fmt.Errorf("%s: %w", t.Name(), err)
		}
		if i > 0 {
			speeds = append(speeds, float64(t.Tokens())/took.Seconds())
		}
	}
	slices.Sort(speeds)
	return Speed{t.Name(), t.Sequences, speeds[len(speeds)/2], speeds[0], speeds[len(speeds)-1]}, nil
}

// run computes the test's tokens as the engine does: each step is launched while the one before it is on the device, and
// what that gives feeds it there.
func (t Test) run(m *model.Model) (time.Duration, error) {
	// The depth's keys and values are whatever the pool holds: the arithmetic is the same.
	start := time.Now()
	var steps pipeline
	if t.Generate > 0 {
		for i := range t.Generate {
			b := t.rows(m, t.Depth+i, 1, 0, t.Sequences)
			for s := range b.Tokens {
				if i > 0 {
					b.Tokens[s] = ^int32(s)
				}
			}
			if err := steps.launch(m, b); err != nil {
				return 0, err
			}
		}
	}
	for s := range t.Sequences {
		for at := 0; at < t.Prompt; {
			n := min(m.Plan().BatchTokens, t.Prompt-at)
			if err := steps.launch(m, t.rows(m, t.Depth+at, n, s, 1)); err != nil {
				return 0, err
			}
			at += n
		}
	}
	err := steps.land(0)
	return time.Since(start), err
}

// pipeline is the steps on the device, oldest first.
type pipeline []*model.Flight

// launch hands a step over, with at most one before it on the way.
func (p *pipeline) launch(m *model.Model, b *batch.Batch) error {
	f, err := m.Launch(b)
	if err == nil {
		*p = append(*p, f)
		return p.land(1)
	}
	return errors.Join(err, p.land(0))
}

// land waits until so many are left.
func (p *pipeline) land(left int) (err error) {
	for len(*p) > left {
		_, e := (*p)[0].Wait()
		err = errors.Join(err, e)
		*p = (*p)[1:]
	}
	return err
}

// rows lays out n rows from position at for each of count sequences from first on; the last row of each wants a token.
func (t Test) rows(m *model.Model, at, n, first, count int) *batch.Batch {
	b := &batch.Batch{}
	each := t.Blocks() / t.Sequences
	for s := first; s < first+count; s++ {
		q := batch.Sequence{ID: uint64(s), Start: len(b.Tokens), Rows: n, Outputs: 1}
		for i := range (at+n-1)/model.BlockSize + 1 {
			q.Blocks = append(q.Blocks, int32(s*each+i))
		}
		for p := at; p < at+n; p++ {
			b.Tokens = append(b.Tokens, int32((p*7919+s*104729)%m.Plan().Config.Vocab))
			b.Positions = append(b.Positions, int32(p))
			b.Slots = append(b.Slots, q.Blocks[p/model.BlockSize]*model.BlockSize+int32(p%model.BlockSize))
		}
		b.Sequences = append(b.Sequences, q)
	}
	return b
}
