package shaders

import (
	"fmt"

	"umbra/gpu"
)

// ExpertScore is what makes weights of the logits of a router.
type ExpertScore int

const (
	Softmax       ExpertScore = iota // over all experts
	SoftmaxChosen                    // over the chosen ones
	Sigmoid                          // of each
)

// Routing is how token rows choose experts: the Used of Experts with the largest logits.
type Routing struct {
	Experts, Used int
	Score         ExpertScore
	Normalise     bool    // weights of a row add up to 1, before Scale
	Scale         float32 // of all weights
}

// maxExperts is what two words of workgroup memory for each expert leave room for.
const maxExperts = 1024

// Check refuses what the kernels cannot do.
func (r Routing) Check() error {
	if r.Experts < 1 || r.Experts > maxExperts || r.Used < 1 || r.Used > r.Experts {
		return fmt.Errorf("shaders: %d of %d experts are not supported, only 1 and more of at most %d", r.Used, r.Experts, maxExperts)
	}
	return nil
}

// OfChosen and OfAll say what weights are divided by, if by anything.
func (r Routing) OfChosen() bool { return r.Normalise || r.Score == SoftmaxChosen }
func (r Routing) OfAll() bool    { return r.Score == Softmax && !r.Normalise }
func (r Routing) Sigmoid() bool  { return r.Score == Sigmoid }

// RoutesBytes is the size of a buffer for the routes of up to rows token rows: lib/expert.wgsl has its sections.
func (r Routing) RoutesBytes(rows int) int { return 4 * (6*rows*r.Used + 1) }

// tile is how many pairs of a token row and one of its experts share a tile at most; 0 where pairs are too few to be put in order,
// and go one by one. Wide tiles are for weights read once and multiplied by 8, 16 or 32 rows; how many an expert has on average decides.
func (r Routing) tile(tuning Tuning, rows int) int {
	pairs := rows * r.Used
	switch {
	case pairs <= r.Experts:
		return 0
	case tuning.Narrow && pairs < 6*r.Experts:
		return 4
	case tuning.Narrow || pairs < 6*r.Experts:
		return 8
	case pairs < 48*r.Experts:
		return 16
	}
	return 32
}

// tiles is the most tiles that pairs can make.
func (r Routing) tiles(rows, tile int) int {
	pairs := rows * r.Used
	return min(pairs, (pairs+min(pairs, r.Experts)*(tile-1))/tile)
}

type routeSpec struct {
	*bindings
	Routing
	Lanes    int     `wgsl:"LANES"`
	Stride   int     `wgsl:"STRIDE"`
	Scaling  float32 `wgsl:"SCALE"`
	Smallest float32 `wgsl:"SMALLEST"`
}

// smallestSum is what sums of sigmoids are raised to before anything is divided by them: the smallest normal half, as in llama.cpp.
const smallestSum = 1.0 / (1 << 14)

type groupSpec struct {
	*bindings
	Routing
	Lanes int `wgsl:"LANES"`
	Tile  int `wgsl:"TILE"`
}

// Route picks the experts of token rows.
type Route struct {
	device *gpu.Device
	tuning Tuning
	shape  Routing
	route  *gpu.Kernel
	groups map[int]*gpu.Kernel // by tile
}

// NewRoute compiles the kernel for rows of logits that are stride long.
func NewRoute(d *gpu.Device, tuning Tuning, r Routing, stride int) (*Route, error) {
	if err := r.Check(); err != nil {
		return nil, err
	}
	s := &routeSpec{&bindings{}, r, lanesFor(tuning, r.Experts, 128), stride, r.Scale, smallestSum}
	k, err := compile(d, "expert_route.wgsl", fmt.Sprintf("expert_route_%dof%d", r.Used, r.Experts), s)
	return &Route{d, tuning, r, k, map[int]*gpu.Kernel{}}, err
}

// lanesFor is how many lanes take n things: on a GPU whole groups of 32.
func lanesFor(tuning Tuning, n, most int) int {
	if tuning.Narrow {
		return 8
	}
	return min(most, ceilDiv(n, 32)*32)
}

// group returns the kernel that makes tiles, nil where there are none.
func (r *Route) group(rows int) (*gpu.Kernel, error) {
	tile := r.shape.tile(r.tuning, rows)
	if tile == 0 {
		return nil, nil
	}
	if r.groups[tile] == nil {
		s := &groupSpec{&bindings{}, r.shape, lanesFor(r.tuning, r.shape.Experts, 256), tile}
		k, err := compile(r.device, "expert_group.wgsl", fmt.Sprintf("expert_group%d_%dof%d", tile, r.shape.Used, r.shape.Experts), s)
		if err != nil {
			return nil, err
		}
		r.groups[tile] = k
	}
	return r.groups[tile], nil
}

// Warm compiles what a number of rows needs.
func (r *Route) Warm(rows int) error {
	_, err := r.group(rows)
	return err
}

// Run records the choice for rows token rows.
func (r *Route) Run(p *gpu.Pass, rows int, step, logits, routes *gpu.Buffer) {
	p.Dispatch(r.route, r.device.Grid1(rows), step.Slice(0, StepBytes), logits.Whole(), routes.Whole())
	g, err := r.group(rows)
	if err != nil {
		p.Fail(err)
	} else if g != nil {
		p.Dispatch(g, [3]uint32{1, 1, 1}, step.Slice(0, StepBytes), routes.Whole())
	}
}
