package scheduler

import (
	"fmt"
	"slices"

	"umbra/cache"
)

// Check verifies every invariant of the scheduler and of its cache, and returns the first that does not hold: no block
// is leaked or written by two, queues are in order, groups are whole, each sequence's cache holds what it computed,
// rows are in flight only during a step, and then every running sequence that can have some has some, as far as the
// budget goes. It may be called at any time.
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
	alive := 0
	for _, g := range s.live {
		alive += g.live
	}
	if n := len(s.running) + len(s.waiting) - ended; n != alive {
		return fmt.Errorf("scheduler: %d sequences wait or run, %d are alive", n, alive)
	}
	if err := s.checkGroups(); err != nil {
		return err
	}
	if err := s.blocks.Check(tables...); err != nil {
		return fmt.Errorf("scheduler: %w", err)
	}
	if s.config.NoPrefixReuse && s.counted.PrefixHits+s.counted.PrefixQueries != 0 {
		return fmt.Errorf("scheduler: %d tokens were found without prefix reuse", s.counted.PrefixHits)
	}
	return s.checkFlight()
}

// checkOrder verifies that running and waiting are in order, in FCFS one after the other, and that not too many run.
func (s *Scheduler) checkOrder() error {
	if len(s.running) > s.config.MaxSequences {
		return fmt.Errorf("scheduler: %d sequences run, at most %d may", len(s.running), s.config.MaxSequences)
	}
	var last *sequence
	for i, queue := range [][]*sequence{s.running, s.waiting} {
		if i == 1 && s.config.Policy != FCFS {
			last = nil
		}
		for _, q := range queue {
			if last != nil && order(last, q) >= 0 {
				return fmt.Errorf("scheduler: sequence %d comes after %d", q.id, last.id)
			}
			last = q
			if s.live[q.id] != q.group && !q.ended {
				return fmt.Errorf("scheduler: sequence %d is not among the living", q.id)
			}
		}
	}
	return nil
}

// checkGroups verifies that the members of a group are together in one queue and are what the group thinks, and that
// those that follow the first hold nothing.
func (s *Scheduler) checkGroups() error {
	for _, queue := range [][]*sequence{s.running, s.waiting} {
		for i := 0; i < len(queue); {
			g := queue[i].group
			if len(g.members) == 0 || len(g.members) > len(queue)-i {
				return fmt.Errorf("scheduler: request %d has %d members, %d follow in its queue", g.id, len(g.members), len(queue)-i)
			}
			if err := s.checkParked(g); err != nil {
				return err
			}
			live := 0
			for j, q := range g.members {
				if queue[i+j] != q || q.group != g || q.id != g.id {
					return fmt.Errorf("scheduler: member %d of request %d is not in its place", j, g.id)
				}
				if !q.ended {
					live++
				}
				if q.follows() && (q.computed != 0 || q.rows != 0 || q.table.Len() != 0) {
					return fmt.Errorf("scheduler: answer %d of request %d follows with %d tokens computed, %d rows, %d reserved",
						q.answer, g.id, q.computed, q.rows, q.table.Len())
				}
				if g.apart && g.parked == nil && len(g.members) > 1 && q.computed < q.prompt {
					return fmt.Errorf("scheduler: answer %d of request %d is apart with %d tokens computed of a prompt of %d",
						q.answer, g.id, q.computed, q.prompt)
				}
			}
			if live != g.live || g.answers == 1 && !g.apart {
				return fmt.Errorf("scheduler: request %d has %d answers alive of %d, thinks %d, apart %v", g.id, live, g.answers, g.live, g.apart)
			}
			i += len(g.members)
		}
	}
	return nil
}

// checkParked verifies what a group's saved blocks are said to hold.
func (s *Scheduler) checkParked(g *group) error {
	w := g.parked
	if w == nil {
		return nil
	}
	if slices.Contains(s.running, g.members[0]) || len(w.computed) != len(g.members) || len(w.layout) != len(g.members) {
		return fmt.Errorf("scheduler: request %d of %d members has saved the blocks of %d", g.id, len(g.members), len(w.computed))
	}
	for i, q := range g.members {
		if n := w.computed[i]; n > len(q.tokens) || n == len(q.tokens) && !q.ready() || n != w.layout[i].Tokens {
			return fmt.Errorf("scheduler: sequence %d of %d tokens has saved %d in blocks of %d", q.id, len(q.tokens), n, w.layout[i].Tokens)
		}
	}
	return nil
}

