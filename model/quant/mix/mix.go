// Package mix says which tensor of a model gets which type when the model is quantised to a mix such as q4_k_m: most matrices the
// mix's own type, those that cost much when they are coarse more bits. The mixes are those of llama.cpp's quantize tool in
// substance, so that a name means the same size and much the same quality; docs/quantization.md lists them.
//
// It reads no file and quantises nothing.
package mix

import (
	"fmt"
	"strings"

	"umbra/model/gguf"
)

// Mix is a way to quantise a whole model.
type Mix struct {
	Name     string
	FileType uint32    // what general.file_type says of such a file: enum llama_ftype
	Base     gguf.Type // of every matrix that nothing below speaks of

	output gguf.Type // of output.weight; of token_embd.weight too where there is no other output
	embed  gguf.Type // of token_embd.weight otherwise
	v      rule      // attn_v
	qkv    rule      // attn_qkv, where q, k and v are one matrix
	attn   rule      // attn_output
	down   rule      // ffn_down
}

// Model is what a mix has to know of a model.
type Model struct {
	Layers  int
	Groups  int  // query heads that share a key head
	Experts int  // 0 or 1 for a dense model
	Tied    bool // there is no output.weight: token_embd.weight is it
}

// rule gives the type of a kind of tensor in a layer, or false for the mix's own.
type rule func(layer int, m Model) (gguf.Type, bool)

func always(t gguf.Type) rule { return func(int, Model) (gguf.Type, bool) { return t, true } }

// some is t in the first and last eighth of the layers, and in every third between.
func some(t gguf.Type) rule {
	return func(i int, m Model) (gguf.Type, bool) {
		n := m.Layers
		return t, i < n/8 || i >= 7*n/8 || (i-n/8)%3 == 2
	}
}

// first is t in the first layers; share is how many of them: a number, or a part of all.
func first(share float64, t gguf.Type) rule {
	return func(i int, m Model) (gguf.Type, bool) {
		n := int(share)
		if share < 1 {
			n = int(share * float64(m.Layers))
		}
		return t, i < n
	}
}

// grouped is t where four query heads or more share a key head: attn_v is so much smaller than attn_q then.
func grouped(t gguf.Type) rule {
	return func(_ int, m Model) (gguf.Type, bool) { return t, m.Groups >= 4 }
}

// or is the first of two rules that speaks.
func (r rule) or(other rule) rule {
	return func(i int, m Model) (gguf.Type, bool) {
		if t, ok := r(i, m); ok {
			return t, true
		}
		return other(i, m)
	}
}

var mixes = []Mix{
	{Name: "f32", FileType: 0, Base: gguf.F32},
	{Name: "f16", FileType: 1, Base: gguf.F16},
	{Name: "bf16", FileType: 32, Base: gguf.BF16},
	{Name: "q8_0", FileType: 7, Base: gguf.Q8_0},
	{Name: "q6_k", FileType: 18, Base: gguf.Q6_K},
	{Name: "q5_k_m", FileType: 17, Base: gguf.Q5_K, output: gguf.Q6_K, v: some(gguf.Q6_K), qkv: always(gguf.Q6_K), down: some(gguf.Q6_K)},
	{Name: "q5_k_s", FileType: 16, Base: gguf.Q5_K, output: gguf.Q6_K},
	{Name: "q5_1", FileType: 9, Base: gguf.Q5_1, output: gguf.Q6_K},
	{Name: "q5_0", FileType: 8, Base: gguf.Q5_0, output: gguf.Q6_K},
	{Name: "q4_k_m", FileType: 15, Base: gguf.Q4_K, output: gguf.Q6_K, v: some(gguf.Q6_K), qkv: always(gguf.Q5_K), down: some(gguf.Q6_K)},
	{Name: "q4_k_s", FileType: 14, Base: gguf.Q4_K, output: gguf.Q6_K, v: first(4, gguf.Q5_K), down: first(1./8, gguf.Q5_K)},
	{Name: "q4_1", FileType: 3, Base: gguf.Q4_1, output: gguf.Q6_K},
	{Name: "q4_0", FileType: 2, Base: gguf.Q4_0, output: gguf.Q6_K},
	{Name: "iq4_nl", FileType: 25, Base: gguf.IQ4_NL, output: gguf.Q6_K, v: grouped(gguf.Q5_K), down: first(1./8, gguf.Q5_K)},
	{Name: "iq4_xs", FileType: 30, Base: gguf.IQ4_XS, output: gguf.Q6_K, v: grouped(gguf.Q5_K), down: first(1./8, gguf.Q5_K)},
	{Name: "mxfp4", FileType: 38, Base: gguf.MXFP4, output: gguf.Q8_0, embed: gguf.Q8_0},
	{Name: "q3_k_l", FileType: 13, Base: gguf.Q3_K, output: gguf.Q6_K, v: always(gguf.Q5_K), qkv: always(gguf.Q4_K), attn: always(gguf.Q5_K), down: always(gguf.Q5_K)},
	{Name: "q3_k_m", FileType: 12, Base: gguf.Q3_K, output: gguf.Q6_K, v: first(2, gguf.Q5_K).or(always(gguf.Q4_K)), qkv: always(gguf.Q4_K),
		attn: always(gguf.Q4_K), down: first(1./16, gguf.Q5_K).or(always(gguf.Q4_K))},
	{Name: "q3_k_s", FileType: 11, Base: gguf.Q3_K, output: gguf.Q6_K},
	{Name: "q2_k", FileType: 10, Base: gguf.Q2_K, output: gguf.Q6_K, v: grouped(gguf.Q4_K).or(always(gguf.Q3_K)), qkv: always(gguf.Q3_K),
		attn: always(gguf.Q3_K), down: always(gguf.Q3_K)},
	{Name: "tq2_0", FileType: 37, Base: gguf.TQ2_0, output: gguf.Q6_K, embed: gguf.Q4_K},
	{Name: "tq1_0", FileType: 36, Base: gguf.TQ1_0, output: gguf.Q6_K, embed: gguf.Q4_K},
}

