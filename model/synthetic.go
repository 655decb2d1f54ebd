package model

import (
	"fmt"
	"sort"
	"strings"

	"umbra/model/gguf"
)

// Shape is the true shape of a published model, for benchmarks with random weights.
type Shape struct {
	Name, Architecture                    string
	Layers, Embed, FeedForward, Heads, KV int
	HeadDim, Vocab, Context               int
	Base                                  float64
	Tied                                  bool
}

// shapes are taken from the models' published configurations.
var shapes = []Shape{
	{"llama3.1-8b", "llama", 32, 4096, 14336, 32, 8, 128, 128256, 131072, 500000, false},
	{"llama3.2-1b", "llama", 16, 2048, 8192, 32, 8, 64, 128256, 131072, 500000, true},
	{"qwen2.5-0.5b", "qwen2", 24, 896, 4864, 14, 2, 64, 151936, 32768, 1000000, true},
	{"smollm2-135m", "llama", 30, 576, 1536, 9, 3, 64, 49152, 8192, 100000, true},
	{"gopher-28m", "llama", 8, 512, 1536, 8, 4, 64, 8192, 1024, 10000, true},
}

// ShapeOf finds a shape by name.
func ShapeOf(name string) (Shape, error) {
	var names []string
	for _, s := range shapes {
		if s.Name == name {
			return s, nil
		}
		names = append(names, s.Name)
	}
	sort.Strings(names)
	return Shape{}, fmt.Errorf("model: shape %q is not known (%s)", name, strings.Join(names, ", "))
}

// fallbacks are what matrices have whose columns are no whole blocks of a type: something of a similar size or larger with smaller blocks.
var fallbacks = map[gguf.Type]gguf.Type{
	gguf.Q2_K: gguf.IQ4_NL, gguf.Q3_K: gguf.IQ4_NL, gguf.Q4_K: gguf.Q5_0, gguf.Q5_K: gguf.Q5_1, gguf.Q6_K: gguf.Q8_0, gguf.IQ4_XS: gguf.IQ4_NL,
}

// Synthetic returns a source of a shape whose matrices all have one type, as far as their columns are whole blocks of it,
// and are filled with random weights on the device.
func Synthetic(s Shape, t gguf.Type) Source {
	y := &synthetic{strings: map[string]string{"general.architecture": s.Architecture, "general.name": s.Name},
		uints: map[string]uint64{}, floats: map[string]float64{}, tensors: map[string]gguf.Tensor{}}
	for key, v := range map[string]int{
		"context_length": s.Context, "block_count": s.Layers, "embedding_length": s.Embed, "feed_forward_length": s.FeedForward,
		"attention.head_count": s.Heads, "attention.head_count_kv": s.KV, "attention.key_length": s.HeadDim,
		"attention.value_length": s.HeadDim, "rope.dimension_count": s.HeadDim,
	} {
		y.uints[s.Architecture+"."+key] = uint64(v)
	}
	y.floats[s.Architecture+".rope.freq_base"] = s.Base
	y.floats[s.Architecture+".attention.layer_norm_rms_epsilon"] = 1e-5
	add := func(name string, t gguf.Type, dims ...uint64) {
		if other, ok := fallbacks[t]; ok && dims[0]%uint64(t.BlockSize()) != 0 {
			t = other
		}
		y.tensors[name] = gguf.Tensor{Name: name, Type: t, Dims: dims}
	}
	d, ff, q, kv := uint64(s.Embed), uint64(s.FeedForward), uint64(s.Heads*s.HeadDim), uint64(s.KV*s.HeadDim)
	add("token_embd.weight", t, d, uint64(s.Vocab))
	add("output_norm.weight", gguf.F32, d)
	if !s.Tied {
		add("output.weight", t, d, uint64(s.Vocab))
	}
	for i := range s.Layers {
		for _, x := range []struct {
			name string
			dims []uint64
		}{
			{"attn_norm", []uint64{d}}, {"attn_q", []uint64{d, q}}, {"attn_k", []uint64{d, kv}}, {"attn_v", []uint64{d, kv}},
			{"attn_output", []uint64{q, d}}, {"ffn_norm", []uint64{d}}, {"ffn_gate", []uint64{d, ff}}, {"ffn_up", []uint64{d, ff}},
			{"ffn_down", []uint64{ff, d}},
		} {
			kind := t
			if len(x.dims) == 1 {
				kind = gguf.F32
			}
			add(fmt.Sprintf("blk.%d.%s.weight", i, x.name), kind, x.dims...)
		}
		if s.Architecture == "qwen2" {
			for name, n := range map[string]uint64{"attn_q": q, "attn_k": kv, "attn_v": kv} {
				add(fmt.Sprintf("blk.%d.%s.bias", i, name), gguf.F32, n)
			}
		}
	}
	return y
}

type synthetic struct {
	strings map[string]string
	uints   map[string]uint64
	floats  map[string]float64
	tensors map[string]gguf.Tensor
}

func (y *synthetic) String(key string) (string, bool)       { v, ok := y.strings[key]; return v, ok }
func (y *synthetic) Uint(key string) (uint64, bool)         { v, ok := y.uints[key]; return v, ok }
func (y *synthetic) Float(key string) (float64, bool)       { v, ok := y.floats[key]; return v, ok }
func (y *synthetic) Tensor(name string) (gguf.Tensor, bool) { t, ok := y.tensors[name]; return t, ok }
func (y *synthetic) Data(gguf.Tensor) []byte                { return nil }
