package model_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"umbra/gpu"
	"umbra/model"
)

var roomy = gpu.Limits{BufferSize: 1 << 30, StorageBindingSize: 1 << 30}

// Missing optional keys take GGUF's defaults. Scaling follows llama.cpp: a factor alone is linear, "none" overrules it.
func TestConfigDefaults(t *testing.T) {
	for _, c := range []struct {
		name   string
		change map[string]any
		want   model.RopeConfig
	}{
		{"as it is", nil, model.RopeConfig{Rotated: 16, Base: 10000, Factor: 2}},
		{"factor without a type", map[string]any{"rope.scaling.type": nil}, model.RopeConfig{Rotated: 16, Base: 10000, Factor: 2}},
		{"factor by its first name", map[string]any{"rope.scaling.type": nil, "rope.scaling.factor": nil, "rope.scale_linear": float32(4)},
			model.RopeConfig{Rotated: 16, Base: 10000, Factor: 4}},
		{"neither", map[string]any{"rope.scaling.type": nil, "rope.scaling.factor": nil}, model.RopeConfig{Rotated: 16, Base: 10000, Factor: 1}},
		{"none", map[string]any{"rope.scaling.type": "none"}, model.RopeConfig{Rotated: 16, Base: 10000, Factor: 1}},
		{"yarn", map[string]any{"rope.scaling.type": "yarn", "rope.scaling.factor": float32(1), "rope.scaling.yarn_beta_fast": float32(16)},
			model.RopeConfig{Rotated: 16, Base: 10000, Factor: 1, Yarn: true, BetaFast: 16, BetaSlow: 1}},
		{"longrope", map[string]any{"rope.scaling.type": "longrope", "rope.scaling.attn_factor": float32(1.5)},
			model.RopeConfig{Rotated: 16, Base: 10000, Factor: 2, Magnitude: 0.5}},
		{"another base", map[string]any{"rope.freq_base": float32(5e5)}, model.RopeConfig{Rotated: 16, Base: 5e5, Factor: 2}},
		{"a part of a head", map[string]any{"rope.dimension_count": uint32(8)}, model.RopeConfig{Rotated: 8, Base: 10000, Factor: 2}},
		{"all of a head", map[string]any{"rope.dimension_count": nil, "attention.key_length": nil, "attention.value_length": nil},
			model.RopeConfig{Rotated: 16, Base: 10000, Factor: 2}},
	} {
		x := contentsOf(t, open(t, "oracle/arch/llama-linear-rope.gguf"))
		for key, v := range c.change {
			x.set("llama."+key, v)
		}
		p, err := model.PlanFor(x.file(), model.Options{}, roomy)
		require.NoError(t, err, c.name)
		c.want.Original, c.want.Magnitude = 512, c.want.Magnitude+1
		assert.Equal(t, c.want, p.Config.Rope, c.name)
		assert.Equal(t, 16, p.Config.HeadDim, c.name)
	}
	x := contentsOf(t, open(t, "oracle/arch/llama-mha-tied.gguf"))
	x.set("llama.attention.head_count_kv", nil)
	p, err := model.PlanFor(x.file(), model.Options{}, roomy)
	require.NoError(t, err)
	assert.Equal(t, 4, p.Config.KVHeads)
}

func TestPlanDefaults(t *testing.T) {
	f := open(t, "gopher-28m-q8_0.gguf")
	p, err := model.PlanFor(f, model.Options{}, roomy)
	require.NoError(t, err)
	assert.Equal(t, []int{1024, 16, 512, 16, 1024}, []int{p.Context, p.Sequences, p.BatchTokens, p.Outputs, p.Blocks})
	assert.EqualValues(t, 1024*16*2*8*4*64*4, p.KV)
	// A context of one sequence is always held; many are up to a budget.
	p, err = model.PlanFor(f, model.Options{Context: 100, Sequences: 3, BatchTokens: 50, Outputs: 70, KVType: model.F16}, roomy)
	require.NoError(t, err)
	assert.Equal(t, []int{100, 3, 50, 50, 21}, []int{p.Context, p.Sequences, p.BatchTokens, p.Outputs, p.Blocks})
	assert.EqualValues(t, 21*16*2*8*4*64*2, p.KV)
	p, err = model.PlanFor(f, model.Options{Sequences: 64}, roomy)
	require.NoError(t, err)
	assert.Equal(t, (1<<30)/(16*2*8*4*64*4), p.Blocks)
}

