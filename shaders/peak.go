package shaders

import "umbra/gpu"

// Peak measures what an adapter can do: a copy of vectors and a chain of multiply-adds in registers. Other kernels' speeds
// are given as shares of these.
type Peak struct {
	device    *gpu.Device
	copy, fma *gpu.Kernel
}

// Multiply-adds of one lane of the FMA kernel: peakSteps turns of 16 vectors of 4.
const (
	peakSteps = 256
	peakLanes = 1 << 18
)

type peakSpec struct {
	*bindings
	Steps int `wgsl:"STEPS"`
	Lanes int `wgsl:"LANES"`
}

// NewPeak compiles the kernels.
func NewPeak(d *gpu.Device) (*Peak, error) {
	p := &Peak{device: d}
	var err error
	if p.copy, err = compile(d, "peak_copy.wgsl", "peak_copy", &peakSpec{&bindings{}, peakSteps, peakLanes}); err != nil {
		return nil, err
	}
	p.fma, err = compile(d, "peak_fma.wgsl", "peak_fma", &peakSpec{&bindings{}, peakSteps, peakLanes})
	return p, err
}

// Copy records a copy of all of src to dst, of the same size: twice that many bytes move.
func (k *Peak) Copy(p *gpu.Pass, dst, src *gpu.Buffer) {
	p.Dispatch(k.copy, k.device.Grid1(ceilDiv(int(src.Size()/16), 256)), src.Whole(), dst.Whole())
}

// FMABytes is the size of FMA's buffer; FMAFlops its floating-point operations.
const (
	FMABytes = 16 * peakLanes
	FMAFlops = 2 * 16 * 4 * peakSteps * peakLanes
)

// FMA records the chain of multiply-adds.
func (k *Peak) FMA(p *gpu.Pass, dst *gpu.Buffer) {
	p.Dispatch(k.fma, k.device.Grid1(peakLanes/64), dst.Whole())
}
