package shaders

import (
	"fmt"
	"math"

	"umbra/gpu"
)

// NormShape describes the normalising of rows of Cols columns: RMSNorm (Zhang & Sennrich 2019), or with Mean LayerNorm (Ba et al. 2016),
// whose mean is taken off first.
type NormShape struct {
	Cols int
	Eps  float32
	Mean bool
	Bias bool // is added after the gain
	// Outputs takes the rows that want output, into consecutive ones.
	Outputs bool
	// Residual adds the result, times Scale, to what y holds. A Scale of 0 is 1.
	Residual bool
	Scale    float32
}

type normSpec struct {
	*bindings
	NormShape
	RowCount string

	XVecs    int     `wgsl:"X_VECS"`
	Count    int     `wgsl:"COLS"`
	NormCols float32 `wgsl:"NORM_COLS"`
	Epsilon  float32 `wgsl:"EPS"`
	Factor   float32 `wgsl:"FACTOR"`
	Lanes    int     `wgsl:"LANES"`
	Roots    int     `wgsl:"ROOTS"` // lanes that add the others' sums up
}

// Norm normalises rows.
type Norm struct {
	device *gpu.Device
	Shape  NormShape
	kernel *gpu.Kernel
}

// wideNorm is the number of columns from which a row gets 256 lanes on GPUs, instead of 64.
const wideNorm = 1024

// NewNorm compiles the kernel.
func NewNorm(d *gpu.Device, tuning Tuning, s NormShape) (*Norm, error) {
	if s.Cols < 1 || s.Scale < 0 || s.Scale != 0 && !s.Residual {
		return nil, fmt.Errorf("shaders: norm: %+v", s)
	}
	spec := normSpec{bindings: &bindings{}, NormShape: s, RowCount: "step.rows", XVecs: pad(s.Cols) / 4, Count: s.Cols, NormCols: float32(s.Cols),
		Epsilon: s.Eps, Factor: s.Scale, Lanes: 64, Roots: 8}
	if s.Outputs {
		spec.RowCount = "step.outputs"
	}
	if s.Cols >= wideNorm && !tuning.Narrow {
		spec.Lanes, spec.Roots = 256, 16
	}
	name := "rms_norm"
	if s.Mean {
		name = "layer_norm"
	}
	if s.Residual {
		name += "_residual"
	}
	k, err := compile(d, "norm.wgsl", name, &spec)
	return &Norm{d, s, k}, err
}

// NormArgs are the buffers of a Run, rows with padded columns: X and Y, which must differ, Gain and Bias; Input are the step's words, for Outputs.
type NormArgs struct {
	Step, Input      *gpu.Buffer
	X, Gain, Bias, Y *gpu.Buffer
}

// Run records it for rows rows.
func (n *Norm) Run(p *gpu.Pass, rows int, a NormArgs) {
	if !n.Shape.Outputs {
		a.Input = nil
	}
	p.Dispatch(n.kernel, n.device.Grid1(rows), bound([]gpu.Binding{a.Step.Slice(0, StepBytes)}, a.Input, a.X, a.Gain, a.Bias, a.Y)...)
}

// NormRef is the reference of Norm for one row, Residual apart. bias is nil without Bias.
func NormRef(s NormShape, x, gain, bias []float32) []float32 {
	mean, sum := 0.0, 0.0
	for _, v := range x {
		mean += float64(v)
	}
	mean /= float64(len(x))
	if !s.Mean {
		mean = 0
	}
	for _, v := range x {
		sum += (float64(v) - mean) * (float64(v) - mean)
	}
	by := 1 / math.Sqrt(sum/float64(len(x))+float64(s.Eps))
	y := make([]float32, len(x))
	for i, v := range x {
		f := (float64(v) - mean) * by * float64(gain[i])
		if bias != nil {
			f += float64(bias[i])
		}
		y[i] = float32(f)
	}
	return y
}
