package model

import (
	"context"
	"fmt"
	"math"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"umbra/gpu"
	"umbra/shaders"
)

// Model is a model on one or more devices, each of which has a run of its layers: weights, KV pool and scratch. One goroutine at a time
// may use it.
//
// With several devices rows go from one to the next through host memory, in micro-batches, of which each device computes another one at
// the same time. Nothing goes on by itself: micro-batches are handed over within Launch, Flight.Wait and Flight.Done.
type Model struct {
	plan   Plan
	stages []*stage
	latest *Flight     // the latest to be launched, which the next may be fed by
	idle   [][]byte    // room for rows on their way between stages
	norm   outputNorm  // once it has been asked for
	trace  func(event) // is told of what becomes of micro-batches, in tests
}

// Place is a device, and how kernels are shaped for it.
type Place struct {
	Device *gpu.Device
	Tuning shaders.Tuning
}

// New lays the source's model out on the device and loads it.
func New(d *gpu.Device, src Source, o Options) (*Model, error) {
	return NewTuned(d, shaders.TuningFor(d.Info()), src, o)
}

// NewTuned is New with kernels shaped as told instead of by the adapter's kind.
func NewTuned(d *gpu.Device, tuning shaders.Tuning, src Source, o Options) (*Model, error) {
	return NewAt([]Place{{d, tuning}}, src, o)
}

// NewAt shares the source's layers out among devices, in order, by Options.Split, and loads each one's part there.
func NewAt(places []Place, src Source, o Options) (*Model, error) {
	var limits []gpu.Limits
	for _, p := range places {
		limits = append(limits, p.Device.Limits())
	}
	return newAt(places, limits, src, o)
}

// newAt is NewAt where buffers and bindings are kept within limits; tests give smaller ones than the devices'.
func newAt(places []Place, limits []gpu.Limits, src Source, o Options) (*Model, error) {
	plan, err := PlanSplit(src, o, limits)
	if err != nil {
		return nil, err
	}
	m := &Model{plan: plan}
	for i, p := range plan.stages {
		s := newStage(places[i], p)
		s.depth = math.MaxInt
		if len(places) > 1 {
			info := places[i].Device.Info()
			s.name = fmt.Sprintf("%v, on adapter %d (%s)", p.span, info.Index, info.Name)
			s.depth = depthOf(info.Kind)
		}
		m.stages = append(m.stages, s)
	}
	if err := m.start(src, o); err != nil {
		m.Release()
		return nil, err
	}
	return m, nil
}

// depthOf is how many micro-batches a device of several is given at once: the next is there when one ends. A CPU's driver waits in the
// second submission, while the others would have nothing to do.
func depthOf(k gpu.Kind) int {
	if k == gpu.KindCPU {
		return 1
	}
	return 2
}

// start builds all stages, and then loads them at the same time. The first error ends the others.
func (m *Model) start(src Source, o Options) error {
	for _, s := range m.stages {
		if err := s.build(src); err != nil {
			return s.named(err)
		}
	}
	progress := progressOf(m.stages, o.Progress)
	if len(m.stages) > 1 { // larger steps come in micro-batches
		o.Warm = slices.Clone(o.Warm)
		for i, rows := range o.Warm {
			o.Warm[i] = min(rows, m.plan.MicroBatch)
		}
	}
	g, ctx := errgroup.WithContext(context.Background())
	for i, s := range m.stages {
		own := o
		own.Progress = progress[i]
		g.Go(func() error { return s.named(s.start(ctx, src, own)) })
	}
	return g.Wait()
}

// progressOf is what each stage tells of its weights' way, of which tell hears as of one model's.
func progressOf(stages []*stage, tell func(done, total int64)) []func(done, total int64) {
	each := make([]func(done, total int64), len(stages))
	if tell == nil {
		return each
	}
	var mu sync.Mutex
	sum, all := int64(0), int64(0)
	for i, s := range stages {
		all += int64(s.plan.Weights)
		last := int64(0)
		each[i] = func(done, _ int64) {
			mu.Lock()
			defer mu.Unlock()
			sum, last = sum+done-last, done
			tell(sum, all)
		}
	}
	return each
}

