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
}

// SquaresOf is the shape of a Linear's inputs.
func SquaresOf(s LinearShape) SquaresShape {
	return SquaresShape{Cols: s.K, Norm: s.Norm, Eps: s.Eps, Outputs: s.Outputs}
}

// Bytes is the size of the sums.
func (s SquaresShape) Bytes() int { return 4 * pad(s.Cols) }

type squaresSpec struct {
	*bindings
	Norm     bool
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
	spec := func() *squaresSpec {
		n := &squaresSpec{&bindings{}, s.Norm, "step.rows", pad(s.Cols) / 4, float32(s.Cols), s.Eps}
		if s.Outputs {
			n.RowCount = "step.outputs"
		}
		return n
	}
	k, err := compile(d, "squares.wgsl", "squares", spec())
	q := &Squares{device: d, shape: s, kernel: k}
	if err == nil && s.Norm {
		q.scale, err = compile(d, "row_scale.wgsl", "row_scale", spec())
	}
	return q, err
}

// Run adds rows rows of x (rows × padded columns) to sums, SquaresShape.Bytes long. With Norm, gain is padded too and scales has room for a
// float of each row; both are else nil.
func (q *Squares) Run(p *gpu.Pass, rows int, step, x, scales, gain *gpu.Buffer, sums gpu.Binding) {
	if rows == 0 {
		return
	}
	s := step.Slice(0, StepBytes)
	b := []gpu.Binding{s, x.Whole()}
	if q.shape.Norm {
		p.Dispatch(q.scale, q.device.Grid1(rows), s, x.Whole(), scales.Whole())
		b = append(b, scales.Whole(), gain.Whole())
	}
	p.Dispatch(q.kernel, q.device.Grid1(ceilDiv(pad(q.shape.Cols), squaresColumns)), append(b, sums)...)
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
