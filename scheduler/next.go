package scheduler

import (
	"fmt"
	"slices"

	"umbra/scheduler/batch"
)

// Next lays out the next step, or returns nil when there is nothing to do. The step is in flight until Commit or Fail
// takes the same batch back. While one is in flight Next lays out the step that follows it, where that can be foreseen: no
// sequence needs a token that only the host can choose, and nobody has to lose blocks. Where not, it returns nil until the
// first is committed. It panics while two are in flight. Once taken back a batch is good until the Next that follows.
//
// Sequences with one token to compute come first, in order, then the budget's remainder goes to longer ones, in order,
// then to newly admitted ones. Whoever has one token to compute has its row in every step, as the budget has a row for
// each that may run. Of others the first in order proceeds; those after it, answers of one request that compute again
// what they knew or, by priority, older ones of less, may have to wait for budget.
func (s *Scheduler) Next() *batch.Batch {
	switch len(s.flights) {
	case MaxFlights:
		panic("scheduler: Next while two steps are in flight; Commit or Fail one first")
	case 1:
		if !s.flights[0].foreseen() || s.wouldAsk() || !s.roomy() {
			return nil
		}
	case 0:
		s.guess()
	}
	defer s.clearAsks()
	s.reserve()
	left := s.admit(s.plan())
	if len(s.planned) == 0 {
		return nil
	}
	s.speculate(left)
	return s.layOut()
}

// roomy reports whether there is room for all that the running sequences have to compute, with nobody preempted.
func (s *Scheduler) roomy() bool {
	need, left := 0, s.config.MaxBatchTokens-len(s.running)
	for _, q := range s.running {
		if q.follows() || q.ended {
			continue
		}
		rows := 1
		if s.blocks.Windowed() && left > 0 { // what a longer one would get, rather than few rows of it
			rows = max(1, min(q.pending(), left+1))
			left -= rows - 1
		}
		need += q.table.Lack(q.target(), s.reach(q, rows))
	}
	return need <= s.blocks.Free()
}

// reserve makes room for all that the running sequences have to compute. Where the cache is full, the last in order,
// perhaps the one in want itself, loses its blocks, its whole group with it. Those before are served already and stay.
func (s *Scheduler) reserve() {
	for i := 0; i < len(s.running); i++ {
		q := s.running[i]
		for !q.follows() && !q.ended && !q.table.Reserve(q.target(), s.reach(q, 1)) {
			if s.preemptLast(); i >= len(s.running) {
				return // it was the last
			}
		}
	}
}

// plan gives rows to running sequences, those with one token to compute first, and returns what is left of the budget.
func (s *Scheduler) plan() (left int) {
	budget := s.config.MaxBatchTokens
	s.planned, s.longer, s.sealing = s.planned[:0], s.longer[:0], s.sealing[:0]
	for _, q := range s.running {
		if q.follows() || q.ended {
			continue
		}
		s.expect(q)
		switch n := q.pending(); {
		case n == 1:
			budget -= s.give(q, n)
		case n > 1:
			s.longer = append(s.longer, q)
		}
	}
	for _, q := range s.longer {
		budget -= s.give(q, s.within(q, min(q.pending(), budget)))
	}
	return budget
}

// give plans rows of a sequence, and returns how many.
func (s *Scheduler) give(q *sequence, rows int) int {
	if rows > 0 {
		s.planned = append(s.planned, share{sequence: q, rows: rows})
	}
	return rows
}

// expect notes a running sequence that is about to compute a block or more.
func (s *Scheduler) expect(q *sequence) {
	if q.target()-q.computed >= s.config.BlockSize {
		s.sealing = append(s.sealing, q)
	}
}

// admit starts waiting groups, in order, while there is budget for a row, places, and blocks for all of their known
// tokens, and returns what is left of the budget. What this step preempted is first in line and does not come straight back: of the blocks it gave up one
// is taken, or one more is what it lacked.
//
// Beside others it leaves a free block for each of them, and what groups need that are still to run apart: who comes
// in only to be preempted as soon as they grow has computed for nothing. Without that, BenchmarkSaturated computes
// 94,589 rows again instead of 49,713, to end in 9,785 steps instead of 9,864; with two blocks for each it is 28,923
// rows and 10,147 steps.
func (s *Scheduler) admit(budget int) (left int) {
	if budget == 0 || len(s.waiting) == 0 {
		return budget
	}
	spare := s.blocks.Lanes() * len(s.running)
	for _, q := range s.running {
		if g := q.group; !g.apart && q == g.members[0] {
			spare += g.blocksApart(s.blocks)
		}
		spare += s.owed(q)
	}
	ahead := s.ahead(s.running)
	for budget > 0 && len(s.waiting) > 0 {
		g := s.waiting[0].group
		if len(s.running)+len(g.members) > s.config.MaxSequences {
			return budget
		}
		if g.parked != nil {
			if budget < len(g.members) {
				return budget // each has its row
			}
			if ok := s.unpark(g, spare+ahead); !ok && g.parked != nil {
				return budget
			} else if !ok {
				continue // its blocks are lost: as if they had never been saved
			}
		} else if !s.place(g, spare+ahead) {
			return budget
		}
		spare += s.blocks.Lanes()*len(g.members) + g.blocksApart(s.blocks)
		clear(s.waiting[:len(g.members)])
		s.waiting = s.waiting[len(g.members):]
		s.running = enqueue(s.running, g.members)
		apart := g.members
		if !g.apart {
			apart = g.members[:1]
		}
		for i, q := range apart {
			s.expect(q)
			budget -= s.give(q, s.within(q, min(q.pending(), budget-(len(apart)-1-i))))
			spare += s.owed(q)
		}
		ahead = max(ahead, s.ahead(apart))
	}
	return budget
}

