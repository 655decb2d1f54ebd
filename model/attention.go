package model

import (
	"umbra/model/gguf"
	"umbra/shaders"
)

// attentionOptions are what architectures vary in an attention block. q, k and v may be one tensor; biases are taken where they are.
type attentionOptions struct {
	HalfSplit bool // rotate halves of a head, not neighbours
	NoRope    bool // rotate nothing
	Bias      bool // biases on q, k and v must be there
	Bare      bool // no norm before
	After     bool // a norm of the result
	// Heads normalises heads of q and k, by a gain for all of them or one for each; Whole all of q and all of k by RMSNorm instead.
	Heads shaders.HeadNorm
	Whole bool
}

// attentionBlock is norm, q·k·v, rotation, paged attention, output projection, residual: 3 dispatches, or 4 where rotation is not part of
// the first (shaders.RopeShape.Fuses; q, k and v in one matrix). Norms that are not part of a product are one more each.
type attentionBlock struct {
	options   attentionOptions
	layer     int
	input     input
	bias      *vector
	qkv       projection
	gain      *vector // of q and k, where they are normalised
	whole     *shaders.QKNorm
	rope      *shaders.Rope // nil where it is part of qkv
	attention *shaders.Attention
	result    result
}

// attention lays out an attention block.
func (l *layerBuilder) attention(o attentionOptions) block {
	c := l.config
	q, kv := c.Heads*c.HeadDim, c.KVHeads*c.HeadDim
	a := &attentionBlock{options: o, layer: l.index}
	if !o.Bare {
		a.input = l.input("attn_norm")
	}
	a.qkv.shape = a.input.fuse(shaders.LinearShape{Stride: shaders.PadCols(q + 2*kv)}, c.Eps)
	if t, ok := l.optional(l.name("attn_qkv.weight"), c.Embed, q+2*kv); ok {
		a.qkv.matrices = []*matrix{l.matrix(c.Embed, t)}
		if t, ok := l.optional(l.name("attn_qkv.bias"), q+2*kv); ok || o.Bias {
			a.bias = l.vector(t)
		}
	} else {
		a.qkv.matrices = l.sideBySide(c.Embed, l.need(l.name("attn_q.weight"), c.Embed, q),
			l.need(l.name("attn_k.weight"), c.Embed, kv), l.need(l.name("attn_v.weight"), c.Embed, kv))
		if o.Bias || l.has("attn_q.bias") || l.has("attn_k.bias") || l.has("attn_v.bias") {
			a.bias = l.vector(l.need(l.name("attn_q.bias"), q), l.need(l.name("attn_k.bias"), kv), l.need(l.name("attn_v.bias"), kv))
		}
	}
	a.qkv.shape.Bias = a.bias != nil
	switch {
	case o.Whole:
		a.gain = l.vector(l.need(l.name("attn_q_norm.weight"), q), l.need(l.name("attn_k_norm.weight"), kv))
	case o.Heads != shaders.NoHeadNorm:
		a.gain = l.vector(append(l.headGains("attn_q_norm.weight", c.Heads), l.headGains("attn_k_norm.weight", c.KVHeads)...)...)
	}
	after := ""
	if o.After {
		after = "post_attention_norm"
	}
	a.result = l.result("attn_output", q, after)
	return a
}

// headGains are the gains of n heads: a tensor with a row of its own for each, or one row for all of them.
func (l *layerBuilder) headGains(name string, n int) []gguf.Tensor {
	name = l.name(name)
	if t, ok := l.src.Tensor(name); ok && len(t.Dims) == 2 {
		return []gguf.Tensor{l.need(name, l.config.HeadDim, n)}
	}
	t := l.need(name, l.config.HeadDim)
	var all []gguf.Tensor
	for range n {
		all = append(all, t)
	}
	return all
}

func (a *attentionBlock) prepare(m *stage) (err error) {
	c, kv := m.plan.Config, m.plan.kv
	stride := a.qkv.shape.Stride
	window := c.Window(a.layer)
	rope := shaders.RopeShape{KV: kv, Heads: c.Heads, Rotated: c.Rope.Rotated, HalfSplit: a.options.HalfSplit, Stride: stride,
		Local: window > 0 && c.LocalRope != nil}
	if a.options.NoRope {
		rope.Rotated = 0
	}
	if a.options.Heads != shaders.NoHeadNorm {
		rope.Norm, rope.Eps = a.options.Heads, c.Eps
	}
	if err := rope.Check(); err != nil {
		return err
	}
	if rope.Fuses(m.tuning) && !a.options.Whole && len(a.qkv.products()) == 1 {
		a.qkv.shape.Rope = rope
	} else if a.rope, err = m.rope(rope); err != nil {
		return err
	}
	if a.options.Whole {
		a.whole, err = shaders.NewQKNorm(m.device, shaders.QKNormShape{Q: c.Heads * c.HeadDim, K: c.KVHeads * c.HeadDim, Stride: stride, Eps: c.Eps})
		if err != nil {
			return err
		}
	}
	if err := a.input.prepare(m); err != nil {
		return err
	}
	if err := a.qkv.prepare(m); err != nil {
		return err
	}
	if err := a.result.prepare(m); err != nil {
		return err
	}
	a.attention, err = m.attention(shaders.AttentionShape{
		KV: kv, Heads: c.Heads, QStride: stride, YStride: shaders.PadCols(c.Heads * c.HeadDim),
		Scale: c.AttentionScale, Cap: c.AttentionCap, Window: window})
	return err
}

func (a *attentionBlock) products() []*projection { return []*projection{&a.qkv, &a.result.product} }

func (a *attentionBlock) needs() needs {
	return needs{prepared: a.input.separate(), branch: a.result.gain != nil}
}

func (a *attentionBlock) record(s *step) {
	at := s.stage.plan.places[a.layer]
	b, kv := s.stage.buffers, s.stage.kv[at.column]
	x, gain := a.input.record(s)
	a.qkv.record(s.pass, s.rows, shaders.LinearArgs{Step: b.step, Lane: at.lane, X: x, Y: b.qkv, Gain: gain, Bias: a.bias.there(), Input: b.input, KV: kv})
	if a.whole != nil {
		a.whole.Run(s.pass, s.rows, b.step, a.gain.buffer, b.qkv)
	}
	if a.rope != nil {
		a.rope.Run(s.pass, s.rows, shaders.RopeArgs{Step: b.step, Lane: at.lane, Input: b.input, QKV: b.qkv, KV: kv, Gain: a.gain.there()})
	}
	a.attention.Run(s.pass, s.few, s.splits, s.many, shaders.AttentionArgs{
		Step: b.step, Lane: at.lane, Input: b.input, Q: b.qkv, Y: b.attended, Partial: b.partial, KV: kv})
	a.result.record(s, b.attended)
}
