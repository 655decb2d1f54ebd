package model

import (
	"fmt"
	"time"

	"umbra/scheduler/batch"
)

// Flight is a batch on the devices.
type Flight struct {
	// Submit is what handing it over to the first device took. A driver that computes on the CPU may wait there for the batch before.
	Submit time.Duration
	// Behind says that the batch before was still on its way when this one was handed over: in between there was something to do all
	// the time.
	Behind bool

	model  *Model
	batch  *batch.Batch
	hidden bool    // what the layers leave is wanted, not what comes after them
	rows   []byte  // that, of the rows that have come through
	before *Flight // whose outputs it may be fed by on the host; nil once it is over, and with one stage
	left   int     // micro-batches that are not over
	gives  int     // outputs
	out    []batch.Output
	tokens []int32 // of the outputs, for the flight that is fed by them
	err    error
}

// Run computes one batch and returns an Output for each row that wants one, in row order. It checks the batch first
// and on any error has written nothing but KV slots and targets of copies that the batch names.
func (m *Model) Run(b *batch.Batch) ([]batch.Output, error) {
	f, err := m.Launch(b)
	if err != nil {
		return nil, err
	}
	return f.Wait()
}

// Launch is Run that does not wait. Batches are computed one after the other, in the order of their launches, so the next may be
// launched meanwhile; its rows may be fed by this one's outputs. Every flight must be waited for.
func (m *Model) Launch(b *batch.Batch) (*Flight, error) { return m.launch(b, false) }

func (m *Model) launch(b *batch.Batch, hidden bool) (*Flight, error) {
	if err := m.check(b); err != nil {
		return nil, err
	}
	f := &Flight{model: m, batch: b, hidden: hidden, gives: b.Outputs()}
	f.out = make([]batch.Output, f.gives)
	if len(m.stages) > 1 {
		f.before = m.latest
	}
	f.Behind = m.busy()
	micros := m.split(f)
	f.left = len(micros)
	m.stages[0].waiting = append(m.stages[0].waiting, micros...)
	latest := m.latest
	m.latest = f
	m.advance()
	if f.err != nil && f.left == 0 {
		m.latest = latest // as if it had not been
		return nil, f.err
	}
	return f, nil
}

// given is how many outputs the next batch may be fed by.
func (m *Model) given() int {
	if m.latest == nil {
		return 0
	}
	return m.latest.gives
}

// Done reports whether Wait would return at once.
func (f *Flight) Done() bool {
	if f.left > 0 {
		f.model.advance()
	}
	return f.left == 0
}

// Wait waits for the end and returns what Run does, once.
func (f *Flight) Wait() ([]batch.Output, error) {
	f.model.until(func() bool { return f.left == 0 })
	out := f.out
	f.out = nil
	if f.err != nil {
		return nil, f.err
	}
	return out, nil
}

// fail ends a flight by its first error. What of it is on a device is waited for, what is not stays where it is.
func (f *Flight) fail(err error) {
	if f.err == nil {
		f.err = err
	}
}

// end takes a micro-batch out.
func (f *Flight) end() {
	if f.left--; f.left > 0 {
		return
	}
	f.before, f.batch = nil, nil
	if f.err == nil && len(f.model.stages) > 1 {
		for _, o := range f.out {
			f.tokens = append(f.tokens, o.Token)
		}
	}
}

// feed replaces tokens of a micro-batch that the flight before has found, on the host. It reports false while that is on its way.
func (c *micro) feed() (bool, error) {
	before := c.flight.before
	if !c.fed {
		return true, nil
	}
	if before.left > 0 {
		return false, nil
	}
	if before.err != nil {
		return true, fmt.Errorf("model: the batch before, which feeds this one, has failed: %w", before.err)
	}
	tokens := make([]int32, len(c.batch.Tokens))
	for i, t := range c.batch.Tokens {
		if tokens[i] = t; t < 0 {
			tokens[i] = max(0, before.tokens[^t]) // of logits that are no numbers there is none; its sequence fails
		}
	}
	b := *c.batch
	b.Tokens = tokens
	c.batch, c.fed = &b, false
	return true, nil
}
