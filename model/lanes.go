package model

import (
	"maps"
	"slices"

	"umbra/internal/window"
)

// A KV block holds 16 tokens of as many layers as Plan.Depth says. Layers that see the same tokens, a group, are in lanes of so many, each with
// a block table of its own, so that blocks of all groups are equal and come from one pool: as the groups of vLLM's hybrid cache do
// (2025). A model without windows is one group with one lane. On several devices each has its part of every block.

// KVGroup is layers whose rows see the same tokens.
type KVGroup struct {
	Window int // how many, the row's own the last of them; 0: all
	Layers int
	Lanes  int // block tables
}

// maxLanes is how many lanes a model is laid out in at most, unless more groups need more: each has tables and tiles in every step.
const maxLanes = 8

// place is where a layer's KV is.
type place struct{ lane, column int }

// kvGroups finds the groups of layers, those that see all first, and how many layers of each span, that is of each device, a block has: in the
// way that has a sequence as long as the model was trained for in the fewest bytes. Where a span's layers of a group do not fill its lanes there is padding.
func (c Config) kvGroups(spans []span) (groups []KVGroup, depths []int) {
	count := map[int]int{}
	for i := range c.Layers {
		count[c.Window(i)]++
	}
	for _, w := range slices.Sorted(maps.Keys(count)) {
		groups = append(groups, KVGroup{Window: w, Layers: count[w]})
	}
	least := 0
	for d := 1; d <= c.Layers; d++ {
		lanes, blocks := make([]KVGroup, len(groups)), 0
		all := 0
		for i, g := range groups {
			g.Lanes = ceilDiv(g.Layers, d)
			lanes[i] = g
			all += g.Lanes
			blocks += g.Lanes * g.blocks(c.Context, 1)
		}
		var each []int
		depth := 0
		for _, s := range spans {
			own := c.depth(lanes, s)
			each = append(each, own)
			depth += own
		}
		if (all <= maxLanes || all == len(groups)) && (depths == nil || depth*blocks <= least) {
			least, depths = depth*blocks, each
			copy(groups, lanes)
		}
	}
	return groups, depths
}

// depth is how many layers of a span blocks must have for all to find a place in their groups' lanes.
func (c Config) depth(groups []KVGroup, s span) (depth int) {
	count := map[int]int{}
	for i := s.first; i < s.end; i++ {
		count[c.Window(i)]++
	}
	for _, g := range groups {
		depth = max(depth, ceilDiv(count[g.Window], g.Lanes))
	}
	return depth
}

// blocks is how many blocks of a lane a sequence of so many tokens takes at most, where so many rows are computed at a time.
func (g KVGroup) blocks(tokens, rows int) int {
	return window.Seen(g.Window, ceilDiv(tokens, BlockSize), rows, BlockSize)
}

// hidden is how many blocks hold nothing that a row of a position sees.
func (g KVGroup) hidden(position int) int { return window.Hidden(g.Window, position, BlockSize) }

// places gives each layer of a span its place: those of a group fill one lane after the other.
func (c Config) places(groups []KVGroup, depth int, s span) []place {
	first, next := map[int]int{}, map[int]int{} // by window
	lanes := 0
	for _, g := range groups {
		first[g.Window] = lanes
		lanes += g.Lanes
	}
	all := make([]place, c.Layers)
	for i := s.first; i < s.end; i++ {
		w := c.Window(i)
		all[i] = place{first[w] + next[w]/depth, next[w] % depth}
		next[w]++
	}
	return all
}

// Windowed reports whether some layers have a window.
func (p Plan) Windowed() bool { return len(p.Groups) > 1 || p.Groups[0].Window > 0 }

// Lanes is how many block tables a sequence has.
func (p Plan) Lanes() (n int) {
	for _, g := range p.Groups {
		n += g.Lanes
	}
	return n
}

// groupOf is the group of a lane.
func (p Plan) groupOf(lane int) KVGroup {
	for _, g := range p.Groups {
		if lane < g.Lanes {
			return g
		}
		lane -= g.Lanes
	}
	panic("model: no such lane")
}

// Need is how many blocks of the pool a sequence of so many tokens takes at most, where so many rows of it are computed at a time: one of a group with a
// window gives back what the window has passed.
func (p Plan) Need(tokens, rows int) (blocks int) {
	for _, g := range p.Groups {
		blocks += g.Lanes * g.blocks(tokens, rows)
	}
	return blocks
}

// contexts is how many blocks so many sequences as long as Context take, of which one computes the rows of a whole step at a time.
func (p Plan) contexts(n int) int {
	return n*p.Need(p.Context, 1) + p.Need(p.Context, p.BatchTokens) - p.Need(p.Context, 1)
}

// Tokens is how many tokens the pool holds: where there are windows, those of sequences as long as Context.
func (p Plan) Tokens() int {
	if !p.Windowed() {
		return p.Blocks / p.Lanes() * BlockSize
	}
	return int(uint64(p.Blocks) * uint64(p.Context) / uint64(p.Need(p.Context, 1)))
}

// Whole is how many blocks the pool has for who gives out the same one for all lanes, see Run.
func (p Plan) Whole() int { return p.Blocks / p.Lanes() }
