package model_test

import (
	"bytes"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"umbra/model/gguf"
	"umbra/model/quant"
)

// contents is a GGUF file taken apart, to be changed and put together again.
type contents struct {
	t        testing.TB
	metadata []gguf.KV
	tensors  []tensor
}

type tensor struct {
	name string
	kind gguf.Type
	dims []uint64
	data []byte
}

// contentsOf takes a file apart.
func contentsOf(t testing.TB, f *gguf.File) *contents {
	c := &contents{t: t, metadata: slices.Clone(f.Metadata)}
	for _, x := range f.Tensors {
		c.tensors = append(c.tensors, tensor{x.Name, x.Type, slices.Clone(x.Dims), slices.Clone(f.Data(x))})
	}
	return c
}

// file puts it together.
func (c *contents) file() *gguf.File {
	c.t.Helper()
	w := gguf.NewWriter()
	for _, kv := range c.metadata {
		w.Set(kv.Key, kv.Value)
	}
	for _, x := range c.tensors {
		w.Add(x.name, x.kind, x.dims, x.data)
	}
	var out bytes.Buffer
	_, err := w.WriteTo(&out)
	require.NoError(c.t, err)
	f, err := gguf.Parse(out.Bytes())
	require.NoError(c.t, err)
	return f
}

// set adds or replaces a metadata entry; nil removes it.
func (c *contents) set(key string, value any) {
	c.metadata = slices.DeleteFunc(c.metadata, func(kv gguf.KV) bool { return kv.Key == key })
	if value != nil {
		c.metadata = append(c.metadata, gguf.KV{Key: key, Value: value})
	}
}

// add adds or replaces a tensor of random values with a standard deviation.
func (c *contents) add(name string, kind gguf.Type, deviation float64, dims ...uint64) {
	r := rand.New(rand.NewPCG(uint64(len(c.tensors)), 7))
	n := uint64(1)
	for _, d := range dims {
		n *= d
	}
	values := make([]float32, n)
	for i := range values {
		values[i] = float32(r.NormFloat64() * deviation)
	}
	c.put(name, kind, values, dims...)
}

// put adds or replaces a tensor.
func (c *contents) put(name string, kind gguf.Type, values []float32, dims ...uint64) {
	c.t.Helper()
	x := tensor{name, kind, dims, make([]byte, len(values)/kind.BlockSize()*kind.BlockBytes())}
	require.NoError(c.t, quant.Quantize(kind, values, x.data))
	if i := c.index(name); i >= 0 {
		c.tensors[i] = x
	} else {
		c.tensors = append(c.tensors, x)
	}
}

// values reads a tensor.
func (c *contents) values(name string) ([]float32, tensor) {
	c.t.Helper()
	i := c.index(name)
	require.GreaterOrEqual(c.t, i, 0, name)
	x := c.tensors[i]
	v := make([]float32, len(x.data)/x.kind.BlockBytes()*x.kind.BlockSize())
	require.NoError(c.t, quant.Dequantize(x.kind, x.data, v))
	return v, x
}

// retype stores a tensor as another type.
func (c *contents) retype(name string, kind gguf.Type) {
	c.t.Helper()
	v, x := c.values(name)
	c.put(name, kind, v, x.dims...)
}

// remove takes a tensor out.
func (c *contents) remove(name string) {
	c.t.Helper()
	i := c.index(name)
	require.GreaterOrEqual(c.t, i, 0, name)
	c.tensors = slices.Delete(c.tensors, i, i+1)
}

func (c *contents) index(name string) int {
	return slices.IndexFunc(c.tensors, func(x tensor) bool { return x.name == name })
}

// shape is what build makes a random model of.
type shape struct {
	arch                                                string
	layers, embed, feedForward, heads, kvHeads, headDim uint64
	vocab, context                                      uint64
	tied                                                bool
}

// build makes a random F32 model of a shape, its logits a few units wide.
func build(t testing.TB, s shape) *contents {
	c := &contents{t: t}
	c.set("general.architecture", s.arch)
	c.set("general.name", "random")
	for key, v := range map[string]uint64{
		"context_length": s.context, "embedding_length": s.embed, "block_count": s.layers, "feed_forward_length": s.feedForward,
		"attention.head_count": s.heads, "attention.head_count_kv": s.kvHeads, "attention.key_length": s.headDim,
		"attention.value_length": s.headDim, "rope.dimension_count": s.headDim,
	} {
		c.set(s.arch+"."+key, uint32(v))
	}
	c.set(s.arch+".attention.layer_norm_rms_epsilon", float32(1e-6))
	matrix := func(name string, cols, rows uint64) {
		c.add(name, gguf.F32, 1/math.Sqrt(float64(cols)), cols, rows)
	}
	c.add("token_embd.weight", gguf.F32, 1, s.embed, s.vocab)
	c.add("output_norm.weight", gguf.F32, 1, s.embed)
	if !s.tied {
		matrix("output.weight", s.embed, s.vocab)
	}
	q, kv := s.heads*s.headDim, s.kvHeads*s.headDim
	for i := range s.layers {
		name := func(n string) string { return "blk." + string(rune('0'+i)) + "." + n }
		c.add(name("attn_norm.weight"), gguf.F32, 1, s.embed)
		matrix(name("attn_q.weight"), s.embed, q)
		matrix(name("attn_k.weight"), s.embed, kv)
		matrix(name("attn_v.weight"), s.embed, kv)
		if s.arch == "qwen2" {
			c.add(name("attn_q.bias"), gguf.F32, 1, q)
			c.add(name("attn_k.bias"), gguf.F32, 1, kv)
			c.add(name("attn_v.bias"), gguf.F32, 1, kv)
		}
		matrix(name("attn_output.weight"), q, s.embed)
		c.add(name("ffn_norm.weight"), gguf.F32, 1, s.embed)
		matrix(name("ffn_gate.weight"), s.embed, s.feedForward)
		matrix(name("ffn_up.weight"), s.embed, s.feedForward)
		matrix(name("ffn_down.weight"), s.feedForward, s.embed)
	}
	return c
}
