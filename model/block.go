package model

import (
	"fmt"

	"umbra/gpu"
	"umbra/model/gguf"
	"umbra/shaders"
)

// block is a residual branch of a layer: it reads the stream, and adds to it.
type block interface {
	// prepare makes its launchers. The weights need not be loaded yet.
	prepare(m *Model) error
	// products are its matrices, with what is fused into them.
	products() []*projection
	// record adds its dispatches for a step.
	record(s *step)
}

// layerBuilder lays out the blocks of one layer.
type layerBuilder struct {
	*builder
	index int
}

func (l *layerBuilder) name(s string) string { return fmt.Sprintf("blk.%d.%s", l.index, s) }

// attentionOptions are what architectures vary in an attention block.
type attentionOptions struct {
	HalfSplit bool // rotate halves of a head, not neighbours
	Bias      bool // biases on q, k and v
}

// attentionBlock is norm, q·k·v, rotation, paged attention, output projection, residual: 3 dispatches, or 4 where rotation is not part of
// the first (shaders.RopeShape.Fuses; q, k and v in one matrix).
type attentionBlock struct {
	options   attentionOptions
	layer     int
	norm      *vector
	bias      *vector
	qkv, out  projection
	rope      *shaders.Rope // nil where it is part of qkv
	attention *shaders.Attention
}

// attention lays out an attention block.
func (l *layerBuilder) attention(o attentionOptions) block {
	c := l.config
	q, kv := c.Heads*c.HeadDim, c.KVHeads*c.HeadDim
	a := &attentionBlock{options: o, layer: l.index}
	a.norm = l.vector(l.need(l.name("attn_norm.weight"), c.Embed))
	a.qkv = projection{
		matrices: l.sideBySide(c.Embed, l.need(l.name("attn_q.weight"), c.Embed, q),
			l.need(l.name("attn_k.weight"), c.Embed, kv), l.need(l.name("attn_v.weight"), c.Embed, kv)),
		shape: shaders.LinearShape{Norm: true, Eps: c.Eps, Bias: o.Bias, Stride: shaders.PadCols(q + 2*kv)},
	}
	if o.Bias {
		a.bias = l.vector(l.need(l.name("attn_q.bias"), q), l.need(l.name("attn_k.bias"), kv), l.need(l.name("attn_v.bias"), kv))
	}
	a.out = projection{
		matrices: []*matrix{l.matrix(q, l.need(l.name("attn_output.weight"), q, c.Embed))},
		shape:    shaders.LinearShape{Residual: true, Stride: shaders.PadCols(c.Embed)},
	}
	return a
}

// sideBySide makes one matrix of each run of tensors of the same type.
func (l *layerBuilder) sideBySide(cols int, tensors ...gguf.Tensor) []*matrix {
	var all []*matrix
	for i := 0; i < len(tensors); {
		j := i + 1
		for j < len(tensors) && tensors[j].Type == tensors[i].Type {
			j++
		}
		all = append(all, l.matrix(cols, tensors[i:j]...))
		i = j
	}
	return all
}

func (a *attentionBlock) prepare(m *Model) (err error) {
	c, kv := m.plan.Config, m.plan.kv
	stride := a.qkv.shape.Stride
	rope := shaders.RopeShape{KV: kv, Heads: c.Heads, Rotated: c.Rope.Rotated, HalfSplit: a.options.HalfSplit, Stride: stride}
	if err := rope.Check(); err != nil {
		return err
	}
	if rope.Fuses(m.tuning) && len(a.qkv.products()) == 1 {
		a.qkv.shape.Rope = rope
	} else if a.rope, err = m.rope(rope); err != nil {
		return err
	}
	if err := a.qkv.prepare(m); err != nil {
		return err
	}
	if err := a.out.prepare(m); err != nil {
		return err
	}
	a.attention, err = m.attention(shaders.AttentionShape{
		KV: kv, Heads: c.Heads, QStride: stride, YStride: shaders.PadCols(c.Heads * c.HeadDim)})
	return err
}

func (a *attentionBlock) products() []*projection { return []*projection{&a.qkv, &a.out} }

