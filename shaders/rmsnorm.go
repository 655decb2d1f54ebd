package shaders

import (
	"math"

	"umbra/gpu"
)

type rmsNormSpec struct {
	*bindings
	XVecs    int     `wgsl:"X_VECS"`
	NormCols float32 `wgsl:"NORM_COLS"`
	Eps      float32 `wgsl:"EPS"`
}

// RMSNorm normalises the rows that want output into consecutive rows.
type RMSNorm struct {
	device *gpu.Device
	kernel *gpu.Kernel
}

// NewRMSNorm compiles the kernel for rows of cols columns.
func NewRMSNorm(d *gpu.Device, cols int, eps float32) (*RMSNorm, error) {
	k, err := compile(d, "rmsnorm.wgsl", "rmsnorm", &rmsNormSpec{&bindings{}, pad(cols) / 4, float32(cols), eps})
	return &RMSNorm{d, k}, err
}

// Run records it for outputs rows: x (rows × padded cols) to y (outputs × padded cols).
func (n *RMSNorm) Run(p *gpu.Pass, outputs int, step, input, x, gain, y *gpu.Buffer) {
	p.Dispatch(n.kernel, n.device.Grid1(outputs), step.Slice(0, StepBytes), input.Whole(), x.Whole(), gain.Whole(), y.Whole())
}

// RMSNormRef is the reference of RMSNorm for one row.
func RMSNormRef(x, gain []float32, eps float32) []float32 {
	sum := 0.0
	for _, v := range x {
		sum += float64(v) * float64(v)
	}
	rms := 1 / math.Sqrt(sum/float64(len(x))+float64(eps))
	y := make([]float32, len(x))
	for i, v := range x {
		y[i] = float32(float64(v) * rms * float64(gain[i]))
	}
	return y
}
