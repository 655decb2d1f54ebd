package shaders

import (
	"fmt"

	"umbra/gpu"
)

// ExpertShape describes products of token rows with the matrices of the experts that they chose: matrices of N rows by K columns, one after
// the other in one of many rows.
type ExpertShape struct {
	Routing     Routing
	Format      Format
	N, K        int // of one expert
	First, Held int // experts whose matrices these are; others' pairs are passed over
	// Norm and Gate are as LinearShape's.
	Norm bool
	Eps  float32
	Gate bool
	// Paired says that x has a row for each pair of a token row and a turn (row × Used + turn), as y has, not one for each token row.
	Paired bool
	// Stride is y's row length.
	Stride int
}

// expertRows are the rows of a LinearShape that go to experts.
type expertRows struct {
	Routing     Routing
	First, Held int
	Paired      bool
	Grouped     bool // by expert, in tiles
}

// linear is the shape of one expert's product.
func (s ExpertShape) linear(grouped bool) LinearShape {
	return LinearShape{Format: s.Format, N: s.N, K: s.K, Norm: s.Norm, Eps: s.Eps, Gate: s.Gate, Stride: s.Stride,
		Experts: expertRows{s.Routing, s.First, s.Held, s.Paired, grouped}}
}

// Outs is the number of output columns.
func (s ExpertShape) Outs() int { return s.linear(false).Outs() }

// Experts multiplies pairs of token rows and experts by the experts' matrices, whose bytes are read where they were chosen only: pair by
// pair where there are few, else in tiles of pairs of one expert. The kernels are those of Linear, told where to find rows.
type Experts struct {
	device  *gpu.Device
	tuning  Tuning
	Shape   ExpertShape
	kernels map[linearVariant]linearKernel
}

// NewExperts checks the shape. Kernels are compiled when first needed.
func NewExperts(d *gpu.Device, tuning Tuning, s ExpertShape) (*Experts, error) {
	if err := s.Routing.Check(); err != nil {
		return nil, err
	}
	switch {
	case s.N < 1 || s.K < 1 || s.Gate && s.N%2 != 0:
		return nil, fmt.Errorf("shaders: experts: %d x %d weights", s.N, s.K)
	case s.First < 0 || s.Held < 1 || s.First+s.Held > s.Routing.Experts:
		return nil, fmt.Errorf("shaders: experts: %d from %d on of %d", s.Held, s.First, s.Routing.Experts)
	case s.Stride < s.Outs():
		return nil, fmt.Errorf("shaders: experts: rows of %d do not hold %d columns", s.Stride, s.Outs())
	}
	var err error
	if s.Format, err = s.Format.on(d); err != nil {
		return nil, err
	}
	return &Experts{d, tuning, s, map[linearVariant]linearKernel{}}, nil
}

// ExpertArgs are the buffers of a Run: X (token rows, or pairs if Paired, × padded K), Y (pairs × Stride), Gain (padded K) if Norm, and what
// Route left.
type ExpertArgs struct {
	Step    *gpu.Buffer
	Routes  *gpu.Buffer
	X, Y    *gpu.Buffer
	Weights Weights
	Gain    *gpu.Buffer
}

// Run records the products of rows token rows.
func (e *Experts) Run(p *gpu.Pass, rows int, a ExpertArgs) {
	v, tiles := e.variant(rows)
	k, err := e.kernel(v)
	if err != nil {
		p.Fail(err)
		return
	}
	p.Dispatch(k.kernel, k.grid(v, tiles), bound([]gpu.Binding{a.Step.Slice(0, StepBytes), a.X.Whole(), a.Weights.Quants.Whole()}, a.Weights.Scales, a.Y, a.Gain, a.Routes)...)
}

// Warm compiles the kernel a number of rows needs.
func (e *Experts) Warm(rows int) error {
	v, _ := e.variant(rows)
	_, err := e.kernel(v)
	return err
}

// expertTiles are the shapes of GemmDirect by pairs of a tile.
var expertTiles = map[int]directTile{8: {4, 8, 4, 4, 1, true, true}, 16: {4, 16, 4, 4, 1, true, true}, 32: {4, 32, 8, 4, 1, true, true}}

// variant picks the kernel for a number of token rows, and how many tiles it may have to take.
func (e *Experts) variant(rows int) (v linearVariant, tiles int) {
	tile := e.Shape.Routing.tile(e.tuning, rows)
	pairs := rows * e.Shape.Routing.Used
	switch {
	case tile > 0 && e.tuning.Narrow:
		v = linearVariant{file: "gemm_narrow", tokens: tile}
	case tile > 0:
		v = directVariant(expertTiles[tile])
	case e.tuning.Narrow:
		v = linearVariant{file: "matvec_narrow", tokens: 1}
	default:
		s := e.Shape.linear(false)
		s.N *= e.Shape.Routing.Used // weight rows that are in flight together
		t, _ := s.streamFor(1)
		v = streamVariant(t, 1)
	}
	if tile == 0 {
		return v, pairs
	}
	return v, e.Shape.Routing.tiles(rows, tile)
}

func (e *Experts) kernel(v linearVariant) (linearKernel, error) {
	k, ok := e.kernels[v]
	if ok {
		return k, nil
	}
	l := &Linear{device: e.device, tuning: e.tuning, Shape: e.Shape.linear(v.tokens > 1)}
	k, err := l.compile(v)
	if err == nil {
		e.kernels[v] = k
	}
	return k, err
}
