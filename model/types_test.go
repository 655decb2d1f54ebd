package model_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"umbra/gpu/gputest"
	"umbra/model"
	"umbra/model/gguf"
	"umbra/model/quant"
	"umbra/shaders"
)

// TestMixedTypes stores the tensors of tiny models in every type, mixed as quantisers mix them and worse, and compares
// with the reference on the same file: the types' own error is on both sides, and only the rounding of sums is left,
// 8e-6 on lavapipe. A few models have every type and every way to differ; with UMBRA_SOAK=1 each also has models of its own.
func TestMixedTypes(t *testing.T) {
	qwen2 := contentsOf(t, open(t, "oracle/arch/qwen2.gguf"))
	llama := contentsOf(t, open(t, "oracle/arch/llama3-scaled.gguf"))
	// Three blocks a row, so that rows of scales are filled up to whole words, and groups of three heads.
	odd := build(t, shape{arch: "qwen2", layers: 1, embed: 96, feedForward: 160, heads: 6, kvHeads: 2, headDim: 16, vocab: 259, context: 64})
	// Columns that are no whole blocks, which unquantised types may have.
	ragged := build(t, shape{arch: "llama", layers: 1, embed: 40, feedForward: 52, heads: 3, kvHeads: 1, headDim: 16, vocab: 77, context: 64, tied: true})
	// Rows of one and two super-blocks.
	super := build(t, shape{arch: "llama", layers: 1, embed: 256, feedForward: 512, heads: 8, kvHeads: 2, headDim: 32, vocab: 130, context: 64, tied: true})
	type mixed struct {
		name  string
		base  *contents
		types string // of tensors whose names contain a part; "/" stands for every matrix
		wide  bool
	}
	all := []mixed{
		{"all in layers differ", qwen2, "attn_q.weight Q8_0, attn_k.weight Q4_0, attn_v.weight F16, ffn_gate Q4_0, ffn_up Q8_0, ffn_down Q4_1, token_embd BF16", true},
		{"rotation factors in halves", llama, "rope_freqs F16", false},
		{"Q4_0 and others", odd, "/ Q4_0, attn_output Q5_1, ffn_down IQ4_NL, token_embd MXFP4", false},
		{"Q4_K and Q6_K", super, "/ Q4_K, attn_v Q6_K, ffn_down Q6_K, token_embd Q6_K", true},
		{"Q3_K and others", super, "/ Q3_K, attn_v Q5_K, attn_output IQ4_XS, ffn_gate Q8_0, ffn_down Q2_K, token_embd Q5_K", false},
	}
	if soak {
		all = append(all, []mixed{
			{"layers differ", llama, "blk.1.attn_q.weight Q4_1, blk.0.ffn_gate F16, blk.1.ffn_down Q4_0, token_embd Q4_1, output.weight Q8_0", false},
			{"vectors in halves", qwen2, "norm F16, attn_q.bias BF16, attn_v.bias F16", false},
			{"Q5_0 and others", odd, "/ Q5_0, attn_output MXFP4, ffn_down Q8_0, token_embd Q4_1", false},
			{"F16 and BF16", ragged, "/ F16, ffn_gate BF16, ffn_up BF16", true},
			{"q, k and v differ", qwen2, "attn_q.weight Q8_0, attn_k.weight Q4_0, attn_v.weight F16", true},
			{"only q differs, in one layer", qwen2, "blk.1.attn_q.weight Q4_1", true},
			{"only k differs", llama, "attn_k.weight BF16", true},
			{"gate and up differ", qwen2, "ffn_gate Q4_0, ffn_up Q8_0, ffn_down Q4_1", true},
			{"tied embeddings in F16", qwen2, "token_embd F16", true},
			{"tied embeddings in Q4_0", qwen2, "token_embd Q4_0", true},
			{"embeddings and head differ", llama, "token_embd Q4_1, output.weight Q8_0", true},
			{"a mix of Q3_K and others", super, "/ Q3_K, attn_v Q5_K, attn_output Q4_K, ffn_gate Q8_0, token_embd Q6_K", true},
		}...)
		for _, kind := range quant.PlaneTypes() {
			base := odd
			switch {
			case kind.BlockSize() == 1:
				base = ragged
			case kind.BlockSize() == 256:
				base = super
			}
			all = append(all, mixed{"all " + kind.String(), base, "/ " + kind.String(), true})
		}
	}
	for _, c := range all {
		x := contentsOf(t, c.base.file())
		for _, rule := range strings.Split(c.types, ", ") {
			part, name, _ := strings.Cut(rule, " ")
			n := 0
			for _, y := range x.tensors {
				if strings.Contains(y.name, part) || part == "/" && len(y.dims) == 2 {
					x.retype(y.name, typeNamed(t, name))
					n++
				}
			}
			require.Positive(t, n, part)
		}
		f := x.file()
		embeddings, _ := f.Tensor("token_embd.weight")
		ids := randomIDs(rand.New(rand.NewPCG(4, 4)), 21, int(embeddings.Rows()))
		want := newReference(t, f).logits(ids, everywhere)
		for _, narrow := range []bool{true, false} {
			if !narrow && !(c.wide && soak) {
				continue
			}
			t.Run(fmt.Sprintf("%s narrow=%v", c.name, narrow), func(t *testing.T) {
				m, err := model.NewTuned(gputest.Device(t), shaders.Tuning{Narrow: narrow}, f,
					model.Options{Sequences: 1, BatchTokens: 21, Outputs: 21, Blocks: 3, Context: 48})
				require.NoError(t, err)
				defer m.Release()
				matches(t, logits(t, m, ids, 21), want, 5e-5)
			})
		}
	}
}

func typeNamed(t testing.TB, name string) gguf.Type {
	for _, kind := range quant.PlaneTypes() {
		if kind.String() == name {
			return kind
		}
	}
	t.Fatalf("no type %s", name)
	return 0
}
