package scheduler

import (
	"fmt"
	"slices"

	"umbra/scheduler/batch"
)

// Next lays out the next step, or returns nil when there is nothing to do. The step is in flight until Commit or Fail
// takes the same batch back; Next panics when called before that.
//
// Sequences with one token to compute come first, in order, then the budget's remainder goes to longer ones, in order,
// then to newly admitted ones. Whoever has one token to compute has its row in every step, as the budget has a row for
// each that may run. Of others the first in order proceeds; those after it, answers of one request that compute again
// what they knew or, by priority, older ones of less, may have to wait for budget.
func (s *Scheduler) Next() *batch.Batch {
	if s.flight != nil {
		panic("scheduler: Next while a step is in flight; Commit or Fail it first")
	}
	s.reserve()
	s.admit(s.plan())
	if len(s.running) == 0 {
		return nil
	}
	s.layOut()
	return s.flight
}

// reserve makes room for all that the running sequences have to compute. Where the cache is full, the last in order,
// perhaps the one in want itself, loses its blocks, its whole group with it. Those before are served already and stay.
func (s *Scheduler) reserve() {
	for i := 0; i < len(s.running); i++ {
		q := s.running[i]
		for !q.follows() && !q.table.Grow(q.target()-q.table.Len()) {
			if s.preemptLast(); i >= len(s.running) {
				return // it was the last
			}
		}
	}
}

// plan gives rows to running sequences, those with one token to compute first, and returns what is left of the budget.
func (s *Scheduler) plan() (left int) {
	budget := s.config.MaxBatchTokens
	for _, q := range s.running {
		if q.pending() == 1 && !q.follows() {
			q.rows = 1
			budget--
		}
	}
	for _, q := range s.running {
		if q.rows == 0 && !q.follows() {
			q.rows = min(q.pending(), budget)
			budget -= q.rows
		}
	}
	return budget
}

// admit starts waiting groups, in order, while there is budget for a row, places, and blocks for all of their known
// tokens. What this step preempted is first in line and does not come straight back: of the blocks it gave up one
// is taken, or one more is what it lacked.
//
// Beside others it leaves a free block for each of them, and what groups need that are still to run apart: who comes
// in only to be preempted as soon as they grow has computed for nothing. Without that, BenchmarkSaturated computes
// 94,589 rows again instead of 49,713, to end in 9,785 steps instead of 9,864; with two blocks for each it is 28,923
// rows and 10,147 steps.
func (s *Scheduler) admit(budget int) {
	if budget == 0 || len(s.waiting) == 0 {
		return
	}
	spare := len(s.running)
	for _, q := range s.running {
		if q == q.group.members[0] {
			spare += q.group.blocksApart(s.blocks.Need, s.blocks.Size())
		}
	}
	for budget > 0 && len(s.waiting) > 0 {
		q := s.waiting[0]
		g := q.group
		if len(s.running)+len(g.members) > s.config.MaxSequences {
			return
		}
		target := q.target()
		found := s.match(q, target)
		apart := g.blocksApart(s.blocks.Need, s.blocks.Size())
		if s.blocks.Free() < s.blocks.Need(target-found)+apart+spare {
			q.table.Release()
			return
		}
		if !q.table.Grow(target - found) {
			panic(fmt.Sprintf("scheduler: sequence %d of %d tokens does not fit in the cache", q.id, target))
		}
		if !s.config.NoPrefixReuse {
			s.counted.PrefixQueries += target
			s.counted.PrefixHits += found
		}
		if !g.admitted {
			g.admitted, g.cached = true, found
		}
		clear(s.waiting[:len(g.members)])
		s.waiting = s.waiting[len(g.members):]
		s.running = enqueue(s.running, g.members)
		spare += len(g.members) + apart
		q.computed = found
		q.rows = min(q.pending(), budget)
		budget -= q.rows
	}
}

// match gives a waiting sequence the blocks of the longest beginning of its first n tokens that is in the cache, less
// than all of them, and returns its length: whole blocks.
func (s *Scheduler) match(q *sequence, n int) int {
	if s.config.NoPrefixReuse {
		return 0
	}
	return q.table.Match(q.tokens[:n-1])
}

// preemptLast takes the blocks of the last running group and puts it back in the queue, in FCFS at its front. What its
// sequences know they keep, and their samplers' state with it.
func (s *Scheduler) preemptLast() {
	g := s.running[len(s.running)-1].group
	first := len(s.running) - len(g.members)
	if first == 0 {
		panic(fmt.Sprintf("scheduler: sequence %d is alone and the cache is full", g.id))
	}
	s.waiting = enqueue(s.waiting, g.members)
	s.running = slices.Delete(s.running, first, len(s.running))
	g.join()
	s.counted.Preemptions++
}

// layOut makes the planned rows a batch and puts it in flight.
func (s *Scheduler) layOut() {
	rows := 0
	for _, q := range s.running {
		rows += q.rows
	}
	b := &batch.Batch{
		Tokens:    make([]int32, 0, rows),
		Positions: make([]int32, 0, rows),
		Slots:     make([]int32, 0, rows),
		Sequences: make([]batch.Sequence, 0, len(s.running)),
	}
	for _, q := range s.running { // rows or not: by the next step the source may be another's
		c, ok := q.table.TakeCopy()
		if ok {
			b.Copies = append(b.Copies, batch.Copy(c))
		}
		q.copying = ok
	}
	s.flying = s.flying[:0]
	for _, single := range []bool{true, false} {
		for _, q := range s.running {
			if q.rows > 0 && single == (q.pending() == 1) {
				s.flying = append(s.flying, q)
				q.layOut(b)
			}
		}
	}
	s.flight = b
}

// layOut appends the sequence's rows to a batch.
func (q *sequence) layOut(b *batch.Batch) {
	end := q.computed + q.rows
	seq := batch.Sequence{ID: q.id, Answer: q.answer, Start: len(b.Tokens), Rows: q.rows, Blocks: q.table.Blocks(end)}
	b.Tokens = append(b.Tokens, q.tokens[q.computed:end]...)
	for p := q.computed; p < end; p++ {
		b.Positions = append(b.Positions, int32(p))
		b.Slots = append(b.Slots, q.table.Slot(p))
	}
	if end == len(q.tokens) {
		var k int
		seq.Outputs = 1
		seq.Want, k = q.want()
		b.TopK = max(b.TopK, k)
	}
	b.Sequences = append(b.Sequences, seq)
}
