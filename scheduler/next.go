package scheduler

import (
	"fmt"
	"slices"

	"umbra/scheduler/batch"
)

// Next lays out the next step, or returns nil when there is nothing to do. The step is in flight until Commit or Fail
// takes the same batch back; Next panics when called before that.
//
// Sequences with one token to compute come first, oldest first, then the budget's remainder goes to longer ones,
// oldest first, then to newly admitted ones. Every running sequence has a row in every step: only the newest can be in
// the middle of its tokens, because no other is admitted before it has had all it can use, and the budget has a row for
// each.
func (s *Scheduler) Next() *batch.Batch {
	if s.flight != nil {
		panic("scheduler: Next while a step is in flight; Commit or Fail it first")
	}
	budget := s.planSingles(s.config.MaxBatchTokens)
	budget = s.planChunks(budget)
	s.admit(budget)
	if len(s.running) == 0 {
		return nil
	}
	s.layOut()
	return s.flight
}

// planSingles gives a row to each sequence that has one token to compute. Where the cache is full, the newest running
// sequence, perhaps the one in want itself, loses its blocks. Those planned already are older and stay.
func (s *Scheduler) planSingles(budget int) (left int) {
	for i := 0; i < len(s.running); i++ {
		q := s.running[i]
		if q.pending() != 1 {
			continue
		}
		for !q.table.Grow(len(q.tokens) - q.table.Len()) {
			if s.preemptNewest() == q {
				return budget // it was the last
			}
		}
		q.rows = 1
		budget--
	}
	return budget
}

// planChunks spends the budget on running sequences with more to compute. Their blocks were reserved at admission.
func (s *Scheduler) planChunks(budget int) (left int) {
	for _, q := range s.running {
		if q.rows == 0 {
			q.rows = min(q.pending(), budget)
			budget -= q.rows
		}
	}
	return budget
}

// admit starts waiting sequences, in order, while there is budget for a row, a place, and blocks for all of their
// known tokens. What this step preempted is first in line and does not come straight back: of the blocks it gave up one
// is taken, or one more is what it lacked.
//
// Beside others it leaves a free block for each of them: who comes in only to be preempted as soon as they grow has
// computed for nothing. Without that, BenchmarkSaturated computes 94,589 rows again instead of 49,713, to end in 9,785
// steps instead of 9,864; with two blocks for each it is 28,923 rows and 10,147 steps.
func (s *Scheduler) admit(budget int) {
	for budget > 0 && len(s.waiting) > 0 && len(s.running) < s.config.MaxSequences {
		q := s.waiting[0]
		found := s.match(q)
		if s.blocks.Free() < s.blocks.Need(len(q.tokens)-found)+len(s.running) {
			q.table.Release()
			return
		}
		if !q.table.Grow(len(q.tokens) - found) {
			panic(fmt.Sprintf("scheduler: sequence %d of %d tokens does not fit in the cache", q.id, len(q.tokens)))
		}
		q.start(found)
		if !s.config.NoPrefixReuse {
			s.counted.PrefixQueries += len(q.tokens)
			s.counted.PrefixHits += found
		}
		s.waiting = slices.Delete(s.waiting, 0, 1)
		s.running = append(s.running, q)
		q.rows = min(q.pending(), budget)
		budget -= q.rows
	}
}

// match gives a waiting sequence the blocks of the longest beginning of its tokens that is in the cache, less than all
// of them, and returns its length: whole blocks.
func (s *Scheduler) match(q *sequence) int {
	if s.config.NoPrefixReuse {
		return 0
	}
	return q.table.Match(q.tokens[:len(q.tokens)-1])
}

// preemptNewest takes the blocks of the newest running sequence and puts it at the front of the queue. What it knows
// it keeps, and its sampler's state with it.
func (s *Scheduler) preemptNewest() *sequence {
	last := len(s.running) - 1
	if last == 0 {
		panic(fmt.Sprintf("scheduler: sequence %d is alone and the cache is full", s.running[0].id))
	}
	q := s.running[last]
	s.running = slices.Delete(s.running, last, last+1)
	s.waiting = slices.Insert(s.waiting, 0, q)
	q.table.Release()
	q.computed = 0
	q.preemptions++
	s.counted.Preemptions++
	return q
}

// layOut makes the planned rows a batch and puts it in flight.
func (s *Scheduler) layOut() {
	b := &batch.Batch{}
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
	if c, ok := q.table.TakeCopy(); ok {
		b.Copies = append(b.Copies, batch.Copy(c))
	}
	seq := batch.Sequence{ID: q.id, Start: len(b.Tokens), Rows: q.rows, Blocks: q.table.Blocks(end)}
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
