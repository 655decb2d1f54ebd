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
	// interleave takes rows of the tensors in turn (gate, up, gate, up, ...) instead of one tensor after the other.
	interleave bool
	expand     bool // the tensors are of a type without planes: layout is that of what they are expanded to
	layout     quant.Layout
	format     shaders.Format
	rows       int
	parts      []part // split by rows where a binding cannot hold all
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
	output   *matrix // embed, if tied
	norm     *vector
	factors  *gguf.Tensor // rope_freqs.weight, if there
	blocks   []block
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
	err     error
}

func (b *builder) fail(format string, args ...any) {
	if b.err == nil {
		b.err = fmt.Errorf("model: "+format, args...)
	}
}

// layOut names and measures everything a model needs of its source, and refuses what does not fit its configuration.
func layOut(src Source, arch Architecture, c Config, limits gpu.Limits) (*weights, error) {
	b := &builder{src: src, config: c, limits: limits, weights: &weights{}, used: map[string]bool{}}
	w := b.weights
	w.embed = b.matrix(c.Embed, b.need("token_embd.weight", c.Embed, c.Vocab))
	w.norm = b.vector(b.need("output_norm.weight", c.Embed))
	w.output = w.embed
	if t, ok := b.optional("output.weight", c.Embed, c.Vocab); ok {
		w.output = b.matrix(c.Embed, t)
	}
	if t, ok := b.optional("rope_freqs.weight", c.Rope.Rotated/2); ok {
		w.factors = &t
	}
	for i := range c.Layers {
		w.blocks = append(w.blocks, arch.layer(&layerBuilder{b, i})...)
	}
	if b.err != nil {
		return nil, b.err
	}
	return w, b.unused()
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
	limit := int(min(b.limits.StorageBindingSize, b.limits.BufferSize))
	most := limit / max(m.layout.QuantBytesPerRow, m.layout.ScaleBytesPerRow)
	if most < m.rows {
		most &^= 63 // whole tiles, and gate with up
	}
	if most < 2 {
		b.fail("tensor %q: a row of %d bytes is above the adapter's binding limit of %d", t.Name, m.layout.QuantBytesPerRow, limit)
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

// vector lays out one-dimensional tensors end to end.
func (b *builder) vector(tensors ...gguf.Tensor) *vector {
	v := &vector{tensors: tensors}
	for _, t := range tensors {
		if b.err != nil {
			return v
		}
		if t.Type != gguf.F32 && t.Type != gguf.F16 && t.Type != gguf.BF16 {
			b.fail("tensor %q: a vector of type %s is not supported (F32, F16, BF16)", t.Name, t.Type)
		}
		v.cols += int(t.Dims[0])
	}
	b.weights.vectors = append(b.weights.vectors, v)
	return v
}
