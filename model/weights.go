package model

import (
	"fmt"

	"umbra/gpu"
	"umbra/model/gguf"
	"umbra/model/quant"
	"umbra/shaders"
)

// matrix is one weight matrix on the device, made of the rows of one or more tensors of the same type and width.
type matrix struct {
	tensors []gguf.Tensor
	// interleave takes rows of each two tensors in turn (gate, up, gate, up, ...) instead of one tensor after the other.
	interleave bool
	// halved is the tensor whose two halves the tensors are, nil where they are not.
	halved *gguf.Tensor
	expand bool // the tensors are of a type without planes: layout is that of what they are expanded to
	layout quant.Layout
	format shaders.Format
	rows   int
	parts  []part // split by rows where a binding cannot hold all
	seed   uint32 // what it is filled by where the source has no data: the same on whatever device
}

// part is a run of a matrix's rows in buffers of its own.
type part struct {
	first, rows int
	weights     shaders.Weights
}

// vector is one or more one-dimensional tensors end to end, as f32, padded with zeros.
type vector struct {
	tensors []gguf.Tensor
	cols    int
	buffer  *gpu.Buffer
}

// weights is everything a model keeps of its file: first laid out, then loaded.
type weights struct {
	matrices []*matrix
	vectors  []*vector
	embed    *matrix
	position *matrix // of learned positions, nil where there are none
	output   *matrix // embed, if tied
	norm     *vector
	normBias *vector // nil where there is none
	bias     *vector // of logits, likewise
	factors  factors
	blocks   []block
}

// factors are tensors that divide rotations by pair, nil where they are not there.
type factors struct{ all, long, short *gguf.Tensor }

// of are those for contexts of so many tokens: LongRoPE's long ones above the positions trained for first.
func (f factors) of(context int, c RopeConfig) *gguf.Tensor {
	switch {
	case f.all != nil:
		return f.all
	case context > c.Original:
		return f.long
	}
	return f.short
}

// bytes is what the weights take on the device.
func (w *weights) bytes() uint64 {
	var n uint64
	for _, m := range w.matrices {
		for _, p := range m.parts {
			n += round16(uint64(p.rows * m.layout.QuantBytesPerRow))
			if m.layout.ScaleBytesPerRow > 0 {
				n += round16(uint64(p.rows * m.layout.ScaleBytesPerRow))
			}
		}
	}
	for _, v := range w.vectors {
		n += v.bytes()
	}
	return n
}

func (v *vector) bytes() uint64 { return round16(4 * uint64(shaders.PadCols(v.cols))) }

// release frees the buffers that have been made.
func (w *weights) release() {
	for _, m := range w.matrices {
		for _, p := range m.parts {
			p.weights.Quants.Release()
			p.weights.Scales.Release()
		}
	}
	for _, v := range w.vectors {
		v.buffer.Release()
	}
}

// builder lays out weights from a source. It keeps the first error.
type builder struct {
	src     Source
	config  Config
	limits  gpu.Limits
	weights *weights
	used    map[string]bool
	seed    uint32 // of the latest matrix
	away    bool   // what is laid out is another device's
	err     error
}

func (b *builder) fail(format string, args ...any) {
	if b.err == nil {
		b.err = fmt.Errorf("model: "+format, args...)
	}
}

// layOut names and measures everything a model needs of its source, and refuses what does not fit its configuration. What it returns holds
// the part that has those layers.
func layOut(src Source, arch Architecture, c Config, limits gpu.Limits, part span) (*weights, error) {
	b := &builder{src: src, config: c, limits: limits, weights: &weights{}, used: map[string]bool{}}
	w := b.weights
	_, apart := src.Tensor("output.weight")
	b.away = !part.begins() && (apart || !part.ends())
	w.embed = b.matrix(c.Embed, b.need("token_embd.weight", c.Embed, c.Vocab))
	b.away = !part.begins()
	if c.Positions {
		w.position = b.matrix(c.Embed, b.need("position_embd.weight", c.Embed, c.Context))
	}
	b.away = !part.ends()
	w.norm, w.normBias = b.gains("output_norm")
	w.output = w.embed
	if t, ok := b.optional("output.weight", c.Embed, c.Vocab); ok {
		w.output = b.matrix(c.Embed, t)
	}
	if t, ok := b.optional("output.bias", c.Vocab); ok {
		w.bias = b.vector(t)
	}
	b.factors()
	for i := range c.Layers {
		b.away = !part.holds(i)
		if blocks := arch.layer(&layerBuilder{b, i}); !b.away {
			w.blocks = append(w.blocks, blocks...)
		}
	}
	if b.err != nil {
		return nil, b.err
	}
	return w, b.unused()
}

// factors finds the tensors that divide rotations.
func (b *builder) factors() {
	for name, to := range map[string]**gguf.Tensor{"rope_freqs.weight": &b.weights.factors.all,
		"rope_factors_long.weight": &b.weights.factors.long, "rope_factors_short.weight": &b.weights.factors.short} {
		if t, ok := b.optional(name, b.config.Rope.Rotated/2); ok {
			*to = &t
		}
	}
	if f := b.weights.factors; (f.long == nil) != (f.short == nil) {
		b.fail("one of tensors rope_factors_long.weight and rope_factors_short.weight is missing")
	}
}

