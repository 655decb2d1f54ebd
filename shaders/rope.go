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
}

// Fuses reports whether Linear can do this after the product of q, k and v (LinearShape.Rope): pairs must be neighbours, and pages without scales
// and in one buffer, for want of bindings. Narrow kernels finish single elements.
func (s RopeShape) Fuses(t Tuning) bool {
	return !t.Narrow && !s.HalfSplit && s.KV.Type != KVInt8 && s.KV.Chunks() == 1
}

type ropeSpec struct {
	*bindings
	kvSpec
	HalfSplit bool

	Heads   int `wgsl:"HEADS"`
	Rotated int `wgsl:"ROTATED"`
	QVecs   int `wgsl:"Q_VECS"`
	Lanes   int `wgsl:"LANES"` // of a workgroup of 64, those that work
}

// Rope rotates q in place, rotates k, and writes k and v to the KV slots of their rows.
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
	if s.KV.Type == KVInt8 && s.KV.HeadDim > 256 {
		return fmt.Errorf("shaders: rope: head dimension %d is above the 256 that int8 KV supports", s.KV.HeadDim)
	}
	return nil
}

// lanes is how many of a workgroup's 64 lanes work: with int8 KV those of whole heads.
func (s RopeShape) lanes() int {
	if s.KV.Type == KVInt8 {
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
	spec := ropeSpec{&bindings{}, s.KV.spec(), s.HalfSplit, s.Heads, s.Rotated, s.Stride / 4, s.lanes()}
	k, err := compile(d, "rope.wgsl", "rope", &spec)
	return &Rope{d, s, k}, err
}

// RopeArgs are the buffers of a Run.
type RopeArgs struct {
	Step, Input, QKV *gpu.Buffer
	KV               KV
}

// Run records it for rows token rows.
func (r *Rope) Run(p *gpu.Pass, rows int, a RopeArgs) {
	b := []gpu.Binding{a.Step.Slice(0, StepBytes), a.Input.Whole(), a.QKV.Whole()}
	for _, c := range a.KV {
		b = append(b, c.Whole())
	}
	lanes := rows * (r.Shape.Heads + 2*r.Shape.KV.KVHeads) * r.Shape.KV.HeadDim / 4
	p.Dispatch(r.kernel, r.device.Grid1(ceilDiv(lanes, r.Shape.lanes())), b...)
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
