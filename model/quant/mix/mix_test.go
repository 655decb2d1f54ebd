package mix

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"umbra/model/gguf"
	"umbra/model/quant"
)

// dense is an 8B's shape.
var dense = Model{Layers: 32, Groups: 4}

// typeOf is the type of a tensor of 4096 columns.
func typeOf(t *testing.T, mix, name string, m Model) gguf.Type {
	t.Helper()
	x, err := Named(mix)
	require.NoError(t, err)
	got, ok, err := x.Type(name, []uint64{4096, 1024}, m, nil)
	require.NoError(t, err)
	require.True(t, ok)
	return got
}

func TestMixes(t *testing.T) {
	for _, c := range []struct {
		mix, name string
		model     Model
		want      gguf.Type
	}{
		{"q4_k_m", "blk.0.attn_q.weight", dense, gguf.Q4_K},
		{"q4_k_m", "blk.3.ffn_down.weight", dense, gguf.Q6_K}, // first eighth
		{"q4_k_m", "blk.4.ffn_down.weight", dense, gguf.Q4_K}, // 0 of three
		{"q4_k_m", "blk.6.ffn_down.weight", dense, gguf.Q6_K}, // 2 of three
		{"q4_k_m", "blk.27.attn_v.weight", dense, gguf.Q6_K},  // 23 = 2 of three
		{"q4_k_m", "blk.26.attn_v.weight", dense, gguf.Q4_K},  //
		{"q4_k_m", "blk.28.attn_v.weight", dense, gguf.Q6_K},  // last eighth
		{"q4_k_m", "blk.9.attn_qkv.weight", dense, gguf.Q5_K}, //
		{"q4_k_m", "output.weight", dense, gguf.Q6_K},         //
		{"q4_k_m", "token_embd.weight", dense, gguf.Q4_K},     //
		{"q4_k_m", "token_embd.weight", Model{Layers: 32, Tied: true}, gguf.Q6_K},
		{"Q4_K", "blk.6.ffn_down.weight", dense, gguf.Q6_K},
		{"q4_k_s", "blk.3.attn_v.weight", dense, gguf.Q5_K},
		{"q4_k_s", "blk.4.attn_v.weight", dense, gguf.Q4_K},
		{"q4_k_s", "blk.3.ffn_down.weight", dense, gguf.Q5_K},
		{"q4_k_s", "blk.31.ffn_down.weight", dense, gguf.Q4_K},
		{"q5_k_m", "blk.0.attn_v.weight", dense, gguf.Q6_K},
		{"q5_k_s", "blk.0.attn_v.weight", dense, gguf.Q5_K},
		{"q3_k_m", "blk.1.attn_v.weight", dense, gguf.Q5_K},
		{"q3_k_m", "blk.2.attn_v.weight", dense, gguf.Q4_K},
		{"q3_k_m", "blk.1.ffn_down.weight", dense, gguf.Q5_K},
		{"q3_k_m", "blk.2.ffn_down.weight", dense, gguf.Q4_K},
		{"q3_k_m", "blk.2.attn_output.weight", dense, gguf.Q4_K},
		{"q3_k_l", "blk.2.attn_output.weight", dense, gguf.Q5_K},
		{"q3_k_s", "blk.2.ffn_down.weight", dense, gguf.Q3_K},
		{"q2_k", "blk.0.attn_v.weight", dense, gguf.Q4_K},
		{"q2_k", "blk.0.attn_v.weight", Model{Layers: 32, Groups: 1}, gguf.Q3_K},
		{"q2_k", "blk.0.ffn_up.weight", dense, gguf.Q2_K},
		{"iq4_xs", "blk.9.attn_v.weight", dense, gguf.Q5_K},
		{"iq4_xs", "blk.9.attn_v.weight", Model{Layers: 32, Groups: 2}, gguf.IQ4_XS},
		{"iq4_nl", "blk.3.ffn_down.weight", dense, gguf.Q5_K},
		{"q8_0", "output.weight", dense, gguf.Q8_0},
		{"q6_k", "output.weight", dense, gguf.Q6_K},
		{"q4_0", "output.weight", dense, gguf.Q6_K},
		{"q4_0", "blk.0.attn_v.weight", dense, gguf.Q4_0},
		{"mxfp4", "token_embd.weight", dense, gguf.Q8_0},
		{"mxfp4", "blk.0.ffn_gate.weight", dense, gguf.MXFP4},
		{"tq2_0", "token_embd.weight", dense, gguf.Q4_K},
		{"f16", "output.weight", dense, gguf.F16},
		{"f32", "output.weight", dense, gguf.F32},
		{"bf16", "blk.0.attn_v.weight", dense, gguf.BF16},
		{"q4_k_m", "blk.5.attn_k.weight", Model{Layers: 32, Experts: 8}, gguf.Q8_0},
		{"q4_k_m", "blk.5.attn_output.weight", Model{Layers: 32, Experts: 8}, gguf.Q5_K},
		{"q6_k", "blk.5.attn_output.weight", Model{Layers: 32, Experts: 8}, gguf.Q6_K},
		{"f16", "blk.5.attn_k.weight", Model{Layers: 32, Experts: 8}, gguf.F16},
		{"q4_k_m", "blk.6.ffn_down_exps.weight", Model{Layers: 32, Experts: 8}, gguf.Q6_K},
	} {
		assert.Equal(t, c.want, typeOf(t, c.mix, c.name, c.model), "%s %s %v", c.mix, c.name, c.model)
	}
}

