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

// PlainAttention is an Attention of a plain kernel. It splits no context.
type PlainAttention struct {
	*Attention
	few, many *gpu.Kernel
}

// NewPlainAttention takes the shape and the tiles of a.
func NewPlainAttention(a *Attention) *PlainAttention { return &PlainAttention{Attention: a} }

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
	if few > 0 {
		p.Dispatch(a.few, a.device.Grid1(ceilDiv(few*a.Shape.Heads, 64)), list...)
	}
	if many > 0 {
		p.Dispatch(a.many, a.device.Grid1(ceilDiv(many*a.ManyTile()*a.Shape.Heads, 64)), list...)
	}
}

// Warm compiles the kernels that steps with such tiles need.
func (a *PlainAttention) Warm(few, _, many bool) (err error) {
	if few && a.few == nil {
		s := a.Shape.spec(a.tile.split)
		s.TileCount, s.TileOffset = "few_count", "few_tiles"
		a.few, err = compile(a.device, "plain_attention.wgsl", "plain_attention_few", &s)
	}
	if err == nil && many && a.many == nil {
		s := a.Shape.spec(a.tile.split)
		s.TileCount, s.TileOffset, s.Queries = "many_count", "many_tiles", a.ManyTile()
		a.many, err = compile(a.device, "plain_attention.wgsl", "plain_attention_many", &s)
	}
	return err
}