// checkRunning verifies one running sequence's counts.
func (s *Scheduler) checkRunning(q *sequence) error {
	reserved := q.table.Len()
	switch {
	case q.ended && q.rows == 0:
		return fmt.Errorf("scheduler: sequence %d has ended and still runs", q.id)
	case q.computed+q.rows > reserved:
		return fmt.Errorf("scheduler: sequence %d has reserved %d tokens, with %d computed and %d rows in flight", q.id, reserved, q.computed, q.rows)
	case s.blocks.Windowed() && (q.computed+q.rows > q.table.Reach() || q.table.Held() > s.blocks.NeedAhead(reserved, MaxFlights*s.config.MaxBatchTokens)):
		return fmt.Errorf("scheduler: sequence %d holds %d blocks for windows at %d of %d tokens, with %d rows in flight", q.id, q.table.Held(), q.computed, reserved, q.rows)
	case q.ended:
		return nil // what it knows may end before what was computed for it
	case q.rows < 0 || q.promised < 0 || q.promised > len(s.flights) || q.pending() < 0:
		return fmt.Errorf("scheduler: sequence %d has %d rows in flight, %d tokens promised and %d to compute",
			q.id, q.rows, q.promised, q.pending())
	case len(s.flights) == 0 && q.pending() < 1 && !q.ready():
		return fmt.Errorf("scheduler: sequence %d knows %d tokens and has computed %d", q.id, len(q.tokens), q.computed)
	case q.proposed > 0 && (q.promised != 1 || reserved != len(q.tokens)+q.proposed):
		return fmt.Errorf("scheduler: sequence %d has reserved %d for %d tokens and %d proposed, with %d promised",
			q.id, reserved, len(q.tokens), q.proposed, q.promised)
	case q.proposed == 0 && reserved > len(q.tokens)+q.promised:
		return fmt.Errorf("scheduler: sequence %d has reserved %d of %d tokens", q.id, reserved, len(q.tokens)+q.promised)
	case len(q.tokens)+q.promised > min(s.limit, q.limit):
		return fmt.Errorf("scheduler: sequence %d has %d tokens, at most %d fit", q.id, len(q.tokens), min(s.limit, q.limit))
	}
	if err := q.table.Holds(q.tokens[:min(q.computed, len(q.tokens))]); err != nil { // nothing that was proposed and did not come true
		return fmt.Errorf("scheduler: sequence %d: %w", q.id, err)
	}
	return nil
}

// checkFlight verifies the steps in flight against the sequences they were made from.
func (s *Scheduler) checkFlight() error {
	if len(s.flights) > MaxFlights || len(s.saves)+len(s.loads) != 0 {
		return fmt.Errorf("scheduler: %d steps are in flight, %d swaps are in none", len(s.flights), len(s.saves)+len(s.loads))
	}
	rows, promised, proposed := map[*sequence]int{}, map[*sequence]int{}, map[*sequence]int{}
	for _, f := range s.flights {
		if len(f.batch.Sequences) != len(f.shares) {
			return fmt.Errorf("scheduler: %d shares of a step, %d sequences have rows in it", len(f.batch.Sequences), len(f.shares))
		}
		n := 0
		for i, q := range f.shares {
			if b := f.batch.Sequences[i]; b.ID != q.id || b.Answer != q.answer || b.Rows != q.rows || b.Outputs != q.outputs {
				return fmt.Errorf("scheduler: share %d of the step is %d rows of sequence %d, not %d of %d", i, b.Rows, b.ID, q.rows, q.id)
			}
			rows[q.sequence] += q.rows
			promised[q.sequence] += min(1, q.outputs)
			proposed[q.sequence] += len(q.proposal.Tokens)
			if k := len(q.proposal.Tokens); k > 0 && (q.outputs != 1+k || q.rows != 1+k || len(s.flights) > 1) {
				return fmt.Errorf("scheduler: sequence %d has %d proposals in %d rows with %d outputs, in one of %d steps", q.id, k, q.rows, q.outputs, len(s.flights))
			}
			n += q.rows
		}
		if len(f.batch.Tokens) != n || n > s.config.MaxBatchTokens || n == 0 {
			return fmt.Errorf("scheduler: a step in flight has %d rows, its sequences %d; at least 1 and at most %d may",
				len(f.batch.Tokens), n, s.config.MaxBatchTokens)
		}
	}
	idle, single := 0, 0 // of those that could have rows: without any; with one token to compute
	for _, q := range s.running {
		if q.rows != rows[q] || q.promised != promised[q] {
			return fmt.Errorf("scheduler: sequence %d has %d rows in flight and %d tokens promised, not %d and %d",
				q.id, rows[q], promised[q], q.rows, q.promised)
		}
		if q.proposed != proposed[q] {
			return fmt.Errorf("scheduler: sequence %d has %d proposals in flight, not %d", q.id, proposed[q], q.proposed)
		}
		delete(rows, q)
		if q.rows == 0 && !q.follows() && !q.ended && !q.ready() {
			idle++
			if q.pending() == 1 {
				single++
			}
		}
	}
	if len(rows) > 0 {
		return fmt.Errorf("scheduler: %d sequences have rows in flight and do not run", len(rows))
	}
	if n := len(s.flights); n > 0 && s.flights[n-1].latest && (idle > 0 && len(s.flights[n-1].batch.Tokens) < s.config.MaxBatchTokens || single > 0) {
		return fmt.Errorf("scheduler: %d of %d running sequences have no row in a step of %d", idle, len(s.running), len(s.flights[n-1].batch.Tokens))
	}
	return nil
}