// Names lists the mixes, the largest first.
func Names() []string {
	names := make([]string, len(mixes))
	for i, m := range mixes {
		names[i] = m.Name
	}
	return names
}

// Named returns a mix by its name, whatever the case. "q4_k" is q4_k_m, and so on, as in llama.cpp.
func Named(name string) (Mix, error) {
	n := strings.ToLower(name)
	for _, m := range mixes {
		if m.Name == n || m.Name == n+"_m" {
			return m, nil
		}
	}
	return Mix{}, fmt.Errorf("mix: %q is not one of %s", name, strings.Join(Names(), ", "))
}

// Type returns the type of a tensor of a model, given its name and dimensions (columns first). It is false for a tensor
// that stays what it is: vectors, norms, small tables. Of the overrides the first that matches the name decides, for a tensor that
// does not stay. A type whose blocks the columns don't fill gives way to Fallback; an override's is an error instead.
func (m Mix) Type(name string, dims []uint64, model Model, overrides []Override) (gguf.Type, bool, error) {
	if Stays(name, dims) {
		return 0, false, nil
	}
	for _, o := range overrides {
		if !o.Match(name) {
			continue
		}
		if n := o.Type.BlockSize(); dims[0]%uint64(n) != 0 {
			return 0, false, fmt.Errorf("mix: tensor %q has rows of %d values, no whole blocks of %d as %v needs; name another type for it (%v would do)",
				name, dims[0], n, o.Type, Fallback(o.Type, dims[0]))
		}
		return o.Type, true, nil
	}
	return Fallback(m.choose(name, model), dims[0]), true, nil
}

// choose is the type before columns are looked at.
func (m Mix) choose(name string, model Model) gguf.Type {
	kind, layer := kindOf(name)
	if kind == "output" || kind == "token_embd" && model.Tied {
		return or(m.output, m.Base)
	}
	if kind == "token_embd" {
		return or(m.embed, m.Base)
	}
	// With many experts attention is a small part of the file, and every token goes through it.
	if model.Experts >= 8 && m.Base.BlockSize() > 1 {
		switch kind {
		case "attn_k", "attn_v":
			return gguf.Q8_0
		case "attn_output":
			if bits(m.Base) < bits(gguf.Q5_K) {
				return gguf.Q5_K
			}
		}
	}
	if r := map[string]rule{"attn_v": m.v, "attn_kv_b": m.v, "attn_qkv": m.qkv, "attn_output": m.attn, "ffn_down": m.down}[kind]; r != nil {
		if t, ok := r(layer, model); ok {
			return t
		}
	}
	return m.Base
}

func or(t, fallback gguf.Type) gguf.Type {
	if t == gguf.F32 { // the zero Type: not set
		return fallback
	}
	return t
}

// bits are a type's bits per value.
func bits(t gguf.Type) float64 { return 8 * float64(t.BlockBytes()) / float64(t.BlockSize()) }

// Fallback returns t, or where rows of cols values are no whole blocks of it a type of blocks of 32 that is as close with at least as many
// bits, or where they are no whole blocks of 32 either, F16.
func Fallback(t gguf.Type, cols uint64) gguf.Type {
	if cols%uint64(t.BlockSize()) == 0 {
		return t
	}
	if cols%32 != 0 {
		return gguf.F16
	}
	switch t {
	case gguf.Q4_K:
		return gguf.Q5_0
	case gguf.Q5_K:
		return gguf.Q5_1 // as close as Q5_K; Q5_0 is not
	case gguf.Q6_K:
		return gguf.Q8_0
	}
	return gguf.IQ4_NL
}

// Stays reports whether a tensor is not for quantising: it has one dimension, or is no weight, or is so small, or so
// sensitive, that it would cost more than it saves.
func Stays(name string, dims []uint64) bool {
	n := 0
	for _, d := range dims {
		if d > 1 {
			n++
		}
	}
	if n < 2 || !strings.HasSuffix(name, ".weight") {
		return true
	}
	for _, part := range []string{"_norm.", "ffn_gate_inp", "position_embd", "token_types", "ssm_conv1d", "rope_freqs", "rope_factors"} {
		if strings.Contains(name, part) {
			return true
		}
	}
	return false
}

// kindOf takes a name apart: "blk.3.ffn_down_exps.weight" is ffn_down in layer 3.
func kindOf(name string) (kind string, layer int) {
	kind = strings.TrimSuffix(name, ".weight")
	if n, err := fmt.Sscanf(name, "blk.%d.%s", &layer, &kind); err == nil && n == 2 {
		kind = strings.TrimSuffix(kind, ".weight")
	}
	return strings.TrimSuffix(kind, "_exps"), layer
}
