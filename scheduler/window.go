package scheduler

import (
	"umbra/cache"
	"umbra/scheduler/batch"
)

// reach returns how far groups with a window are to be reserved for so many rows more of a sequence: no further, as by then the window
// will have passed what is reserved now.
func (s *Scheduler) reach(q *sequence, rows int) int {
	if !s.blocks.Windowed() {
		return q.target()
	}
	return min(q.target(), q.computed+q.rows-q.proposed+rows)
}

// within reserves so many rows of a sequence where there are windows, of which there is room for one already, and returns for how many there is
// room.
func (s *Scheduler) within(q *sequence, rows int) int {
	if !s.blocks.Windowed() || rows <= 0 {
		return rows
	}
	at := q.computed + q.rows
	return min(rows, q.table.Extend(at+rows)-at)
}

// owed returns how many blocks a sequence is still to get for its windows: other blocks it has for all it knows.
func (s *Scheduler) owed(q *sequence) int {
	if !s.blocks.Windowed() || q.follows() || q.ended {
		return 0
	}
	return q.table.Short(q.target())
}

// ahead returns how many blocks the widest of some sequences takes for the rows of a step, beyond those for one row.
func (s *Scheduler) ahead(sequences []*sequence) (blocks int) {
	if !s.blocks.Windowed() {
		return 0
	}
	for _, q := range sequences {
		if n := q.target(); !q.follows() && !q.ended {
			blocks = max(blocks, s.blocks.NeedAhead(n, s.config.MaxBatchTokens)-s.blocks.Need(n))
		}
	}
	return blocks
}

// Tables gives a sequence of a step what its table in the cache holds for so many positions, in all lanes. Those of lanes beyond the first are
// appended to room, which is returned.
func Tables(room []batch.Table, to *batch.Sequence, t *cache.Table, positions int) []batch.Table {
	to.Past, to.Blocks = t.Lane(0, positions)
	if t.Lanes() == 1 {
		return room
	}
	first := len(room)
	for lane := 1; lane < t.Lanes(); lane++ {
		past, blocks := t.Lane(lane, positions)
		room = append(room, batch.Table{Past: past, Blocks: blocks})
	}
	to.Lanes = room[first:len(room):len(room)]
	return room
}
