package umbra

import (
	"time"

	"umbra/scheduler"
	"umbra/scheduler/batch"
)

// stepper takes the scheduler and the model through one step after the other, and records them where someone asked.
type stepper struct {
	scheduler *scheduler.Scheduler
	model     runner
	record    func(StepRecord) // nil: nobody asked
	steps     int
	last      scheduler.Stats // while the last recorded step was in flight
}

// runner computes a step; *model.Model is one.
type runner interface {
	Run(b *batch.Batch) ([]batch.Output, error)
}

// step runs one step and returns its events and when the model was done. It reports false if there is nothing to do.
func (s *stepper) step() (events []scheduler.Event, at time.Time, ok bool) {
	start := time.Now()
	b := s.scheduler.Next()
	if b == nil {
		return nil, start, false
	}
	s.steps++
	ran := time.Now()
	var r StepRecord
	if s.record != nil {
		now := s.scheduler.Stats()
		r = RecordStep(b, s.last, now)
		s.last = now
		r.Number = s.steps
		r.Host = ran.Sub(start)
		ran = time.Now() // recording is not the step's time
	}
	out, err := s.model.Run(b)
	at = time.Now()
	r.Err = err
	if err == nil {
		events, err = s.scheduler.Commit(b, out)
	}
	if err != nil {
		r.Err = err
		events, err = s.scheduler.Fail(b, err)
	}
	if err != nil {
		panic(err) // Fail takes any step that Next gave
	}
	if s.record != nil {
		r.Device = at.Sub(ran)
		r.Host += time.Since(at)
		s.record(r)
	}
	return events, at, true
}
