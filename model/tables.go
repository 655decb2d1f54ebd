package model

import (
	"fmt"

	"umbra/scheduler/batch"
)

// A batch names block tables in one of two ways. The scheduler gives a table for each lane of the pool's blocks. Who lays batches out by hand gives
// one table only, Sequence.Blocks without Lanes: with n lanes, block b then stands for blocks b*n to b*n+n-1, one for each.

// whole reports whether a sequence has one table for all lanes.
func (p Plan) whole(q batch.Sequence) bool { return len(q.Lanes) == 0 && p.Lanes() > 1 }

// pool is how many blocks a step may name in the first lane's tables.
func (p Plan) pool(b *batch.Batch) int {
	for _, q := range b.Sequences {
		if p.whole(q) {
			return p.Whole()
		}
	}
	return p.Blocks
}

// checkTables refuses block tables that lack what a sequence's rows see, or name blocks that the pool has not.
func (p Plan) checkTables(i int, q batch.Sequence, first, last int) error {
	lanes := append([]batch.Table{{Past: q.Past, Blocks: q.Blocks}}, q.Lanes...)
	if n := p.Lanes(); len(lanes) != n && !p.whole(q) {
		return fmt.Errorf("model: sequence %d: block tables for %d lanes, not the %d of the model", i, len(lanes), n)
	}
	for lane, t := range lanes {
		end := t.Past + len(t.Blocks)
		if end < last/BlockSize+1 || end > ceilDiv(p.Context, BlockSize) {
			return fmt.Errorf("model: sequence %d: %d blocks for positions up to %d", i, end, last)
		}
		seen := 0
		if !p.whole(q) {
			seen = p.groupOf(lane).hidden(first)
		}
		if t.Past < 0 || t.Past > seen {
			return fmt.Errorf("model: sequence %d: a table in lane %d begins with block %d, and position %d sees block %d", i, lane, t.Past, first, seen)
		}
		pool := p.Blocks
		if p.whole(q) {
			pool = p.Whole()
		}
		for _, block := range t.Blocks {
			if block < 0 || int(block) >= pool {
				return fmt.Errorf("model: sequence %d: block %d is outside the pool of %d", i, block, pool)
			}
		}
	}
	return nil
}

// block is the i-th block of a sequence in a lane.
func (p Plan) block(q batch.Sequence, lane, i int) int32 {
	switch {
	case p.whole(q):
		return q.Blocks[i-q.Past]*int32(p.Lanes()) + int32(lane)
	case lane == 0:
		return q.Blocks[i-q.Past]
	}
	t := q.Lanes[lane-1]
	return t.Blocks[i-t.Past]
}

// lane appends a lane's block tables by section, from the first block on that a sequence's rows see, and returns where each sequence's would begin
// with its first block, and the slots of all rows.
func (s *step) lane(lane int, section func([]int32) uint32) (tables, slots []int32) {
	p := s.stage.plan
	g := p.groupOf(lane)
	var blocks []int32
	for _, q := range s.batch.Sequences {
		positions := s.batch.Positions[q.Start:][:q.Rows]
		first, end := g.hidden(int(positions[0])), int(positions[q.Rows-1])/BlockSize+1
		blocks = blocks[:0]
		for i := first; i < end; i++ {
			blocks = append(blocks, p.block(q, lane, i))
		}
		tables = append(tables, int32(section(blocks))-int32(first)) // may be below 0: it is added to in u32
		for _, pos := range positions {
			slots = append(slots, blocks[int(pos)/BlockSize-first]*BlockSize+pos%BlockSize)
		}
	}
	return tables, slots
}

// tiles are attention's: a word for the first row, rows, number of the sequence and first position of each.
type tiles []int32

// with has the sequences' block tables in the place of their numbers.
func (t tiles) with(tables []int32) []int32 {
	all := append([]int32(nil), t...)
	for i := 2; i < len(all); i += 4 {
		all[i] = tables[all[i]]
	}
	return all
}

// tiles lays the step's rows out as tiles of few rows and of many, and counts them and the parts of contexts.
func (s *step) tiles() (few, many tiles) {
	b, m := s.batch, s.stage
	s.splits = 1
	for n, q := range b.Sequences {
		size, list := 1, &few
		if s.micro.many[n] {
			size, list = m.attentions[0].ManyTile(), &many
		} else {
			for _, pos := range b.Positions[q.Start:][:q.Rows] { // a longer context may be in fewer, longer parts
				for _, a := range m.attentions {
					s.splits = max(s.splits, a.SplitCount(int(pos)+1))
				}
			}
		}
		for i := 0; i < q.Rows; i += size {
			*list = append(*list, int32(q.Start+i), int32(min(size, q.Rows-i)), int32(n), b.Positions[q.Start+i])
		}
	}
	s.few, s.many = len(few)/4, len(many)/4
	return few, many
}
