package serve

import (
	"sync"
	"time"

	"umbra"
)

// Meter gathers what a run's steps and requests came to. Its methods may be called from several goroutines.
type Meter struct {
	mu      sync.Mutex
	context int // tokens that a contiguous reservation has
	holding int // sequences with such a reservation, under a static policy
	sums
}

// sums is what a meter adds up.
type sums struct {
	steps, rows, preemptions  int
	hits, queries             int           // prefix tokens
	peak                      int           // sequences running
	saved, loaded             int           // blocks
	host, idle, busy          time.Duration // of steps
	running                   float64       // integrals over the steps' time, in seconds
	written, paged, reserving float64       // slots: with keys and values, of blocks held, of contiguous reservations

	requests []timeline
	gaps     []time.Duration // between a request's tokens
}

// NewMeter makes a meter for sequences of at most context tokens.
func NewMeter(context int) *Meter { return &Meter{context: context} }

// Step takes a step's record.
func (m *Meter) Step(r umbra.StepRecord) {
	m.mu.Lock()
	defer m.mu.Unlock()
	t := r.Time().Seconds()
	m.steps++
	m.rows += r.Rows
	m.preemptions += r.Preemptions
	m.hits += r.PrefixHits
	m.queries += r.PrefixQueries
	m.peak = max(m.peak, r.Running)
	m.saved += r.BlocksSaved
	m.loaded += r.BlocksLoaded
	m.host += r.Host
	m.idle += r.Idle
	m.busy += r.Time()
	m.running += t * float64(r.Running)
	m.written += t * float64(r.Written)
	m.paged += t * float64(r.Reserved())
	m.reserving += t * float64(max(m.holding, r.Running)*m.context)
}

// hold says how many sequences have contiguous reservations from now on.
func (m *Meter) hold(sequences int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.holding = sequences
}

// reset forgets everything so far, as after a warm-up.
func (m *Meter) reset() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sums = sums{}
}

// finish takes a request that has ended.
func (m *Meter) finish(t timeline) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.gaps = append(m.gaps, t.gaps...)
	t.gaps = nil
	m.requests = append(m.requests, t)
}

// timeline is when one request's tokens came; times are since the start of the run.
type timeline struct {
	arrive, first, last time.Duration
	prompt, output      int
	gaps                []time.Duration
}

// tokens notes that n tokens came.
func (t *timeline) tokens(n int, at time.Duration) {
	for range n {
		if t.output == 0 {
			t.first = at
		} else {
			t.gaps = append(t.gaps, at-t.last)
		}
		t.last = at
		t.output++
	}
}
