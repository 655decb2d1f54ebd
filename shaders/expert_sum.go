package shaders

import (
	"fmt"

	"umbra/gpu"
)

type expertSumSpec struct {
	*bindings
	Routing
	Shared bool
	XVecs  int `wgsl:"X_VECS"`
	Stride int `wgsl:"STRIDE"`
}

// ExpertSum adds up what experts gave.
type ExpertSum struct {
	device *gpu.Device
	kernel *gpu.Kernel
	vecs   int
}

// NewExpertSum compiles the kernel for rows of cols columns. With shared it takes what a shared expert gave, too, times the sigmoid of the
// logit that follows those of the router in rows of stride.
func NewExpertSum(d *gpu.Device, r Routing, cols int, shared bool, stride int) (*ExpertSum, error) {
	if err := r.Check(); err != nil {
		return nil, err
	}
	vecs := pad(cols) / 4
	k, err := compile(d, "expert_sum.wgsl", fmt.Sprintf("expert_sum_%dof%d", r.Used, r.Experts), &expertSumSpec{&bindings{}, r, shared, vecs, stride})
	return &ExpertSum{d, k, vecs}, err
}

// ExpertSumArgs are the buffers of a Run: Y (pairs × padded columns), X (rows × padded columns), which is added to; Shared, as X, and
// Logits if there is a shared expert.
type ExpertSumArgs struct {
	Step, Routes, Y, X, Shared, Logits *gpu.Buffer
}

// Run records the sums of rows token rows.
func (s *ExpertSum) Run(p *gpu.Pass, rows int, a ExpertSumArgs) {
	p.Dispatch(s.kernel, s.device.Grid1(ceilDiv(rows*s.vecs, 64)), bound([]gpu.Binding{a.Step.Slice(0, StepBytes)}, a.Routes, a.Y, a.X, a.Shared, a.Logits)...)
}