// Plan is what the model takes and how it is sized.
func (m *Model) Plan() Plan { return m.plan }

// Release gives all buffers back. Releasing twice does nothing.
func (m *Model) Release() {
	for _, s := range m.stages {
		s.release()
	}
}

// event is something that a micro-batch has come to: it is handed to a stage, or has been seen to be over there. They count from 0 by
// stage, in order.
type event struct {
	stage, number int
	over          bool
}

// advance hands over what can be handed over, and takes in what is over, as long as there is either.
func (m *Model) advance() {
	for again := true; again; {
		for i := range m.stages {
			m.handOver(i)
		}
		again = false
		for i := range m.stages {
			again = m.takeIn(i) || again
		}
	}
}

// handOver gives a stage what waits for it, as much as it takes.
func (m *Model) handOver(i int) {
	s := m.stages[i]
	for len(s.waiting) > 0 && len(s.flying) < s.depth {
		c := s.waiting[0]
		f := c.flight
		ready, err := c.feed()
		if !ready {
			return
		}
		s.waiting = append(s.waiting[:0], s.waiting[1:]...)
		if err != nil {
			f.fail(err)
		}
		if f.err != nil {
			m.recycle(c)
			f.end()
			continue
		}
		l, err := s.send(c)
		m.recycle(c)
		if err != nil {
			f.fail(s.named(err))
			f.end()
			continue
		}
		if i == 0 {
			f.Submit += l.submit
		}
		s.flying = append(s.flying, l)
		m.tell(event{stage: i, number: s.sent})
		s.sent++
	}
}

// takeIn sends on what a stage has computed, or collects it. It reports whether there was anything.
func (m *Model) takeIn(i int) (any bool) {
	s := m.stages[i]
	for len(s.flying) > 0 && s.flying[0].fence.Done() {
		l := s.flying[0]
		s.flying = append(s.flying[:0], s.flying[1:]...)
		any = true
		m.tell(event{i, s.sent - len(s.flying) - 1, true})
		c, f := l.micro, l.micro.flight
		c.x = l.x
		if err := l.fence.Wait(); err != nil {
			f.fail(s.named(fmt.Errorf("model: %w", err)))
		}
		switch {
		case i < len(m.stages)-1:
			m.stages[i+1].waiting = append(m.stages[i+1].waiting, c)
			continue
		case f.hidden:
			f.rows = append(f.rows, c.x...)
		case f.err == nil:
			l.collect()
		}
		m.recycle(c)
		f.end()
	}
	return any
}

func (m *Model) tell(e event) {
	if m.trace != nil {
		m.trace(e)
	}
}

// until waits until done reports true, which something on its way will have it do.
func (m *Model) until(done func() bool) {
	for {
		m.advance()
		if done() {
			return
		}
		var oldest []*gpu.Fence
		for _, s := range m.stages {
			if len(s.flying) > 0 {
				oldest = append(oldest, s.flying[0].fence)
			}
		}
		if len(oldest) == 0 {
			panic("model: waiting for nothing")
		}
		gpu.WaitAny(oldest...)
	}
}

// settle waits until nothing is on its way.
func (m *Model) settle() { m.until(func() bool { return !m.pending() }) }

// pending reports whether a micro-batch has not been taken in.
func (m *Model) pending() bool {
	for _, s := range m.stages {
		if len(s.waiting)+len(s.flying) > 0 {
			return true
		}
	}
	return false
}

// busy reports whether devices still have something to do.
func (m *Model) busy() bool {
	for _, s := range m.stages {
		if n := len(s.flying); len(s.waiting) > 0 || n > 0 && !s.flying[n-1].fence.Done() {
			return true
		}
	}
	return false
}

// room is where rows on their way are read to.
func (m *Model) room(size int) []byte {
	if n := len(m.idle); n > 0 {
		b := m.idle[n-1]
		m.idle = m.idle[:n-1]
		if cap(b) >= size {
			return b[:size]
		}
	}
	return make([]byte, size)
}

// recycle takes the room of rows that have been sent on.
func (m *Model) recycle(c *micro) {
	if c.x != nil {
		m.idle = append(m.idle, c.x)
		c.x = nil
	}
}