// Every mix gives every tensor a type that can be made, of any number of layers, with at least the bits of its base.
func TestEveryMix(t *testing.T) {
	files := map[uint32]bool{}
	for _, name := range Names() {
		x, err := Named(name)
		require.NoError(t, err)
		assert.False(t, files[x.FileType], name)
		files[x.FileType] = true
		for _, layers := range []int{1, 2, 8, 80} {
			for layer := range layers {
				for _, kind := range []string{"attn_q", "attn_k", "attn_v", "attn_qkv", "attn_output", "ffn_up", "ffn_down", "ffn_gate_exps"} {
					for _, cols := range []uint64{4096, 96, 100} {
						got, ok, err := x.Type(fmt.Sprintf("blk.%d.%s.weight", layer, kind), []uint64{cols, 7}, Model{Layers: layers, Groups: layers}, nil)
						require.NoError(t, err)
						require.True(t, ok)
						require.Contains(t, quant.Quantizable(), got)
						require.Zero(t, cols%uint64(got.BlockSize()))
						require.GreaterOrEqual(t, bits(got), bits(x.Base), "%s %s", name, kind)
					}
				}
			}
		}
	}
	_, err := Named("q9_z")
	assert.ErrorContains(t, err, `"q9_z" is not one of f32, f16, bf16, q8_0, `)
}

func TestStays(t *testing.T) {
	for name, dims := range map[string][]uint64{
		"blk.0.attn_norm.weight": {64}, "blk.0.attn_q.bias": {64}, "rope_freqs.weight": {64}, "blk.0.attn_q_norm.weight": {64, 2},
		"blk.0.ffn_gate_inp.weight": {64, 8}, "blk.0.attn_q.weight": {64, 1, 1}, "blk.0.something": {64, 64}, "position_embd.weight": {64, 64},
	} {
		assert.True(t, Stays(name, dims), name)
		_, ok, err := mixes[0].Type(name, dims, dense, nil)
		assert.NoError(t, err)
		assert.False(t, ok)
	}
	assert.False(t, Stays("blk.0.ffn_gate.weight", []uint64{64, 64}))
	assert.False(t, Stays("blk.0.ffn_gate_exps.weight", []uint64{64, 64, 8}))
}

func TestFallback(t *testing.T) {
	for _, c := range []struct {
		t    gguf.Type
		cols uint64
		want gguf.Type
	}{
		{gguf.Q4_K, 512, gguf.Q4_K}, {gguf.Q4_K, 96, gguf.Q5_0}, {gguf.Q5_K, 96, gguf.Q5_1}, {gguf.Q6_K, 96, gguf.Q8_0}, {gguf.Q2_K, 96, gguf.IQ4_NL},
		{gguf.Q3_K, 96, gguf.IQ4_NL}, {gguf.IQ4_XS, 96, gguf.IQ4_NL}, {gguf.TQ1_0, 96, gguf.IQ4_NL}, {gguf.Q8_0, 40, gguf.F16}, {gguf.Q4_K, 40, gguf.F16},
		{gguf.F32, 41, gguf.F32},
	} {
		got := Fallback(c.t, c.cols)
		assert.Equal(t, c.want, got, "%v of %d", c.t, c.cols)
	}
}

func TestOverrides(t *testing.T) {
	var all []Override
	for _, text := range []string{`ffn_down=Q8_0`, `blk\.[01]\.ffn=f16`, `=x=q5_1`} {
		o, err := ParseOverride(text)
		require.NoError(t, err, text)
		all = append(all, o)
	}
	assert.Equal(t, `blk\.[01]\.ffn=F16`, all[1].String())
	x, err := Named("q4_k_m")
	require.NoError(t, err)
	for name, want := range map[string]gguf.Type{
		"blk.0.ffn_down.weight": gguf.Q8_0, "blk.0.ffn_up.weight": gguf.F16, "blk.2.ffn_up.weight": gguf.Q4_K, "a=x.weight": gguf.Q5_1,
	} {
		got, ok, err := x.Type(name, []uint64{256, 2}, dense, all)
		require.NoError(t, err)
		assert.True(t, ok)
		assert.Equal(t, want, got, name)
	}
	_, ok, err := x.Type("blk.0.ffn_down_norm.weight", []uint64{256}, dense, all)
	assert.NoError(t, err)
	assert.False(t, ok, "what stays, stays")
	_, _, err = x.Type("blk.0.ffn_down.weight", []uint64{40, 2}, dense, all)
	assert.ErrorContains(t, err, `tensor "blk.0.ffn_down.weight" has rows of 40 values, no whole blocks of 32 as Q8_0 needs; name another type for it (F16 would do)`)
	for text, want := range map[string]string{
		"ffn_down": "no PATTERN=TYPE", "=q8_0": "no PATTERN=TYPE", "(=q8_0": "missing closing )", "x=q7": `type "q7" is not one of f32, f16, `,
		"x=iq2_xs": "IQ2_XS can be read, not made",
	} {
		_, err := ParseOverride(text)
		assert.ErrorContains(t, err, want, text)
	}
}
