package scheduler

import (
	"errors"

	"umbra/scheduler/batch"
)

// MaxFlights is the most steps in flight: one that runs, and the one that follows it.
const MaxFlights = 2

// flight is a step between Next and Commit or Fail.
type flight struct {
	batch *batch.Batch
	// shares are what sequences have in batch.Sequences.
	shares []share
	// moved are the sequences whose tables hold a block that the step copies or loads, with rows in it or without.
	moved []*sequence
	// lanes are the block tables of all lanes but the first.
	lanes []batch.Table
	// asked counts the sequences that could have proposals.
	asked int
	// latest says that nothing has been committed since it was laid out.
	latest bool
}

// share is a sequence's part of a step.
type share struct {
	*sequence
	rows, outputs int
	proposal      Proposal // whose tokens are the last of rows
	guess         guess    // of what comes next, if guessed
	guessed       bool
}

// settle takes a share back from the sequence's counts of what is in flight.
func (q share) settle() {
	q.sequence.rows -= q.rows
	q.sequence.promised -= min(1, q.outputs)
	q.sequence.proposed -= len(q.proposal.Tokens)
}

// takeOff puts an empty flight behind those under way.
func (s *Scheduler) takeOff() *flight {
	f := &flight{batch: new(batch.Batch)}
	if n := len(s.spare); n > 0 {
		f, s.spare = s.spare[n-1], s.spare[:n-1]
	}
	s.flights = append(s.flights, f)
	return f
}

// inFlight returns the oldest step in flight, or an error unless it is b's.
func (s *Scheduler) inFlight(b *batch.Batch) (*flight, error) {
	switch {
	case len(s.flights) == 0:
		return nil, errors.New("scheduler: no step is in flight; call Next first, and take each batch back once")
	case s.flights[0].batch != b:
		return nil, errors.New("scheduler: this batch is not the oldest step in flight")
	}
	return s.flights[0], nil
}

// land ends the oldest step, and what has ended with it.
func (s *Scheduler) land() {
	f := s.flights[0]
	s.flights = append(s.flights[:0], s.flights[1:]...)
	for _, left := range s.flights {
		left.latest = false
	}
	f.asked, f.lanes = 0, f.lanes[:0]
	clear(f.shares)
	clear(f.moved)
	f.shares, f.moved = f.shares[:0], f.moved[:0]
	s.spare = append(s.spare, f)
	for _, q := range s.running {
		if q.ended {
			s.sweep()
			return
		}
	}
}

// foreseen reports whether a step can be laid out that follows the one in flight: each token it gives is the likeliest,
// which the device knows before the host, and goes to one sequence.
func (f *flight) foreseen() bool {
	for _, q := range f.shares {
		if q.outputs == 0 || q.ended {
			continue
		}
		if q.want != batch.WantToken || !q.group.apart || len(q.proposal.Tokens) > 0 {
			return false
		}
	}
	return true
}
