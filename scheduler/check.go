package scheduler

import (
	"fmt"

	"umbra/cache"
)

// Check verifies every invariant of the scheduler and of its cache, and returns the first that does not hold: no block
// is leaked or shared, order is first come first served, each sequence's cache holds what it computed, rows are in
// flight only during a step, and then every running sequence has some. It may be called at any time.
func (s *Scheduler) Check() error {
	if err := s.checkOrder(); err != nil {
		return err
	}
	var tables []*cache.Table
	ended := 0
	for _, q := range s.running {
		tables = append(tables, q.table)
		if err := s.checkRunning(q); err != nil {
			return err
		}
		if q.ended {
			ended++
		}
	}
	for _, q := range s.waiting {
		tables = append(tables, q.table)
		if q.computed != 0 || q.rows != 0 || q.table.Len() != 0 || q.ended {
			return fmt.Errorf("scheduler: sequence %d waits with %d tokens computed, %d rows in flight, %d reserved, ended %v",
				q.id, q.computed, q.rows, q.table.Len(), q.ended)
		}
	}
	if n := len(s.running) + len(s.waiting) - ended; n != len(s.live) {
		return fmt.Errorf("scheduler: %d sequences wait or run, %d are alive", n, len(s.live))
	}
	if err := s.blocks.Check(tables...); err != nil {
		return fmt.Errorf("scheduler: %w", err)
	}
	return s.checkFlight()
}

// checkOrder verifies that ids ascend through running, then waiting, and that not too many run.
func (s *Scheduler) checkOrder() error {
	if len(s.running) > s.config.MaxSequences {
		return fmt.Errorf("scheduler: %d sequences run, at most %d may", len(s.running), s.config.MaxSequences)
	}
	last := uint64(0)
	for _, queue := range [][]*sequence{s.running, s.waiting} {
		for _, q := range queue {
			if q.id <= last {
				return fmt.Errorf("scheduler: sequence %d comes after %d", q.id, last)
			}
			last = q.id
			if s.live[q.id] != q && !q.ended {
				return fmt.Errorf("scheduler: sequence %d is not among the living", q.id)
			}
		}
	}
	return nil
}

// checkRunning verifies one running sequence's counts.
func (s *Scheduler) checkRunning(q *sequence) error {
	switch reserved := q.table.Len(); {
	case q.ended && q.rows == 0:
		return fmt.Errorf("scheduler: sequence %d has ended and still runs", q.id)
	case q.rows < 0 || q.rows > q.pending():
		return fmt.Errorf("scheduler: sequence %d has %d rows in flight and %d tokens to compute", q.id, q.rows, q.pending())
	case !q.ended && q.pending() < 1:
		return fmt.Errorf("scheduler: sequence %d knows %d tokens and has computed %d", q.id, len(q.tokens), q.computed)
	case q.computed+q.rows > reserved || reserved > len(q.tokens):
		return fmt.Errorf("scheduler: sequence %d has reserved %d of %d tokens, with %d computed and %d rows in flight",
			q.id, reserved, len(q.tokens), q.computed, q.rows)
	case len(q.tokens) > s.limit:
		return fmt.Errorf("scheduler: sequence %d has %d tokens, at most %d fit", q.id, len(q.tokens), s.limit)
	}
	return nil
}

// checkFlight verifies the step in flight against the sequences it was made from.
func (s *Scheduler) checkFlight() error {
	rows := 0
	for _, q := range s.running {
		rows += q.rows
	}
	if s.flight == nil {
		if rows != 0 || len(s.flying) != 0 {
			return fmt.Errorf("scheduler: no step is in flight, but %d rows of %d sequences are", rows, len(s.flying))
		}
		return nil
	}
	if n := len(s.flight.Tokens); n != rows || n > s.config.MaxBatchTokens || n == 0 {
		return fmt.Errorf("scheduler: the step in flight has %d rows, its sequences %d; at least 1 and at most %d may",
			n, rows, s.config.MaxBatchTokens)
	}
	if len(s.flying) != len(s.running) {
		return fmt.Errorf("scheduler: %d sequences run, %d have rows in the step", len(s.running), len(s.flying))
	}
	for i, q := range s.flying {
		if b := s.flight.Sequences[i]; b.ID != q.id || b.Rows != q.rows {
			return fmt.Errorf("scheduler: share %d of the step is %d rows of sequence %d, not %d of %d", i, b.Rows, b.ID, q.rows, q.id)
		}
	}
	return nil
}
