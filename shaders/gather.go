package shaders

import "umbra/gpu"

// GatherShape describes an embedding table, or the part of a split one with tokens First .. First + N - 1.
type GatherShape struct {
	Format  Format
	N, Cols int
	First   int
}

type gatherSpec struct {
	*bindings
	Format    Format
	HasScales bool
	Dequant   string
	planeSpec

	N     int `wgsl:"N"`
	First int `wgsl:"FIRST"`
	YVecs int `wgsl:"Y_VECS"`
}

// Gather looks up rows of an embedding table by token id.
type Gather struct {
	device *gpu.Device
	Shape  GatherShape
	kernel *gpu.Kernel
}

// NewGather compiles the kernel.
func NewGather(d *gpu.Device, s GatherShape) (*Gather, error) {
	var err error
	if s.Format, err = s.Format.on(d); err != nil {
		return nil, err
	}
	cols := pad(s.Cols)
	spec := gatherSpec{&bindings{}, s.Format, s.Format.HasScales(), dequants[s.Format.Name], s.Format.planes(cols), s.N, s.First, cols / 4}
	k, err := compile(d, "gather.wgsl", "gather_"+s.Format.Name, &spec)
	return &Gather{d, s, k}, err
}

// Run records the lookup of rows tokens into y (rows × padded Cols). Tokens may stand for what TopK has left in top.
func (g *Gather) Run(p *gpu.Pass, rows int, step, input *gpu.Buffer, w Weights, top, y *gpu.Buffer) {
	b := []gpu.Binding{step.Slice(0, StepBytes), input.Whole(), w.Quants.Whole()}
	if w.Scales != nil {
		b = append(b, w.Scales.Whole())
	}
	p.Dispatch(g.kernel, g.device.Grid1(ceilDiv(rows*pad(g.Shape.Cols)/8, 64)), append(b, top.Whole(), y.Whole())...)
}
