package serve

import (
	"context"
	"fmt"
	"time"

	"umbra"
	"umbra/scheduler"
)

// Drive puts a load on an engine whose Options.OnStep is the meter's Step, and returns when every request has ended. It
// fails with the first that does, and ends the others.
func Drive(ctx context.Context, e *umbra.Engine, items []Item, p Policy, m *Meter) (Report, error) {
	if err := warm(ctx, e, m); err != nil {
		return Report{}, err
	}
	plan := e.Info().Plan
	g := newGate(p, StaticSequences(plan.Tokens(), plan.Context, plan.Sequences))
	requests, cancel := context.WithCancel(ctx)
	defer cancel()
	interrupted := ctx.Done()
	start := time.Now()
	ended := make(chan error)
	arrived, added, done := 0, 0, 0
	var failed error
	for done < added || failed == nil && done < len(items) {
		now := time.Since(start)
		for arrived < len(items) && items[arrived].Arrive <= now {
			arrived++
		}
		if failed == nil {
			for range g.admit(arrived - added) {
				item := items[added]
				go func() { ended <- one(requests, e, item, start, m) }()
				added++
			}
			m.hold(g.holding())
		}
		var next <-chan time.Time
		if arrived < len(items) {
			next = time.After(items[arrived].Arrive - now)
		}
		select {
		case <-next:
		case err := <-ended:
			done++
			g.end()
			if err != nil && failed == nil {
				failed = err
				cancel()
			}
		case <-interrupted:
			interrupted = nil
			if failed == nil {
				failed = ctx.Err()
			}
		}
	}
	if failed != nil {
		return Report{}, failed
	}
	return m.Report(p), nil
}

// one runs a request to its forced end.
func one(ctx context.Context, e *umbra.Engine, item Item, start time.Time, m *Meter) error {
	t := timeline{arrive: item.Arrive, prompt: len(item.Prompt)}
	result, err := e.Generate(ctx, umbra.Request{Tokens: item.Prompt, MaxTokens: item.Output, IgnoreEnd: true}, func(c umbra.Chunk) error {
		t.tokens(len(c.Tokens), c.At.Sub(start))
		return nil
	})
	if err != nil {
		return err
	}
	if result.Reason != scheduler.Length {
		return fmt.Errorf("a request of %d prompt tokens ended by %s after %d tokens, not after %d", len(item.Prompt), result.Reason, t.output, item.Output)
	}
	m.finish(t)
	return nil
}

// warm runs steps of various widths, so that pipelines that are compiled when first needed are, and forgets their
// measurement.
func warm(ctx context.Context, e *umbra.Engine, m *Meter) error {
	p := e.Info().Plan
	limit := min(p.Context, p.Tokens())
	var items []Item
	for i := range min(p.Sequences, 16) {
		prompt := min(1+i, limit-1)
		if i == 0 {
			prompt = max(1, min(140, limit/2)) // above 128 tokens attention is split
		}
		ids := make([]int32, prompt)
		ids[0] = int32(i % p.Config.Vocab) // no shared prefix
		items = append(items, Item{Prompt: ids, Output: min(2+i/2, limit-prompt)})
	}
	ended := make(chan error)
	start := time.Now()
	for _, item := range items {
		go func() { ended <- one(ctx, e, item, start, m) }()
	}
	var failed error
	for range items {
		if err := <-ended; err != nil {
			failed = err
		}
	}
	m.reset()
	return failed
}