func (a *attentionBlock) record(s *step) {
	b, kv := s.model.buffers, s.model.kv[a.layer]
	args := shaders.LinearArgs{Step: b.step, X: b.x, Y: b.qkv, Gain: a.norm.buffer, Input: b.input, KV: kv}
	if a.bias != nil {
		args.Bias = a.bias.buffer
	}
	a.qkv.record(s.pass, s.rows, args)
	if a.rope != nil {
		a.rope.Run(s.pass, s.rows, shaders.RopeArgs{Step: b.step, Input: b.input, QKV: b.qkv, KV: kv})
	}
	a.attention.Run(s.pass, s.few, s.splits, s.many, shaders.AttentionArgs{
		Step: b.step, Input: b.input, Q: b.qkv, Y: b.attended, Partial: b.partial, KV: kv})
	a.out.record(s.pass, s.rows, shaders.LinearArgs{Step: b.step, X: b.attended, Y: b.x})
}

// feedForwardBlock is norm, gate and up with activation, down, residual: 2 dispatches, or 4 where gate and up differ in
// type.
type feedForwardBlock struct {
	norm     *vector
	gate, up projection // up is empty where its rows are laid between gate's
	down     projection
	width    int
	glu      *shaders.GLU
}

// feedForward lays out a SiLU-gated feed-forward block.
func (l *layerBuilder) feedForward() block {
	return l.gated(l.vector(l.need(l.name("ffn_norm.weight"), l.config.Embed)), "", l.config.FeedForward)
}

// gated is feedForward of some width, whose tensors' names end differently.
func (l *layerBuilder) gated(norm *vector, suffix string, width int) *feedForwardBlock {
	c := l.config
	gate, up := l.need(l.name("ffn_gate"+suffix+".weight"), c.Embed, width), l.need(l.name("ffn_up"+suffix+".weight"), c.Embed, width)
	f := &feedForwardBlock{norm: norm, width: width}
	shape := shaders.LinearShape{Norm: true, Eps: c.Eps, Stride: shaders.PadCols(width)}
	if gate.Type == up.Type {
		shape.Gate = true
		f.gate = projection{matrices: []*matrix{l.interleaved(c.Embed, gate, up)}, shape: shape}
	} else {
		f.gate = projection{matrices: []*matrix{l.matrix(c.Embed, gate)}, shape: shape}
		f.up = projection{matrices: []*matrix{l.matrix(c.Embed, up)}, shape: shape}
	}
	f.down = projection{
		matrices: []*matrix{l.matrix(width, l.need(l.name("ffn_down"+suffix+".weight"), width, c.Embed))},
		shape:    shaders.LinearShape{Residual: true, Stride: shaders.PadCols(c.Embed)},
	}
	return f
}

func (f *feedForwardBlock) products() []*projection { return []*projection{&f.gate, &f.up, &f.down} }

func (f *feedForwardBlock) prepare(m *Model) (err error) {
	for _, p := range f.products() {
		if err := p.prepare(m); err != nil {
			return err
		}
	}
	if len(f.up.ops) > 0 {
		f.glu, err = shaders.NewGLU(m.device, f.width)
	}
	return err
}

func (f *feedForwardBlock) record(s *step) { f.recordTo(s, s.model.buffers.x) }

// recordTo is record with another output than the residual stream.
func (f *feedForwardBlock) recordTo(s *step, y *gpu.Buffer) {
	b := s.model.buffers
	f.gate.record(s.pass, s.rows, shaders.LinearArgs{Step: b.step, X: b.x, Y: b.gate, Gain: f.norm.buffer})
	if f.glu != nil {
		f.up.record(s.pass, s.rows, shaders.LinearArgs{Step: b.step, X: b.x, Y: b.up, Gain: f.norm.buffer})
		f.glu.Run(s.pass, s.rows, b.step, b.gate, b.up)
	}
	f.down.record(s.pass, s.rows, shaders.LinearArgs{Step: b.step, X: b.gate, Y: y})
}

// needsUp reports whether the block wants a buffer for up of its own.
func (f *feedForwardBlock) needsUp() bool { return len(f.up.matrices) > 0 }
