package model

import (
	"umbra/gpu"
	"umbra/shaders"
)

// input is what a block's first product reads: the residual stream, normalised or as it is.
type input struct {
	gain, bias *vector       // nil where it is not normalised here
	op         *shaders.Norm // nil where RMSNorm is part of the product
	layerNorm  bool
	prepared   bool // the block reads what the one before has normalised
}

// input normalises by the tensor of that name in the layer; "" is the stream as it is.
func (l *layerBuilder) input(name string) input {
	if name == "" {
		return input{}
	}
	in := input{layerNorm: l.config.LayerNorm}
	in.gain, in.bias = l.gains(l.name(name))
	return in
}

// gains are the weights of a norm, and for LayerNorm its bias where there is one.
func (b *builder) gains(name string) (gain, bias *vector) {
	gain = b.vector(b.need(name+".weight", b.config.Embed))
	if b.config.LayerNorm {
		if t, ok := b.optional(name+".bias", b.config.Embed); ok {
			bias = b.vector(t)
		}
	}
	return gain, bias
}

// fuse has a product do the norm where it can.
func (in *input) fuse(s shaders.LinearShape, eps float32) shaders.LinearShape {
	if in.gain != nil && !in.layerNorm {
		s.Norm, s.Eps = true, eps
	}
	return s
}

// separate reports whether the norm is a dispatch of its own, into buffers.prepared.
func (in *input) separate() bool { return in.gain != nil && in.layerNorm }

func (in *input) prepare(m *stage) (err error) {
	if in.separate() {
		c := m.plan.Config
		in.op, err = m.norms(shaders.NormShape{Cols: c.Embed, Eps: c.Eps, Mean: true, Bias: in.bias != nil})
	}
	return err
}

// record returns what products read, and the gain of those that normalise it.
func (in *input) record(s *step) (x, gain *gpu.Buffer) {
	b := s.stage.buffers
	switch {
	case in.prepared:
		return b.prepared, nil
	case in.op != nil:
		in.op.Run(s.pass, s.rows, shaders.NormArgs{Step: b.step, X: b.x, Gain: in.gain.buffer, Bias: in.bias.there(), Y: b.prepared})
		return b.prepared, nil
	case in.gain != nil:
		return b.x, in.gain.buffer
	}
	return b.x, nil
}

// there is the vector's buffer, nil of none.
func (v *vector) there() *gpu.Buffer {
	if v == nil {
		return nil
	}
	return v.buffer
}

// result is how a block ends: a product, and what becomes of it is added to the residual stream.
type result struct {
	product projection
	bias    *vector
	gain    *vector       // of the norm of the product, nil where there is none
	op      *shaders.Norm // that norm
	shared  bool          // the product is not added, but left for the sum of a block of experts
}

// result ends a block by the matrix of that name in the layer, cols wide, and by the norm of the name after, if any.
func (l *layerBuilder) result(name string, cols int, after string) result {
	c := l.config
	r := result{product: projection{
		matrices: []*matrix{l.matrix(cols, l.need(l.name(name+".weight"), cols, c.Embed))},
		shape:    shaders.LinearShape{Residual: after == "", Stride: shaders.PadCols(c.Embed)},
	}}
	if t, ok := l.optional(l.name(name+".bias"), c.Embed); ok {
		r.bias, r.product.shape.Bias = l.vector(t), true
	}
	if after != "" {
		r.gain = l.vector(l.need(l.name(after+".weight"), c.Embed))
	} else {
		r.product.shape.Scale = c.ResidualScale
	}
	return r
}

func (r *result) prepare(m *stage) (err error) {
	if r.gain != nil {
		c := m.plan.Config
		r.op, err = m.norms(shaders.NormShape{Cols: c.Embed, Eps: c.Eps, Mean: c.LayerNorm, Residual: true, Scale: c.ResidualScale})
		if err != nil {
			return err
		}
	}
	return r.product.prepare(m)
}

func (r *result) record(s *step, x *gpu.Buffer) {
	b := s.stage.buffers
	a := shaders.LinearArgs{Step: b.step, X: x, Y: b.x, Bias: r.bias.there()}
	switch {
	case r.shared:
		a.Y = b.experts.shared
	case r.op != nil:
		a.Y = b.branch
	}
	r.product.record(s.pass, s.rows, a)
	if r.op != nil {
		r.op.Run(s.pass, s.rows, shaders.NormArgs{Step: b.step, X: b.branch, Gain: r.gain.buffer, Y: b.x})
	}
}
