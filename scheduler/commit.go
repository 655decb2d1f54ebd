package scheduler

import (
	"errors"
	"fmt"
	"slices"

	"umbra/scheduler/batch"
)

// Commit takes back the step in flight with what it gave: b.Outputs() values, in row order. It returns an event for
// each sequence that gained a token or ended, in the batch's order. A sequence whose output cannot be sampled ends as
// Failed and the others go on. An error means that b is not in flight or out has the wrong length, and that nothing
// has changed: the step can still be committed, or given to Fail.
func (s *Scheduler) Commit(b *batch.Batch, out []batch.Output) ([]Event, error) {
	if err := s.inFlight(b); err != nil {
		return nil, err
	}
	if len(out) != b.Outputs() {
		return nil, fmt.Errorf("scheduler: %d outputs came back for a step that wants %d", len(out), b.Outputs())
	}
	s.counted.Steps++
	s.counted.Rows += len(b.Tokens)
	s.counted.Outputs += len(out)
	var events []Event
	for i, q := range s.flying {
		s.counted.Recomputed += max(0, min(q.reached, q.computed+q.rows)-q.computed)
		q.computed += q.rows
		q.reached = max(q.reached, q.computed)
		q.rows = 0
		n := b.Sequences[i].Outputs
		if n > 0 && !q.ended {
			events = append(events, s.advance(q, out[0]))
		}
		out = out[n:]
		if !s.config.NoPrefixReuse && !failed(events, q) {
			q.table.Seal(q.tokens[:q.computed])
		}
		if q.ended {
			s.remove(q)
		}
	}
	s.land()
	return events, nil
}

// Fail takes back the step in flight when it could not be run. Every sequence with rows in it ends as Failed with the
// cause, because what its cache holds is unknown; all others go on. An error means that b is not in flight, and that
// nothing has changed.
func (s *Scheduler) Fail(b *batch.Batch, cause error) ([]Event, error) {
	if err := s.inFlight(b); err != nil {
		return nil, err
	}
	if cause == nil {
		cause = errors.New("scheduler: the step failed")
	}
	var events []Event
	for _, q := range s.flying {
		if !q.ended {
			events = append(events, q.end(Event{Err: cause}, Failed))
		}
		q.rows = 0
		s.remove(q)
	}
	s.land()
	return events, nil
}

// Cancel ends a sequence, whether it waits, runs, or has rows in flight; those are then ignored, and its blocks are
// free only after Commit or Fail. The event returned is its last, reported here and nowhere else. It reports false if
// no sequence of that id is left to end.
func (s *Scheduler) Cancel(id uint64) (Event, bool) {
	q, ok := s.live[id]
	if !ok {
		return Event{}, false
	}
	e := q.end(Event{}, Cancelled)
	delete(s.live, id)
	if q.rows == 0 {
		s.remove(q)
	}
	return e, true
}

// advance samples a sequence's next token.
func (s *Scheduler) advance(q *sequence, out batch.Output) Event {
	id, err := q.choose(out, s.config.Vocabulary)
	if err != nil {
		return q.end(Event{Err: fmt.Errorf("scheduler: sequence %d: %w", q.id, err)}, Failed)
	}
	return q.accept(id, s.config.Piece)
}

// failed reports whether the latest event is that q has failed: then its cache may hold no numbers.
func failed(events []Event, q *sequence) bool {
	last := len(events) - 1
	return last >= 0 && events[last].ID == q.id && events[last].Reason == Failed
}

// remove forgets an ended sequence and frees its blocks. None of its rows is in flight.
func (s *Scheduler) remove(q *sequence) {
	same := func(other *sequence) bool { return other == q }
	s.waiting = slices.DeleteFunc(s.waiting, same)
	s.running = slices.DeleteFunc(s.running, same)
	delete(s.live, q.id)
	q.table.Release()
}

// inFlight returns an error unless b is the step in flight.
func (s *Scheduler) inFlight(b *batch.Batch) error {
	switch {
	case s.flight == nil:
		return errors.New("scheduler: no step is in flight; call Next first, and take each batch back once")
	case s.flight != b:
		return errors.New("scheduler: this batch is not the step in flight")
	}
	return nil
}

// land ends the step.
func (s *Scheduler) land() {
	s.flight = nil
	clear(s.flying)
	s.flying = s.flying[:0]
}
