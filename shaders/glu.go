package shaders

import "umbra/gpu"

type gluSpec struct {
	*bindings
	Function string
	XVecs    int `wgsl:"X_VECS"`
}

// GLU gates one buffer by another, for gate and up weights that could not be laid together.
type GLU struct {
	device *gpu.Device
	kernel *gpu.Kernel
	vecs   int
}

// NewGLU compiles the kernel for rows of cols columns. The gate's activation is SiLU where it is none.
func NewGLU(d *gpu.Device, cols int, activation Activation) (*GLU, error) {
	vecs := pad(cols) / 4
	k, err := compile(d, "glu.wgsl", "glu", &gluSpec{&bindings{}, activation.orSiLU().String(), vecs})
	return &GLU{d, k, vecs}, err
}

// Run records gate = activation(gate) · up for rows rows.
func (g *GLU) Run(p *gpu.Pass, rows int, step, gate, up *gpu.Buffer) {
	p.Dispatch(g.kernel, g.device.Grid1(ceilDiv(rows*g.vecs, 64)), step.Slice(0, StepBytes), gate.Whole(), up.Whole())
}

// GLURef is the reference of GLU.
func GLURef(gate, up []float32, activation Activation) []float32 {
	y := make([]float32, len(gate))
	for i := range gate {
		y[i] = float32(activation.orSiLU().Of(float64(gate[i])) * float64(up[i]))
	}
	return y
}
