package umbra

import (
	"time"

	"umbra/model"
	"umbra/scheduler"
	"umbra/scheduler/batch"
	"umbra/scheduler/pace"
)

// stepper takes the scheduler and the model through one step after the other, and records them where someone asked.
// While the device computes a step, the next is laid out and handed over, where the scheduler can foresee it.
type stepper struct {
	scheduler   *scheduler.Scheduler
	model       *model.Model
	swapper     *swapper // nil: nothing is swapped
	drafter     *drafter // nil: no draft model makes proposals
	synchronous bool     // no step is laid out before the one before it is over
	record      func(StepRecord)
	begin       func(*batch.Batch) // is told of each step that is laid out

	flying []flying // steps handed to the device, oldest first
	steps  int
	trail  *trail          // of the latest steps; nil while nobody takes snapshots
	last   scheduler.Stats // when the last recorded step was laid out
	free   time.Time       // since when the device has had nothing to do; zero: it had nothing to do before either
}

// flying is a step on its way.
type flying struct {
	batch  *batch.Batch
	flight *model.Flight
	err    error     // it could not be handed over
	begin  time.Time // when the device could begin with it
	end    time.Time // when it was seen to be over, if that was before it was waited for
	drafts pace.Times
	record StepRecord
}

// step ends one step and returns its events and when the model was done. It reports false if there is nothing to do.
func (s *stepper) step() (events []scheduler.Event, at time.Time, ok bool) {
	if len(s.flying) == 0 && !s.launch() {
		s.free = time.Time{}
		return nil, time.Time{}, false
	}
	if !s.synchronous && len(s.flying) < scheduler.MaxFlights && s.flying[0].err == nil {
		s.launch()
	}
	events, at = s.land()
	return events, at, true
}

// rest lands all steps that are on their way.
func (s *stepper) rest(deliver func(scheduler.Event, time.Time)) {
	for len(s.flying) > 0 {
		events, at := s.land()
		for _, e := range events {
			deliver(e, at)
		}
	}
}

// land waits for the oldest step and commits it.
func (s *stepper) land() (events []scheduler.Event, at time.Time) {
	f := s.flying[0]
	s.flying = append(s.flying[:0], s.flying[1:]...)
	var out []batch.Output
	err := f.err
	if err == nil {
		out, err = f.flight.Wait()
	}
	at = time.Now()
	if f.end.IsZero() {
		f.end = at
	}
	if len(s.flying) > 0 {
		s.flying[0].begin = laterOf(s.flying[0].begin, f.end)
	} else {
		s.free = f.end
	}
	if err == nil {
		events, err = s.scheduler.Commit(f.batch, out)
	}
	r := f.record
	if err != nil {
		r.Err = err
		events, err = s.scheduler.Fail(f.batch, err)
	}
	if err != nil {
		panic(err) // Fail takes any step that Next gave, in order
	}
	r.Device = f.end.Sub(f.begin)
	r.Host += time.Since(at)
	if r.Err == nil {
		f.drafts.Step = (r.Time() - r.Draft).Seconds()
		s.scheduler.Took(f.drafts)
	}
	if s.swapper != nil && r.Err == nil {
		s.scheduler.SetCosts(s.swapper.learn(f.batch, r.Device))
	}
	if s.record != nil {
		s.record(r)
	}
	if s.trail != nil && !s.trail.add(r.Number, r.Time(), f.batch) {
		s.trail = nil
	}
	return events, at
}

// launch hands the next step to the device. It reports false if there is none yet.
func (s *stepper) launch() bool {
	start := time.Now()
	f := flying{}
	if s.drafter != nil {
		f.drafts = s.drafter.propose(s.scheduler.Asks())
	}
	drafted := time.Now()
	b := s.scheduler.Next()
	if b == nil {
		return false
	}
	if s.begin != nil {
		s.begin(b)
	}
	s.steps++
	f.batch = b
	scheduled := time.Since(drafted)
	if s.record != nil {
		now := s.scheduler.Stats()
		f.record = RecordStep(b, s.last, now)
		s.last = now
	}
	f.record.Number, f.record.Draft = s.steps, drafted.Sub(start)
	recorded := time.Now() // recording is not the step's time
	if s.swapper != nil {
		f.err = s.swapper.swap(b)
	}
	behind := false
	if f.err == nil {
		f.flight, f.err = s.model.Launch(b)
	}
	f.begin = time.Now()
	f.record.Host = scheduled + f.begin.Sub(recorded)
	if f.flight != nil {
		f.record.Submit = f.flight.Submit
		f.record.Host -= f.flight.Submit
		behind = f.flight.Behind
	}
	switch {
	case len(s.flying) == 0:
		if s.free.IsZero() {
			s.free = start
		}
		f.record.Idle = f.begin.Sub(s.free)
	case !behind:
		// At most: it may have ended only just now.
		s.flying[0].end = laterOf(start, s.flying[0].begin)
		f.record.Idle = f.begin.Sub(s.flying[0].end)
	}
	s.flying = append(s.flying, f)
	return true
}

func laterOf(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
