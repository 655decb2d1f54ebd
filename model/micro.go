package model

import "umbra/scheduler/batch"

// micro is a micro-batch: some of a flight's rows, which go from stage to stage together. With one stage it is the whole flight.
type micro struct {
	flight *Flight
	batch  *batch.Batch // the rows, as a batch of their own
	many   []bool       // of its sequences, as in the flight: Plan.many
	places []int        // of its outputs in the flight's, nil where they are the same
	fed    bool         // rows wait for tokens of the flight before
	x      []byte       // what the stage before has left of the rows, where that is another device
}

// scored reports whether outputs want a score.
func (c *micro) scored() bool {
	for _, q := range c.batch.Sequences {
		if q.Want == batch.WantScore && q.Outputs > 0 {
			return true
		}
	}
	return false
}

// split cuts a flight into micro-batches of about Plan.MicroBatch rows, in the order in which each stage computes them. Sequences that
// wait for tokens of the flight before come last, so that there is something to compute until these are known. Rows of a sequence
// stay in order, and a cut is where attention's tiles end: they are what they are in the whole.
func (m *Model) split(f *Flight) []*micro {
	b, many := f.batch, m.plan.many(f.batch)
	count := 1
	if len(m.stages) > 1 {
		count = ceilDiv(len(b.Tokens), m.plan.MicroBatch)
	}
	if count == 1 {
		return []*micro{{flight: f, batch: b, many: many, fed: len(m.stages) > 1 && waits(b.Tokens)}}
	}
	s := splitter{flight: f, size: ceilDiv(len(b.Tokens), count), tile: m.tile()}
	for _, later := range []bool{false, true} {
		place := 0
		for i, q := range b.Sequences {
			if waits(b.Tokens[q.Start:][:q.Rows]) == later {
				s.add(q, many[i], place)
			}
			place += q.Outputs
		}
	}
	s.micros[0].batch.Copies = b.Copies
	return s.micros
}

// waits reports whether one of the tokens is yet to be found.
func waits(tokens []int32) bool {
	for _, t := range tokens {
		if t < 0 {
			return true
		}
	}
	return false
}

// tile is a number of rows that is whole tiles of attention on every device.
func (m *Model) tile() int {
	n := 1
	for _, s := range m.stages {
		n = lcm(n, s.attentions[0].ManyTile())
	}
	return n
}

func lcm(a, b int) int {
	x, y := a, b
	for y != 0 {
		x, y = y, x%y
	}
	return a / x * b
}

// splitter lays micro-batches out.
type splitter struct {
	flight     *Flight
	size, tile int
	micros     []*micro
}

// add appends a sequence, in pieces where it may be cut. place is that of its first output in the flight's.
func (s *splitter) add(q batch.Sequence, many bool, place int) {
	for at := 0; at < q.Rows; {
		n := q.Rows - at
		space := s.space()
		if many {
			n = min(n, ceilDiv(space, s.tile)*s.tile)
		}
		s.piece(q, at, n, many, place)
		at += n
	}
}

// space is how many rows the latest micro-batch has room for, which is begun if the one before is full.
func (s *splitter) space() int {
	if n := len(s.micros); n > 0 {
		if free := s.size - len(s.micros[n-1].batch.Tokens); free > 0 {
			return free
		}
	}
	s.micros = append(s.micros, &micro{flight: s.flight, batch: &batch.Batch{TopK: s.flight.batch.TopK}})
	return s.size
}

// piece appends n rows of a sequence from its row at on.
func (s *splitter) piece(q batch.Sequence, at, n int, many bool, place int) {
	c, whole := s.micros[len(s.micros)-1], s.flight.batch
	p := q
	p.Start, p.Rows = len(c.batch.Tokens), n
	silent := q.Rows - q.Outputs // rows before those that want output
	from, to := max(at, silent)-silent, max(at+n, silent)-silent
	p.Outputs = to - from
	if q.Want == batch.WantScore {
		p.Targets = q.Targets[from:to]
	}
	for i := from; i < to; i++ {
		c.places = append(c.places, place+i)
	}
	first, end := q.Start+at, q.Start+at+n
	c.batch.Tokens = append(c.batch.Tokens, whole.Tokens[first:end]...)
	c.batch.Positions = append(c.batch.Positions, whole.Positions[first:end]...)
	c.batch.Slots = append(c.batch.Slots, whole.Slots[first:end]...)
	c.batch.Sequences = append(c.batch.Sequences, p)
	c.many = append(c.many, many)
	c.fed = c.fed || waits(whole.Tokens[first:end])
}
