package shaders

import (
	"fmt"

	"umbra/gpu"
)

// Plain kernels compute what the others do without a thought for speed, which is what the others are measured against
// (`umbra bench ops --check`). No model uses them.

// NewPlainLinear is a Linear of a plain kernel, without Norm and Gate.
func NewPlainLinear(d *gpu.Device, s LinearShape) (*Linear, error) {
	if s.Norm || s.Gate {
		return nil, fmt.Errorf("shaders: plain linear: norm and gate are not there")
	}
	l, err := NewLinear(d, Tuning{}, s)
	if err == nil {
		l.only = linearVariant{file: "plain_linear", tokens: 1}
	}
	return l, err
}

// plainLanes is how many weight rows a workgroup of PlainLinear takes, a lane each.
const plainLanes = 64

// PlainAttention is Attention by a plain kernel. It splits no context.
type PlainAttention struct {
	shape     *Attention
	few, many *gpu.Kernel
}

// NewPlainAttention checks the shape. Tiles are those of an Attention with the same tuning.
func NewPlainAttention(d *gpu.Device, tuning Tuning, s AttentionShape) (*PlainAttention, error) {
	a, err := NewAttention(d, tuning, s)
	return &PlainAttention{shape: a}, err
}

// ManyTile is Attention's.
func (a *PlainAttention) ManyTile() int { return a.shape.ManyTile() }

// Run records attention for the step's tiles, few of one row and many; splits does not count.
func (a *PlainAttention) Run(p *gpu.Pass, few, _, many int, args AttentionArgs) {
	if err := a.Warm(few > 0, false, many > 0); err != nil {
		p.Fail(err)
		return
	}
	list := []gpu.Binding{args.Step.Slice(0, StepBytes), args.Input.Whole(), args.Q.Whole()}
	for _, c := range args.KV {
		list = append(list, c.Whole())
	}
	list = append(list, args.Y.Whole())
	heads := a.shape.Shape.Heads
	if few > 0 {
		p.Dispatch(a.few, a.shape.device.Grid1(ceilDiv(few*heads, 64)), list...)
	}
	if many > 0 {
		p.Dispatch(a.many, a.shape.device.Grid1(ceilDiv(many*a.ManyTile()*heads, 64)), list...)
	}
}

// Warm compiles the kernels that steps with such tiles need.
func (a *PlainAttention) Warm(few, _, many bool) (err error) {
	s := a.shape.spec()
	if few && a.few == nil {
		s.TileCount, s.TileOffset, s.Queries = "few_count", "few_tiles", 1
		a.few, err = compile(a.shape.device, "plain_attention.wgsl", "plain_attention_few", &s)
	}
	if err == nil && many && a.many == nil {
		s = a.shape.spec()
		s.TileCount, s.TileOffset, s.Queries = "many_count", "many_tiles", a.ManyTile()
		a.many, err = compile(a.shape.device, "plain_attention.wgsl", "plain_attention_many", &s)
	}
	return err
}
