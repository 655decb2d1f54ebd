package model

import (
	"umbra/model/gguf"
	"umbra/shaders"
)

// feedForwardOptions are what architectures vary in a feed-forward block. Gate and up may be one tensor, gate's rows first; biases are taken
// where they are.
type feedForwardOptions struct {
	Activation shaders.Activation // SiLU where it is none
	Ungated    bool               // the activation of up, without a gate
	Before     string             // the norm before: "ffn_norm" where it is ""
	Bare       bool               // no norm before
	After      bool               // a norm of the result
	Parallel   bool               // reads what the attention block has normalised
	Shared     *sharedExpert      // not a block of its own: the expert that all tokens take
}

// sharedExpert is what is different about an expert that all tokens take: what it gives is left in a buffer of its own.
type sharedExpert struct {
	norm  *vector // of its block of experts
	width int
}

// feedForwardBlock is norm, gate and up with activation, down, residual: 2 dispatches, or 4 where gate and up differ in
// type or have biases. Norms that are not part of a product are one more each.
type feedForwardBlock struct {
	activation shaders.Activation
	input      input
	gate, up   projection // up is empty where its rows are laid between gate's, or there is no gate
	gateBias   *vector
	upBias     *vector
	glu        *shaders.GLU
	result     result
	width      int    // of gate and up
	suffix     string // of tensors' names
}

// feedForward lays out a feed-forward block.
func (l *layerBuilder) feedForward(o feedForwardOptions) *feedForwardBlock {
	c := l.config
	f := &feedForwardBlock{activation: o.Activation, width: c.FeedForward}
	switch {
	case o.Shared != nil:
		f.input, f.width, f.suffix = input{gain: o.Shared.norm}, o.Shared.width, "_shexp"
	case o.Parallel:
		f.input.prepared = true
	case o.Before != "":
		f.input = l.input(o.Before)
	case !o.Bare:
		f.input = l.input("ffn_norm")
	}
	shape := f.input.fuse(shaders.LinearShape{Stride: shaders.PadCols(f.width)}, c.Eps)
	bias := func(name string) *vector {
		if t, ok := l.optional(l.name(name), f.width); ok {
			return l.vector(t)
		}
		return nil
	}
	if o.Ungated {
		shape.Activation = o.Activation
		f.gateBias = bias("ffn_up.bias")
		shape.Bias = f.gateBias != nil
		f.gate = projection{matrices: []*matrix{l.matrix(c.Embed, l.need(l.name("ffn_up.weight"), c.Embed, c.FeedForward))}, shape: shape}
	} else {
		f.gated(l, shape, bias)
	}
	after := ""
	if o.After {
		after = "post_ffw_norm"
	}
	f.result = l.result("ffn_down"+f.suffix, f.width, after)
	if o.Shared != nil {
		f.result.shared, f.result.product.shape.Residual = true, false
	}
	return f
}

// gated lays out gate and up.
func (f *feedForwardBlock) gated(l *layerBuilder, shape shaders.LinearShape, bias func(name string) *vector) {
	c := l.config
	if t, ok := l.src.Tensor(l.name("ffn_up.weight")); ok && !l.has("ffn_gate.weight") && f.suffix == "" && t.Rows() == uint64(2*c.FeedForward) {
		shape.Gate, shape.Activation = true, f.activation
		f.gate = projection{matrices: []*matrix{l.halves(c.Embed, l.need(t.Name, c.Embed, 2*c.FeedForward))}, shape: shape}
		return
	}
	gate, up := l.need(l.name("ffn_gate"+f.suffix+".weight"), c.Embed, f.width), l.need(l.name("ffn_up"+f.suffix+".weight"), c.Embed, f.width)
	f.gateBias, f.upBias = bias("ffn_gate.bias"), bias("ffn_up.bias")
	if gate.Type == up.Type && f.gateBias == nil && f.upBias == nil {
		shape.Gate, shape.Activation = true, f.activation
		f.gate = projection{matrices: []*matrix{l.interleaved(c.Embed, gate, up)}, shape: shape}
		return
	}
	one := func(t gguf.Tensor, bias *vector) projection {
		s := shape
		s.Bias = bias != nil
		return projection{matrices: []*matrix{l.matrix(c.Embed, t)}, shape: s}
	}
	f.gate, f.up = one(gate, f.gateBias), one(up, f.upBias)
}

func (f *feedForwardBlock) products() []*projection {
	return []*projection{&f.gate, &f.up, &f.result.product}
}

func (f *feedForwardBlock) needs() needs {
	return needs{up: len(f.up.matrices) > 0, prepared: f.input.separate(), branch: f.result.gain != nil}
}

func (f *feedForwardBlock) prepare(m *stage) (err error) {
	if err := f.input.prepare(m); err != nil {
		return err
	}
	for _, p := range []*projection{&f.gate, &f.up} {
		if err := p.prepare(m); err != nil {
			return err
		}
	}
	if len(f.up.ops) > 0 {
		if f.glu, err = shaders.NewGLU(m.device, f.width, f.activation); err != nil {
			return err
		}
	}
	return f.result.prepare(m)
}

func (f *feedForwardBlock) record(s *step) {
	b := s.stage.buffers
	x, gain := f.input.record(s)
	f.gate.record(s.pass, s.rows, shaders.LinearArgs{Step: b.step, X: x, Y: b.gate, Gain: gain, Bias: f.gateBias.there()})
	if f.glu != nil {
		f.up.record(s.pass, s.rows, shaders.LinearArgs{Step: b.step, X: x, Y: b.up, Gain: gain, Bias: f.upBias.there()})
		f.glu.Run(s.pass, s.rows, b.step, b.gate, b.up)
	}
	f.result.record(s, b.gate)
}
