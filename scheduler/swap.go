package scheduler

import (
	"fmt"

	"umbra/cache"
	"umbra/scheduler/batch"
)

// Preemption says what becomes of the keys and values of a request that loses its blocks.
type Preemption uint8

const (
	// Recompute forgets them: what the request knew is computed again.
	Recompute Preemption = iota
	// Swap keeps them in Config.Store; where that has no room, Recompute.
	Swap
	// Auto is the cheaper of both by the costs known; where they are equal, Recompute.
	Auto
)

var preemptions = [...]string{"recompute", "swap", "auto"}

// String returns the name that ParsePreemption takes.
func (p Preemption) String() string {
	if int(p) < len(preemptions) {
		return preemptions[p]
	}
	return fmt.Sprintf("preemption %d", uint8(p))
}

// ParsePreemption is what undoes String; "" is Recompute.
func ParsePreemption(name string) (Preemption, error) {
	if name == "" {
		return Recompute, nil
	}
	for p, n := range preemptions {
		if n == name {
			return Preemption(p), nil
		}
	}
	return 0, fmt.Errorf("scheduler: preemption %q is unknown, want recompute, swap or auto", name)
}

// Store keeps contents of blocks off the device, one set a request. It is bounded. The scheduler makes room and
// decides; who drives it moves the contents, as batch.Batch.Saves and Loads say.
type Store interface {
	// Reserve makes room for a request's blocks, or reports that there is none.
	Reserve(id uint64, blocks int) bool
	// Fetch makes sure that a request's contents can be loaded now. An error means that they are lost.
	Fetch(id uint64) error
	// Drop forgets a request's contents.
	Drop(id uint64)
}

// Costs are what it takes, in one unit of time, to compute a token row, and to move a block off the device or back.
type Costs struct{ Row, Block float64 }

// SetCosts has Auto compare these from now on.
func (s *Scheduler) SetCosts(c Costs) { s.config.Costs = c }

// parked is where a waiting group stood when its blocks were saved.
type parked struct {
	layout   cache.Layout // of members
	computed []int        // of members: the tokens saved
}

// park saves what a running group's blocks hold, where Config.Preemption has it so and there is room, and reports
// whether it has. The blocks are still the group's.
func (s *Scheduler) park(g *group) bool {
	if s.config.Preemption == Recompute {
		return false
	}
	var tables []*cache.Table
	var computed []int
	rows := min(g.members[0].prompt, g.members[0].computed) // to compute again
	for _, q := range g.members {
		tables, computed = append(tables, q.table), append(computed, q.computed)
		rows += max(0, q.computed-q.prompt)
	}
	blocks, layout := cache.Pack(tables, computed)
	c := s.config.Costs
	if len(blocks) == 0 || s.config.Preemption == Auto && 2*float64(len(blocks))*c.Block >= float64(rows)*c.Row {
		return false
	}
	if !s.config.Store.Reserve(g.id, len(blocks)) {
		return false
	}
	g.parked = &parked{layout, computed}
	s.saves = append(s.saves, batch.Swap{ID: g.id, Blocks: blocks})
	s.counted.Swaps++
	s.counted.BlocksSaved += len(blocks)
	return true
}

// unpark gives a waiting group its blocks back, those that the cache still remembers without loading them. It reports
// false, changing nothing, if too few blocks are free beyond spare of them, or if the contents are lost; then the group
// is not parked any more.
func (s *Scheduler) unpark(g *group, spare int) bool {
	first, w := g.members[0], g.parked
	spare += g.blocksApart(s.blocks)
	found := w.layout.Before(s.match(first, w.computed[0]+1), s.blocks.Size(), s.blocks.Groups())
	if s.blocks.Free() < s.unpacked(g)-found+spare {
		first.table.Release()
		return false
	}
	if err := s.config.Store.Fetch(g.id); err != nil {
		first.table.Release()
		s.forget(g)
		s.counted.Losses++
		return false
	}
	var tables []*cache.Table
	for _, q := range g.members {
		tables = append(tables, q.table)
	}
	blocks, ok := cache.Unpack(tables, w.layout)
	for i, q := range g.members {
		q.computed = w.computed[i]
		ok = ok && q.table.Reserve(q.target(), s.reach(q, 1))
	}
	if !ok {
		panic(fmt.Sprintf("scheduler: request %d does not fit in the cache", g.id))
	}
	g.parked = nil
	s.loads = append(s.loads, batch.Swap{ID: g.id, First: found, Blocks: blocks})
	s.counted.BlocksLoaded += len(blocks)
	return true
}

// unpacked returns how many blocks a parked group takes with room for all it knows. A last, partial block that members
// share is copied for all but one.
func (s *Scheduler) unpacked(g *group) int {
	w := g.parked
	n := s.blocks.Packed(w.layout)
	partial := map[int32]bool{}
	for i, q := range g.members {
		n += s.blocks.Short(w.layout[i], q.target())
		if w.computed[i]%s.config.BlockSize == 0 || q.target() == w.computed[i] {
			continue
		}
		own := w.layout[i].Blocks[0]
		last := own[len(own)-1]
		if partial[last] {
			n += s.blocks.Lanes()
		}
		partial[last] = true
	}
	return n
}

// forget gives up what the store has of a waiting group, which then computes again.
func (s *Scheduler) forget(g *group) {
	if g.parked == nil {
		return
	}
	g.parked = nil
	s.config.Store.Drop(g.id)
	g.apart = len(g.members) == 1
}
