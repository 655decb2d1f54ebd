// Package score asks a model what it thinks of a text's tokens. It cuts the text into windows, runs them as sequences of ragged
// batches, and sums up what comes back: perplexity, and how far one model is from another.
//
// It reads no files and opens no devices.
package score

import (
	"context"

	"umbra/gpu"
	"umbra/model"
	"umbra/scheduler/batch"
	"umbra/shaders"
)

// Window is a sequence of tokens of which those from First on, at least 1, are scored: each by what the model makes of those before it.
type Window struct {
	Tokens []int32
	First  int
}

// Scored is how many tokens are scored.
func (w Window) Scored() int { return len(w.Tokens) - w.First }

// Scored is how many tokens all windows score together.
func Scored(windows []Window) (n int) {
	for _, w := range windows {
		n += w.Scored()
	}
	return n
}

// Sizes are the options of a model that runs windows of so many tokens, in steps of rows token rows (0: 512) on a device with such limits.
func Sizes(src model.Source, tokens, rows int, limits gpu.Limits) (model.Options, error) {
	plan, err := model.PlanFor(src, model.Options{Context: tokens}, limits)
	if err != nil {
		return model.Options{}, err
	}
	o := model.Options{Context: tokens, BatchTokens: rows}
	if rows == 0 {
		o.BatchTokens = 512
	}
	// One more than fills a step: the next window's first rows fill up what the last rows of those before it leave.
	o.Sequences = min(o.BatchTokens/tokens+2, o.BatchTokens)
	o.Blocks = o.Sequences * blocks(tokens)
	row := 4 * shaders.PadCols(plan.Config.Vocab)
	o.Outputs = max(o.Sequences, min(o.BatchTokens, int(min(limits.StorageBindingSize, maxLogits))/row))
	return o, nil
}

// maxLogits is how many bytes of a step's logits are enough.
const maxLogits = 128 << 20

// blocks is how many KV blocks so many tokens take.
func blocks(tokens int) int { return (tokens + model.BlockSize - 1) / model.BlockSize }

// Run runs windows through a model of Sizes for the longest of them. each gets what comes back of a window's tokens from number at on, in
// order, while the step after is on the device; want is batch.WantScore or batch.WantLogits. An error of each ends the run, as the end of ctx
// does.
func Run(ctx context.Context, m *model.Model, windows []Window, want batch.Want, each func(w Window, at int, out []batch.Output) error) error {
	r := runner{model: m, windows: windows, want: want, each: each}
	for i := range m.Plan().Sequences {
		r.free = append(r.free, i)
	}
	err := r.run(ctx)
	for _, f := range r.flights {
		f.flight.Wait()
	}
	return err
}

type runner struct {
	model   *model.Model
	windows []Window // not begun yet
	want    batch.Want
	each    func(w Window, at int, out []batch.Output) error

	active  []*active // oldest first
	free    []int     // places in the KV pool
	flights []flight  // oldest first
}

// active is a window on its way: how many of its rows have been handed over, and its place in the KV pool.
type active struct {
	Window
	done, place int
}

// flight is a step on the device, with what is to come of whom.
type flight struct {
	flight *model.Flight
	shares []share
}

// share is n outputs of a window, the first that of token at.
type share struct {
	window Window
	at, n  int
}

func (r *runner) run(ctx context.Context) error {
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		b, shares := r.next()
		if b != nil {
			f, err := r.model.Launch(b)
			if err != nil {
				return err
			}
			r.flights = append(r.flights, flight{f, shares})
		}
		if b == nil && len(r.flights) == 0 {
			return nil
		}
		if b == nil || len(r.flights) > 1 {
			if err := r.land(); err != nil {
				return err
			}
		}
	}
}

// land waits for the oldest step.
func (r *runner) land() error {
	f := r.flights[0]
	r.flights = r.flights[1:]
	out, err := f.flight.Wait()
	if err != nil {
		return err
	}
	for _, s := range f.shares {
		if err := r.each(s.window, s.at, out[:s.n]); err != nil {
			return err
		}
		out = out[s.n:]
	}
	return nil
}

// next lays a step out, nil if all is handed over. Older windows go first, so that outputs come in order.
func (r *runner) next() (*batch.Batch, []share) {
	p := r.model.Plan()
	b, outputs := &batch.Batch{}, p.Outputs
	var shares []share
	for i := 0; len(b.Tokens) < p.BatchTokens; i++ {
		if i == len(r.active) && !r.begin() {
			break
		}
		a := r.active[i]
		first := a.First - 1 // the last row, and those before it down to this one, have outputs
		last := min(a.done+p.BatchTokens-len(b.Tokens), len(a.Tokens)-1, max(first, a.done)+outputs)
		if last == a.done {
			continue // there is room for no more outputs, but for rows of newer windows that have none yet
		}
		q := batch.Sequence{Start: len(b.Tokens), Rows: last - a.done, Want: r.want, Outputs: max(0, last-max(first, a.done))}
		for k := range blocks(last) {
			q.Blocks = append(q.Blocks, int32(a.place*blocks(p.Context)+k))
		}
		for pos := a.done; pos < last; pos++ {
			b.Tokens = append(b.Tokens, a.Tokens[pos])
			b.Positions = append(b.Positions, int32(pos))
			b.Slots = append(b.Slots, q.Blocks[pos/model.BlockSize]*model.BlockSize+int32(pos%model.BlockSize))
		}
		if q.Outputs > 0 {
			at := last - q.Outputs + 1
			if r.want == batch.WantScore {
				q.Targets = a.Tokens[at : last+1]
			}
			shares = append(shares, share{a.Window, at, q.Outputs})
		}
		outputs -= q.Outputs
		b.Sequences = append(b.Sequences, q)
		a.done = last
	}
	if len(b.Tokens) == 0 {
		return nil, nil
	}
	// Steps run in order, so a window's place is free for rows of later steps as soon as its last rows are handed over.
	for len(r.active) > 0 && r.active[0].done == len(r.active[0].Tokens)-1 {
		r.free = append(r.free, r.active[0].place)
		r.active = r.active[1:]
	}
	return b, shares
}

// begin takes the next window, and reports false if there is none, or no room for it.
func (r *runner) begin() bool {
	if len(r.windows) == 0 || len(r.free) == 0 {
		return false
	}
	n := len(r.free) - 1
	r.active = append(r.active, &active{Window: r.windows[0], place: r.free[n]})
	r.windows, r.free = r.windows[1:], r.free[:n]
	return true
}