// unused refuses a tensor that nothing took: the model is more than its architecture's name says.
func (b *builder) unused() error {
	f, ok := b.src.(*gguf.File)
	if !ok {
		return nil
	}
	for _, t := range f.Tensors {
		if !b.used[t.Name] {
			return fmt.Errorf("model: tensor %q is not one that architecture %s as umbra knows it has; its results would be wrong without it",
				t.Name, b.config.Architecture)
		}
	}
	return nil
}

// need returns a tensor that must be there with such dimensions (columns first).
func (b *builder) need(name string, dims ...int) gguf.Tensor {
	t, ok := b.optional(name, dims...)
	if !ok {
		b.fail("tensor %q is missing", name)
	}
	return t
}

// optional returns a tensor that may be there; if it is, its dimensions must fit.
func (b *builder) optional(name string, dims ...int) (gguf.Tensor, bool) {
	t, ok := b.src.Tensor(name)
	if !ok {
		return t, false
	}
	b.used[name] = true
	fits := len(t.Dims) == len(dims)
	for i := range dims {
		fits = fits && t.Dims[i] == uint64(dims[i])
	}
	if !fits {
		b.fail("tensor %q is %v, not %v as the metadata says", name, t.Dims, dims)
	}
	return t, true
}

// matrix lays out tensors of the same type and width as one matrix, split by rows past the binding limit.
func (b *builder) matrix(cols int, tensors ...gguf.Tensor) *matrix {
	return b.matrixOf(cols, 64, tensors...) // whole tiles, and gate with up
}

// matrixOf is matrix, split at multiples of some number of rows.
func (b *builder) matrixOf(cols, unit int, tensors ...gguf.Tensor) *matrix {
	m := &matrix{tensors: tensors}
	if b.err != nil {
		return m
	}
	t := tensors[0]
	kind := t.Type
	if to, ok := quant.Expansion(kind); ok {
		kind, m.expand = to, true
	}
	var err error
	if m.layout, err = quant.LayoutOf(kind, cols); err != nil {
		b.fail("tensor %q: %w", t.Name, err)
		return m
	}
	if m.format, err = shaders.FormatOf(kind.String()); err != nil {
		b.fail("tensor %q: %w", t.Name, err)
		return m
	}
	for _, t := range tensors {
		m.rows += int(t.Rows())
	}
	b.seed++
	m.seed = b.seed
	if b.away {
		return m
	}
	limit := int(min(b.limits.StorageBindingSize, b.limits.BufferSize))
	most := limit / max(m.layout.QuantBytesPerRow, m.layout.ScaleBytesPerRow)
	if most < m.rows {
		most = most / unit * unit
	}
	if most < 2 {
		b.fail("tensor %q: a row of %d bytes, or an expert of %d such rows, is above the adapter's binding limit of %d", t.Name, m.layout.QuantBytesPerRow, unit, limit)
		return m
	}
	for first := 0; first < m.rows; first += most {
		m.parts = append(m.parts, part{first: first, rows: min(most, m.rows-first)})
	}
	b.weights.matrices = append(b.weights.matrices, m)
	return m
}

// interleaved lays out two tensors with their rows in turn.
func (b *builder) interleaved(cols int, gate, up gguf.Tensor) *matrix {
	m := b.matrix(cols, gate, up)
	m.interleave = true
	return m
}

// halves lays out the two halves of a tensor's rows with their rows in turn.
func (b *builder) halves(cols int, t gguf.Tensor) *matrix {
	if b.err != nil {
		return &matrix{}
	}
	half := func(i uint64) gguf.Tensor {
		return gguf.Tensor{Name: t.Name, Type: t.Type, Dims: []uint64{t.Dims[0], t.Dims[1] / 2}, Offset: t.Offset + i*t.Size/2, Size: t.Size / 2}
	}
	m := b.interleaved(cols, half(0), half(1))
	m.halved = &t
	return m
}

// stored returns the tensor of the source whose rows from skip on are those of tensor k.
func (m *matrix) stored(k int) (t gguf.Tensor, skip int) {
	if m.halved == nil {
		return m.tensors[k], 0
	}
	return *m.halved, k * int(m.tensors[k].Rows())
}

// vector lays out tensors end to end, which are lists of numbers but for those of several lists in one.
func (b *builder) vector(tensors ...gguf.Tensor) *vector {
	v := &vector{tensors: tensors}
	for _, t := range tensors {
		if b.err != nil {
			return v
		}
		if t.Type != gguf.F32 && t.Type != gguf.F16 && t.Type != gguf.BF16 {
			b.fail("tensor %q: a vector of type %s is not supported (F32, F16, BF16)", t.Name, t.Type)
		}
		v.cols += int(t.Elements())
	}
	if !b.away {
		b.weights.vectors = append(b.weights.vectors, v)
	}
	return v
}
