package shaders

import (
	"fmt"

	"umbra/gpu"
)

// RopeShape describes the rotation of q and k of one layer and the write of k and v into their pages.
type RopeShape struct {
	KV    KVShape
	Heads int
	// Rotated is how many leading elements of a head are rotated, a multiple of 4.
	Rotated int
	// HalfSplit pairs element i with i + Rotated/2 (GPT-NeoX); otherwise neighbours are pairs (RoFormer, GGUF's llama).
	HalfSplit bool
	// Stride is the row length of the buffer with q, k and v laid end to end.
	Stride int
	// Local takes the second set of angles of the step.
	Local bool
	// Norm normalises heads of q and k first, with Eps: Henry et al. 2020.
	Norm HeadNorm
	Eps  float32
}

// HeadNorm is how single heads of q and k are normalised, each element with a gain of its own.
type HeadNorm uint8

// Norms of heads.
const (
	NoHeadNorm    HeadNorm = iota
	HeadRMSNorm            // Zhang & Sennrich 2019
	HeadLayerNorm          // Ba et al. 2016
)

// Fuses reports whether Linear can do this after the product of q, k and v (LinearShape.Rope): pairs must be neighbours, heads not normalised, and pages without scales
// and in one buffer, for want of bindings. Narrow kernels finish single elements.
func (s RopeShape) Fuses(t Tuning) bool {
	return !t.Narrow && !s.HalfSplit && s.Norm == NoHeadNorm && s.KV.Type != KVInt8 && s.KV.Chunks() == 1
}

type ropeSpec struct {
	*bindings
	kvSpec
	HalfSplit   bool
	Norm, Means bool
	Rotations   string

	Heads   int     `wgsl:"HEADS"`
	Rotated int     `wgsl:"ROTATED"`
	QVecs   int     `wgsl:"Q_VECS"`
	Lanes   int     `wgsl:"LANES"` // of a workgroup of 64, those that work
	Epsilon float32 `wgsl:"EPS"`
}

// Rope rotates q in place, rotates k, both normalised first where the shape says so, and writes k and v to the KV slots of their rows.
type Rope struct {
	device *gpu.Device
	Shape  RopeShape
	kernel *gpu.Kernel
}

// Check refuses a shape that the kernel cannot take.
func (s RopeShape) Check() error {
	if s.Rotated%4 != 0 || s.Rotated > s.KV.HeadDim || s.KV.HeadDim%4 != 0 || s.Stride%4 != 0 {
		return fmt.Errorf("shaders: rope: %d rotated of head dimension %d, stride %d: multiples of 4 are supported", s.Rotated, s.KV.HeadDim, s.Stride)
	}
	if s.wholeHeads() && s.KV.HeadDim > 256 {
		return fmt.Errorf("shaders: rope: head dimension %d is above the 256 that int8 KV and norms of heads support", s.KV.HeadDim)
	}
	return nil
}

// wholeHeads reports whether a workgroup takes whole heads, as lanes have to agree on something.
func (s RopeShape) wholeHeads() bool { return s.KV.Type == KVInt8 || s.Norm != NoHeadNorm }

// Angles is where the step has the angles, to templates.
func (s RopeShape) Angles() string {
	if s.Local {
		return "step.local_rotations"
	}
	return "step.rotations"
}

// lanes is how many of a workgroup's 64 lanes work: those of whole heads, if it takes such.
func (s RopeShape) lanes() int {
	if s.wholeHeads() {
		vecs := s.KV.HeadDim / 4
		return 64 / vecs * vecs
	}
	return 64
}

// NewRope compiles the kernel.
func NewRope(d *gpu.Device, s RopeShape) (*Rope, error) {
	if err := s.Check(); err != nil {
		return nil, err
	}
	spec := ropeSpec{&bindings{}, s.KV.spec(), s.HalfSplit, s.Norm != NoHeadNorm, s.Norm == HeadLayerNorm, s.Angles(),
		s.Heads, s.Rotated, s.Stride / 4, s.lanes(), s.Eps}
	k, err := compile(d, "rope.wgsl", "rope", &spec)
	return &Rope{d, s, k}, err
}

// RopeArgs are the buffers of a Run.
type RopeArgs struct {
	Step, Input, QKV *gpu.Buffer
	Lane             int // whose Step it is
	KV               KV
	Gain             *gpu.Buffer // if Norm: of each element of q's heads and then k's
}

// Run records it for rows token rows.
func (r *Rope) Run(p *gpu.Pass, rows int, a RopeArgs) {
	b := []gpu.Binding{laneStep(a.Step, a.Lane), a.Input.Whole(), a.QKV.Whole()}
	for _, c := range a.KV {
		b = append(b, c.Whole())
	}
	if r.Shape.Norm != NoHeadNorm {
		b = append(b, a.Gain.Whole())
	}
	lanes := rows * (r.Shape.Heads + 2*r.Shape.KV.KVHeads) * r.Shape.KV.HeadDim / 4
	p.Dispatch(r.kernel, r.device.Grid1(ceilDiv(lanes, r.Shape.lanes())), b...)
}

// HeadNormRef is the reference of the norm of one head.
func HeadNormRef(s RopeShape, head, gain []float32) {
	copy(head, NormRef(NormShape{Mean: s.Norm == HeadLayerNorm, Eps: s.Eps}, head, gain, nil))
}

// RopeRef is the reference of the rotation for one head: rotations holds (cos, sin) for each pair.
func RopeRef(head []float32, rotated int, halfSplit bool, rotations [][2]float32) {
	for i := range rotated / 2 {
		a, b := 2*i, 2*i+1
		if halfSplit {
			a, b = i, i+rotated/2
		}
		cos, sin := float64(rotations[i][0]), float64(rotations[i][1])
		x, y := float64(head[a]), float64(head[b])
		head[a], head[b] = float32(x*cos-y*sin), float32(x*sin+y*cos)
	}
}