// TestKVBytesOption sizes the pool in bytes: whole blocks of them, at least a context, in any type.
func TestKVBytesOption(t *testing.T) {
	f := open(t, "gopher-28m-q8_0.gguf") // 8 layers, 4 heads of 64: 16, 8 and 4.25 KiB a token
	for kv, token := range map[model.KVType]uint64{model.F32: 16 << 10, model.F16: 8 << 10, model.I8: 4352} {
		block := 16 * token
		for bytes, blocks := range map[uint64]int{7 * block: 7, 8*block - 1: 7, 100*block + 1: 100} {
			p, err := model.PlanFor(f, model.Options{Context: 100, KVType: kv, KVBytes: bytes}, roomy)
			require.NoError(t, err)
			assert.Equal(t, blocks, p.Blocks)
			assert.Equal(t, uint64(blocks)*block, p.KV)
		}
		_, err := model.PlanFor(f, model.Options{Context: 100, KVType: kv, KVBytes: 7*block - 1}, roomy)
		assert.EqualError(t, err, fmt.Sprintf("model: %d bytes of %v KV hold 96 tokens, not a context of 100; give at least %d bytes, a smaller context, or a smaller KV type",
			7*block-1, kv, 7*block))
	}
	_, err := model.PlanFor(f, model.Options{Blocks: 70, KVBytes: 1 << 30}, roomy)
	assert.ErrorContains(t, err, "model: 70 blocks and 1073741824 bytes both size the KV pool; give one of them")
	_, err = model.PlanFor(f, model.Options{KVBytes: 1 << 60}, roomy)
	assert.ErrorContains(t, err, "use at most 131072 blocks")
}

// partial rotation is neither in the tiny models nor in gopher.
func TestPartialRotation(t *testing.T) {
	for _, base := range []string{"llama-mha-tied", "qwen2"} {
		x := contentsOf(t, open(t, "oracle/arch/"+base+".gguf"))
		arch, _ := x.file().String("general.architecture")
		x.set(arch+".rope.dimension_count", uint32(8))
		f := x.file()
		ids := []int32{9, 8, 7, 200, 6, 5, 4, 100, 3, 2, 1, 0}
		want := newReference(t, f).logits(ids, everywhere)
		matches(t, logits(t, load(t, f, model.Options{Sequences: 1, BatchTokens: 12, Outputs: 12}), ids, 12), want, 5e-5)
	}
}

// TestWindows reads which layers have a window, by the architecture's period, another, a list, and none.
func TestWindows(t *testing.T) {
	for _, c := range []struct {
		base  string
		key   string
		value any
		want  []int
	}{
		{"gemma2", "", nil, []int{16, 0, 16}},
		{"gemma3", "", nil, []int{16, 16, 16, 16, 16, 0, 16}},
		{"gemma3", "attention.sliding_window_pattern", uint32(2), []int{16, 0, 16, 0, 16, 0, 16}},
		{"gemma2", "attention.sliding_window_pattern", []bool{false, false, true}, []int{0, 0, 16}},
		{"cohere2", "attention.sliding_window", uint32(5), []int{5, 5, 5}},
		{"cohere2", "attention.sliding_window", nil, []int{4096, 4096, 4096}},
		{"gemma2", "attention.sliding_window", uint32(0), []int{0, 0, 0}},
		{"exaone4", "", nil, []int{0, 0, 0}},
		{"exaone4", "attention.sliding_window", uint32(7), []int{7, 7, 7}},
		{"olmo2", "", nil, []int{0, 0}},
	} {
		x := contentsOf(t, open(t, "oracle/arch/"+c.base+".gguf"))
		if c.key != "" {
			x.set(c.base+"."+c.key, c.value)
		}
		p, err := model.PlanFor(x.file(), model.Options{}, roomy)
		require.NoError(t, err)
		var got []int
		for i := range p.Config.Layers {
			got = append(got, p.Config.Window(i))
		}
		assert.Equal(t, c.want, got, "%+v", c)
	}
}
