package shaders

import (
	"math"

	"umbra/gpu"
)

// SquaresShape describes the inputs of a matrix: rows of Cols columns, normalised first if Norm, with Eps as RMSNorm has it. Outputs
// makes the row count that of the step's outputs.
type SquaresShape struct {
	Cols    int
	Norm    bool
	Eps     float32
	Outputs bool
	// Routing, if it has experts, makes sums for each expert's matrix, over the rows that chose it; Paired is as ExpertShape's.
	Routing Routing
	Paired  bool
}

// SquaresOf is the shape of a Linear's inputs.
func SquaresOf(s LinearShape) SquaresShape {
	return SquaresShape{Cols: s.K, Norm: s.Norm, Eps: s.Eps, Outputs: s.Outputs}
}

// SquaresOfExperts is the shape of Experts' inputs.
func SquaresOfExperts(s ExpertShape) SquaresShape {
	return SquaresShape{Cols: s.K, Norm: s.Norm, Eps: s.Eps, Routing: s.Routing, Paired: s.Paired}
}

// Routed reports whether there are sums for each of many experts.
func (s SquaresShape) Routed() bool { return s.Routing.Experts > 0 }

// Stride is from one expert's sums to the next's, in floats: the columns, and the number of rows in them, padded.
func (s SquaresShape) Stride() int { return pad(s.Cols) + 4 }

// Bytes is the size of the sums: of padded columns, or of Stride for each expert.
func (s SquaresShape) Bytes() int {
	if s.Routed() {
		return 4 * s.Stride() * s.Routing.Experts
	}
	return 4 * pad(s.Cols)
}

type squaresSpec struct {
	*bindings
	SquaresShape
	RowCount string
	XVecs    int     `wgsl:"X_VECS"`
	NormCols float32 `wgsl:"NORM_COLS"`
	Epsilon  float32 `wgsl:"EPS"`
}

// squaresColumns is how many columns a workgroup of squares.wgsl takes.
const squaresColumns = 64

// Squares adds up squares of a matrix's inputs by column, over token rows.
type Squares struct {
	device        *gpu.Device
	shape         SquaresShape
	kernel, scale *gpu.Kernel // scale is nil without Norm
}

// NewSquares compiles the kernels.
func NewSquares(d *gpu.Device, s SquaresShape) (*Squares, error) {
	if s.Routed() {
		if err := s.Routing.Check(); err != nil {
			return nil, err
		}
	}
	name := "squares"
	if s.Routed() {
		name = "squares_experts"
	}
	spec := func() *squaresSpec {
		n := &squaresSpec{&bindings{}, s, "step.rows", pad(s.Cols) / 4, float32(s.Cols), s.Eps}
		if s.Outputs {
			n.RowCount = "step.outputs"
		}
		return n
	}
	k, err := compile(d, "squares.wgsl", name, spec())
	q := &Squares{device: d, shape: s, kernel: k}
	if err == nil && s.Norm {
		q.scale, err = compile(d, "row_scale.wgsl", "row_scale", spec())
	}
	return q, err
}

// Run adds rows rows of x (rows × padded columns) to sums, SquaresShape.Bytes long. With Norm, gain is padded too and scales has room for a
// float of each row; both are else nil. routes are what Route left, nil without Routing.
func (q *Squares) Run(p *gpu.Pass, rows int, step, x, scales, gain, routes *gpu.Buffer, sums gpu.Binding) {
	if rows == 0 {
		return
	}
	s := step.Slice(0, StepBytes)
	b := []gpu.Binding{s, x.Whole()}
	if q.shape.Norm {
		p.Dispatch(q.scale, q.device.Grid1(rows), s, x.Whole(), scales.Whole())
		b = append(b, scales.Whole(), gain.Whole())
	}
	grid := q.device.Grid1(ceilDiv(pad(q.shape.Cols), squaresColumns))
	if q.shape.Routed() {
		b = append(b, routes.Whole())
		grid = [3]uint32{grid[0], uint32(q.shape.Routing.Experts), 1}
	}
	p.Dispatch(q.kernel, grid, append(b, sums)...)
}

// SquaresRef is the reference of Squares: what rows of x, end to end, add to each column. gain is nil without Norm.
func SquaresRef(x, gain []float32, cols int, eps float32) []float64 {
	sums := make([]float64, cols)
	for at := 0; at < len(x); at += cols {
		scale := 1.0
		if gain != nil {
			square := 0.0
			for _, v := range x[at : at+cols] {
				square += float64(v) * float64(v)
			}
			scale = 1 / math.Sqrt(square/float64(cols)+float64(eps))
		}
		for k, v := range x[at : at+cols] {
			n := float64(v) * scale
			if gain != nil {
				n *= float64(gain[k])
			}
			sums[k] += n * n
		}
	}
	return sums
}