// place gives the first of a waiting group a table for the known tokens it has to compute, less those of them that the
// cache remembers. It reports false, changing nothing, if too few blocks are free beyond spare of them, or if it is better
// to wait for another that is computing the same beginning.
func (s *Scheduler) place(g *group, spare int) bool {
	q := g.members[0]
	target := q.target()
	spare += g.blocksApart(s.blocks)
	if s.blocks.Free() < spare+s.blocks.Lanes() {
		return false // whatever is remembered, at least one token is computed
	}
	found := s.match(q, target)
	if s.blocks.Free() < q.table.Short(target)+spare || s.awaits(q, found) {
		q.table.Release()
		return false
	}
	q.computed = found
	if !q.table.Reserve(target, s.reach(q, 1)) {
		panic(fmt.Sprintf("scheduler: sequence %d of %d tokens does not fit in the cache", q.id, target))
	}
	if !s.config.NoPrefixReuse {
		s.counted.PrefixQueries += target
		s.counted.PrefixHits += found
	}
	if !g.admitted {
		g.admitted, g.cached = true, found
	}
	return true
}

// awaits reports whether a running sequence is about to compute a beginning of q's that is at least half of what q would
// have to compute beyond the found tokens. It is then found in the cache soon: whoever runs goes on, or is preempted.
func (s *Scheduler) awaits(q *sequence, found int) bool {
	if s.config.NoPrefixReuse {
		return false
	}
	all := q.target()
	for _, r := range s.sealing {
		if (min(r.target(), all)-found)*2 < all-found {
			continue
		}
		same := common(r.tokens[:min(r.target(), len(r.tokens))], q.tokens[:all-1])
		same -= same % s.config.BlockSize
		if same > max(found, r.computed) && (same-found)*2 >= all-found {
			return true
		}
	}
	return false
}

// common returns how many tokens two texts begin with alike.
func common(a, b []int32) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
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
	s.park(g)
	g.leave()
	s.counted.Preemptions++
}

// layOut makes the planned rows a batch and puts it in flight.
func (s *Scheduler) layOut() *batch.Batch {
	f := s.takeOff()
	room := f.batch // of a step long over
	b := &batch.Batch{Tokens: room.Tokens[:0], Positions: room.Positions[:0], Slots: room.Slots[:0], Sequences: room.Sequences[:0],
		Saves: s.saves, Loads: s.loads}
	f.batch, f.latest, f.asked = b, true, len(s.asks)
	for _, q := range s.running { // rows or not: by the next step the source may be another's
		copies := q.table.TakeCopies()
		for _, c := range copies {
			b.Copies = append(b.Copies, batch.Copy(c))
		}
		if len(copies) > 0 || slices.ContainsFunc(s.loads, func(l batch.Swap) bool { return l.ID == q.id }) {
			f.moved = append(f.moved, q)
		}
	}
	s.saves, s.loads = nil, nil
	outputs := 0
	for i := range s.planned {
		q := &s.planned[i]
		q.outputs = q.layOut(b, q.rows, q.proposal.Tokens)
		f.lanes = Tables(f.lanes, &b.Sequences[len(b.Sequences)-1], q.table, q.computed+q.sequence.rows+q.rows)
		if q.outputs > 0 {
			q.output = outputs
		}
		outputs += q.outputs
		q.sequence.rows += q.rows
		q.lately = q.rows
		q.promised += min(1, q.outputs)
		q.proposed += len(q.proposal.Tokens)
	}
	f.shares, s.planned = s.planned, f.shares
	return b
}

// layOut appends the sequence's next rows to a batch, but for block tables, the last of them of proposed tokens, and returns how many want output.
func (q *sequence) layOut(b *batch.Batch, rows int, proposed []int32) (outputs int) {
	first := q.computed + q.rows
	end := first + rows - len(proposed)
	seq := batch.Sequence{ID: q.id, Answer: q.answer, Start: len(b.Tokens), Rows: rows}
	known := min(end, len(q.tokens))
	b.Tokens = append(b.Tokens, q.tokens[min(first, known):known]...)
	if end > known {
		b.Tokens = append(b.Tokens, ^int32(q.output)) // of the step in flight
	}
	b.Tokens = append(b.Tokens, proposed...)
	for p := first; p < first+rows; p++ {
		b.Positions = append(b.Positions, int32(p))
		b.Slots = append(b.Slots, q.table.Slot(p))
	}
	if end == len(q.tokens)+q.promised {
		seq.Outputs, seq.Want = 1+len(proposed), q.want
		b.TopK = max(b.TopK, q.top)
	}
	b.Sequences = append(b.Sequences, seq)
	return seq.Outputs
}
