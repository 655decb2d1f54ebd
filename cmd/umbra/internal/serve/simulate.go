package serve

import (
	"fmt"
	"time"

	"umbra"
	"umbra/cache"
	"umbra/scheduler"
	"umbra/scheduler/batch"
)

// Cost is a model of a step's time: Step, and Row for each token row, and Context for each token of context read. A
// sequence's context is read once for each 32 of its rows, as the attention kernels do.
type Cost struct {
	Step, Row, Context time.Duration
}

const attentionTile = 32 // rows of shaders' attention_many.wgsl

// of is what a step takes.
func (c Cost) of(b *batch.Batch) time.Duration {
	read := 0
	for _, s := range b.Sequences {
		last := int(b.Positions[s.Start+s.Rows-1])
		read += (last + 1) * ((s.Rows + attentionTile - 1) / attentionTile)
	}
	return c.Step + time.Duration(len(b.Tokens))*c.Row + time.Duration(read)*c.Context
}

// Simulate runs a load through the scheduler with nothing computed: a clock of its own goes on by what each step would
// take. The tokens are all the same.
func Simulate(c scheduler.Config, items []Item, cost Cost, p Policy) (Report, error) {
	s, err := scheduler.New(c)
	if err != nil {
		return Report{}, err
	}
	blocks, err := cache.New(c.Blocks, c.BlockSize, c.Groups...)
	if err != nil {
		return Report{}, err
	}
	tokens := c.Blocks / blocks.Lanes() * c.BlockSize
	if blocks.Windowed() {
		tokens = c.Blocks / blocks.Need(c.Context) * c.Context
	}
	r := simulation{
		scheduler: s, items: items, cost: cost, requests: map[uint64]*timeline{}, meter: NewMeter(c.Context),
		gate: newGate(p, StaticSequences(tokens, c.Context, c.MaxSequences)),
	}
	for len(r.meter.requests) < len(items) {
		if err := r.turn(); err != nil {
			return Report{}, err
		}
	}
	report := r.meter.Report(p)
	report.Simulated = true
	return report, nil
}

type simulation struct {
	scheduler *scheduler.Scheduler
	meter     *Meter
	gate      gate
	cost      Cost
	now       time.Duration
	items     []Item
	arrived   int // of items
	added     int // of items, to the scheduler
	requests  map[uint64]*timeline
	last      scheduler.Stats // while the last step was in flight
}

// turn hands over what has arrived and runs a step, or waits for the next arrival.
func (r *simulation) turn() error {
	for r.arrived < len(r.items) && r.items[r.arrived].Arrive <= r.now {
		r.arrived++
	}
	for range r.gate.admit(r.arrived - r.added) {
		item := r.items[r.added]
		id, err := r.scheduler.Add(scheduler.Request{Prompt: item.Prompt, MaxTokens: item.Output})
		if err != nil {
			return err
		}
		r.requests[id] = &timeline{arrive: item.Arrive, prompt: len(item.Prompt)}
		r.added++
	}
	r.meter.hold(r.gate.holding())
	b := r.scheduler.Next()
	if b == nil {
		if r.arrived == len(r.items) {
			return fmt.Errorf("the scheduler has nothing to do with %d of %d requests unanswered", len(r.requests), len(r.items))
		}
		r.now = r.items[r.arrived].Arrive
		return nil
	}
	st := r.scheduler.Stats()
	record := umbra.RecordStep(b, r.last, st)
	r.last = st
	record.Device = r.cost.of(b)
	r.now += record.Device
	events, err := r.scheduler.Commit(b, make([]batch.Output, b.Outputs()))
	if err != nil {
		return err
	}
	r.meter.Step(record)
	for _, e := range events {
		t := r.requests[e.ID]
		t.tokens(len(e.Tokens), r.now)
		if e.Reason == scheduler.Unfinished {
			continue
		}
		if e.Reason != scheduler.Length {
			return fmt.Errorf("request %d ended by %s (%v), not by its length", e.ID, e.Reason, e.Err)
		}
		r.meter.finish(*t)
		delete(r.requests, e.ID)
		r.gate.end()
	}
	return nil
}
