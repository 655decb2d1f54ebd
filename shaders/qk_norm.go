package shaders

import (
	"fmt"

	"umbra/gpu"
)

// QKNormShape describes RMSNorm of all of q, and of all of k, where they lie end to end at the beginning of rows of Stride columns. Single heads
// are normalised by Rope (RopeShape.Norm).
type QKNormShape struct {
	Q, K   int // columns, multiples of 4
	Stride int
	Eps    float32
}

type qkNormSpec struct {
	*bindings
	QVecs   int     `wgsl:"Q_VECS"`
	KVecs   int     `wgsl:"K_VECS"`
	Stride  int     `wgsl:"STRIDE"`
	Epsilon float32 `wgsl:"EPS"`
}

// QKNorm normalises q and k in place.
type QKNorm struct {
	device *gpu.Device
	kernel *gpu.Kernel
}

// NewQKNorm compiles the kernel.
func NewQKNorm(d *gpu.Device, s QKNormShape) (*QKNorm, error) {
	if s.Q < 4 || s.K < 4 || s.Q%4 != 0 || s.K%4 != 0 || s.Stride%4 != 0 || s.Q+s.K > s.Stride {
		return nil, fmt.Errorf("shaders: qk norm: %d and %d columns of %d: multiples of 4 are supported", s.Q, s.K, s.Stride)
	}
	k, err := compile(d, "qk_norm.wgsl", "qk_norm", &qkNormSpec{&bindings{}, s.Q / 4, s.K / 4, s.Stride / 4, s.Eps})
	return &QKNorm{d, k}, err
}

// Run records it for rows rows of qkv; gain has Q + K elements.
func (n *QKNorm) Run(p *gpu.Pass, rows int, step, gain, qkv *gpu.Buffer) {
	p.Dispatch(n.kernel, n.device.Grid1(2*rows), step.Slice(0, StepBytes), gain.Whole(), qkv.Whole())
}
