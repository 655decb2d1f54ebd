package model_test

import (
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"umbra/gpu/gputest"
	"umbra/model"
	"umbra/model/gguf"
)

// TestNewRefuses changes one thing of a good file or of the options at a time. The error names it, nothing stays on the
// device, and nothing panics.
func TestNewRefuses(t *testing.T) {
	d := gputest.Device(t)
	require.NoError(t, d.Flush())
	// raw puts a tensor in whose type no code here can write.
	raw := func(c *contents, name string, kind gguf.Type, dims ...uint64) {
		n := uint64(1)
		for _, d := range dims {
			n *= d
		}
		c.remove(name)
		c.tensors = append(c.tensors, tensor{name, kind, dims, make([]byte, n/uint64(kind.BlockSize())*uint64(kind.BlockBytes()))})
	}
	set := func(key string, value any) func(*contents) { return func(c *contents) { c.set(key, value) } }
	for _, c := range []struct {
		name    string
		base    string
		change  func(*contents)
		options model.Options
		want    string
	}{
		{"no architecture", "qwen2", set("general.architecture", nil), model.Options{}, `metadata general.architecture is missing`},
		{"unknown architecture", "qwen2", set("general.architecture", "mamba"), model.Options{},
			`architecture "mamba" is not supported (cohere2, command-r, exaone4, gemma, gemma2, gemma3, glm4, gpt2, granite, llama, olmo2, phi2, phi3, qwen2, qwen2moe, qwen3, qwen3moe, seed_oss, smollm3, stablelm, starcoder2)`},
		{"architecture of another prefix", "qwen2", set("general.architecture", "llama"), model.Options{}, `metadata llama.context_length is missing`},

		{"type without kernels", "qwen2", func(c *contents) {
			c.add("blk.1.ffn_down.weight", gguf.F32, 1, 256, 64)
			raw(c, "blk.1.ffn_down.weight", gguf.Q8_K, 256, 64)
			c.set("qwen2.feed_forward_length", uint32(256))
			for _, name := range []string{"ffn_gate", "ffn_up"} {
				c.add("blk.0."+name+".weight", gguf.F32, 1, 64, 256)
				c.add("blk.1."+name+".weight", gguf.F32, 1, 64, 256)
			}
			c.add("blk.0.ffn_down.weight", gguf.F32, 1, 256, 64)
		}, model.Options{}, `tensor "blk.1.ffn_down.weight": quant: Q8_K is not supported`},
		{"integers", "qwen2", func(c *contents) { raw(c, "blk.0.attn_q.weight", gguf.I32, 64, 64) }, model.Options{},
			`tensor "blk.0.attn_q.weight": quant: I32 is not supported`},
		{"quantised gain", "qwen2", func(c *contents) { raw(c, "blk.1.attn_norm.weight", gguf.Q8_0, 64) }, model.Options{},
			`tensor "blk.1.attn_norm.weight": a vector of type Q8_0 is not supported (F32, F16, BF16)`},
		{"rotation factors without kernels", "llama3-scaled", func(c *contents) { raw(c, "rope_freqs.weight", gguf.I32, 8) }, model.Options{},
			`tensor "rope_freqs.weight": quant: I32 is not supported`},
		{"rotation factor of zero", "llama3-scaled", func(c *contents) {
			c.put("rope_freqs.weight", gguf.F32, []float32{1, 2, 0, 4, 5, 6, 7, 8}, 8)
		}, model.Options{}, `tensor "rope_freqs.weight": factor 2 is 0, not positive`},
		{"rotation factor that is no number", "llama3-scaled", func(c *contents) {
			c.put("rope_freqs.weight", gguf.F32, []float32{1, 2, 3, 4, 5, 6, 7, float32(math.NaN())}, 8)
		}, model.Options{}, `tensor "rope_freqs.weight": factor 7 is NaN, not positive`},

		{"missing matrix", "qwen2", func(c *contents) { c.remove("blk.1.attn_v.weight") }, model.Options{}, `tensor "blk.1.attn_v.weight" is missing`},
		{"missing bias", "qwen2", func(c *contents) { c.remove("blk.0.attn_k.bias") }, model.Options{}, `tensor "blk.0.attn_k.bias" is missing`},
		{"missing gain", "qwen2", func(c *contents) { c.remove("output_norm.weight") }, model.Options{}, `tensor "output_norm.weight" is missing`},
		{"missing gate", "qwen2", func(c *contents) { c.remove("blk.0.ffn_gate.weight") }, model.Options{}, `tensor "blk.0.ffn_gate.weight" is missing`},
		{"missing embeddings", "qwen2", func(c *contents) { c.remove("token_embd.weight") }, model.Options{}, `tensor token_embd.weight is missing`},
		{"more layers than tensors", "qwen2", set("qwen2.block_count", uint32(3)), model.Options{}, `tensor "blk.2.attn_norm.weight" is missing`},
		{"fewer layers than tensors", "qwen2", set("qwen2.block_count", uint32(1)), model.Options{},
			`tensor "blk.1.attn_norm.weight" is not one that architecture qwen2 as umbra knows it has`},
		{"extra tensor", "qwen2", func(c *contents) { c.add("blk.0.attn_q_norm.weight", gguf.F32, 1, 16) }, model.Options{},
			`tensor "blk.0.attn_q_norm.weight" is not one that architecture qwen2 as umbra knows it has`},
		{"bias of q alone", "llama-mha-tied", func(c *contents) { c.add("blk.0.attn_q.bias", gguf.F32, 1, 64) }, model.Options{},
			`tensor "blk.0.attn_k.bias" is missing`},
		{"norm that llama has not", "llama-mha-tied", func(c *contents) { c.add("blk.0.post_ffw_norm.weight", gguf.F32, 1, 64) }, model.Options{},
			`tensor "blk.0.post_ffw_norm.weight" is not one that architecture llama as umbra knows it has`},

		{"transposed", "qwen2", func(c *contents) { c.add("blk.0.ffn_up.weight", gguf.F32, 1, 96, 64) }, model.Options{},
			`tensor "blk.0.ffn_up.weight" is [96 64], not [64 96] as the metadata says`},
		{"wrong width", "qwen2", func(c *contents) { c.add("blk.1.attn_norm.weight", gguf.F32, 1, 63) }, model.Options{},
			`tensor "blk.1.attn_norm.weight" is [63], not [64] as the metadata says`},
		{"too many dimensions", "qwen2", func(c *contents) { c.add("blk.1.attn_k.weight", gguf.F32, 1, 64, 32, 2) }, model.Options{},
			`tensor "blk.1.attn_k.weight" is [64 32 2], not [64 32] as the metadata says`},
		{"embeddings of one dimension", "qwen2", func(c *contents) { c.add("token_embd.weight", gguf.F32, 1, 64) }, model.Options{},
			`tensor token_embd.weight has 1 dimensions, not 2`},
		{"head of another vocabulary", "llama3-scaled", func(c *contents) { c.add("output.weight", gguf.F32, 1, 64, 255) }, model.Options{},
			`tensor "output.weight" is [64 255], not [64 256] as the metadata says`},
		{"rotation factors of another head", "llama3-scaled", func(c *contents) { c.add("rope_freqs.weight", gguf.F32, 1, 16) }, model.Options{},
			`tensor "rope_freqs.weight" is [16], not [8] as the metadata says`},

		{"no embedding length", "qwen2", set("qwen2.embedding_length", nil), model.Options{}, `metadata qwen2.embedding_length is missing`},
		{"no layers", "qwen2", set("qwen2.block_count", nil), model.Options{}, `metadata qwen2.block_count is missing`},
		{"no epsilon", "qwen2", set("qwen2.attention.layer_norm_rms_epsilon", nil), model.Options{}, `metadata qwen2.attention.layer_norm_rms_epsilon is missing`},
		{"linear scaling without a factor", "llama-linear-rope", set("llama.rope.scaling.factor", nil), model.Options{}, `metadata llama.rope.scaling.factor is missing`},
		{"text for a number", "qwen2", set("qwen2.attention.head_count", "four"), model.Options{}, `metadata qwen2.attention.head_count is missing`},

		{"0 heads", "qwen2", set("qwen2.attention.head_count", uint32(0)), model.Options{}, `metadata qwen2.attention.head_count = 0 is outside 1..4096`},
		{"4294967295 layers", "qwen2", set("qwen2.block_count", uint32(math.MaxUint32)), model.Options{}, `metadata qwen2.block_count = 4294967295 is outside 1..4096`},
		{"0 kv heads", "qwen2", set("qwen2.attention.head_count_kv", uint32(0)), model.Options{}, `metadata qwen2.attention.head_count_kv = 0 is outside 1..4096`},
		{"3 kv heads", "qwen2", set("qwen2.attention.head_count_kv", uint32(3)), model.Options{}, `4 heads do not share 3 kv heads evenly`},
		{"more heads than elements", "qwen2", func(c *contents) {
			c.set("qwen2.attention.head_count", uint32(128))
			c.set("qwen2.attention.key_length", nil)
		}, model.Options{}, `an embedding of 64 elements does not give 128 heads one each`},
		{"heads of 20", "qwen2", func(c *contents) {
			c.set("qwen2.attention.key_length", uint32(20))
			c.set("qwen2.attention.value_length", uint32(20))
		}, model.Options{}, `head dimension 20 is not supported (multiples of 8 from 16 to 256)`},
		{"keys unlike values", "qwen2", set("qwen2.attention.value_length", uint32(32)), model.Options{},
			`values of 32 and keys of 16 elements a head are not supported, only equal ones`},
		{"6 elements rotated", "qwen2", set("qwen2.rope.dimension_count", uint32(6)), model.Options{}, `6 rotated of head dimension 16`},
		{"more rotated than there are", "qwen2", set("qwen2.rope.dimension_count", uint32(32)), model.Options{}, `metadata qwen2.rope.dimension_count = 32 is outside 0..16`},
		{"negative epsilon", "qwen2", set("qwen2.attention.layer_norm_rms_epsilon", float32(-1)), model.Options{},
			`metadata qwen2.attention.layer_norm_rms_epsilon = -1 must be positive`},
		{"epsilon that is no number", "qwen2", set("qwen2.attention.layer_norm_rms_epsilon", math.NaN()), model.Options{},
			`metadata qwen2.attention.layer_norm_rms_epsilon = NaN must be positive`},
		{"infinite base", "qwen2", set("qwen2.rope.freq_base", math.Inf(1)), model.Options{}, `metadata qwen2.rope.freq_base = +Inf must be positive`},
		{"scaling by 0", "llama-linear-rope", set("llama.rope.scaling.factor", float32(0)), model.Options{}, `metadata llama.rope.scaling.factor = 0 must be positive`},
		{"unknown scaling", "llama-linear-rope", set("llama.rope.scaling.type", "ntk"), model.Options{},
			`rope scaling "ntk" is not supported (none, linear, yarn, longrope, or frequencies in rope_freqs.weight)`},
		{"yarn without a factor", "llama-yarn", set("llama.rope.scaling.factor", nil), model.Options{}, `metadata llama.rope.scaling.factor is missing`},
		{"yarn of DeepSeek", "llama-yarn", set("llama.rope.scaling.yarn_log_multiplier", float32(0.1)), model.Options{},
			`metadata llama.rope.scaling.yarn_log_multiplier is not supported`},
		{"half of longrope", "phi3-longrope", func(c *contents) { c.remove("rope_factors_short.weight") }, model.Options{},
			`one of tensors rope_factors_long.weight and rope_factors_short.weight is missing`},
		{"no logit scale", "command-r", set("command-r.logit_scale", nil), model.Options{}, `metadata command-r.logit_scale is missing`},
		{"negative cap", "gemma2", set("gemma2.attn_logit_softcapping", float32(-1)), model.Options{}, `metadata gemma2.attn_logit_softcapping = -1 must be positive`},
		{"pattern of fewer layers", "gemma3", set("gemma3.attention.sliding_window_pattern", []bool{true}), model.Options{},
			`metadata gemma3.attention.sliding_window_pattern has 1 values for 7 layers`},
		{"no positions", "gpt2", func(c *contents) { c.remove("position_embd.weight") }, model.Options{}, `tensor "position_embd.weight" is missing`},
		{"fused matrix of another width", "phi3", func(c *contents) { c.add("blk.0.attn_qkv.weight", gguf.F32, 1, 64, 96) }, model.Options{},
			`tensor "blk.0.attn_qkv.weight" is [64 96], not [64 128] as the metadata says`},
		{"experts", "qwen2", func(c *contents) {
			c.set("qwen2.expert_count", uint32(8))
			c.set("qwen2.expert_used_count", uint32(2))
		}, model.Options{}, `a mixture of 8 experts is not supported by architecture qwen2`},
		{"more experts used than there are", "mixtral", set("llama.expert_used_count", uint32(9)), model.Options{}, `metadata llama.expert_used_count = 9 is outside 1..8`},
		{"another number of experts", "mixtral", set("llama.expert_count", uint32(7)), model.Options{}, `tensor "blk.0.ffn_gate_inp.weight" is [64 8], not [64 7]`},
		{"no experts", "qwen2moe", set("qwen2moe.expert_count", nil), model.Options{}, `metadata qwen2moe.expert_count is missing`},
		{"another gating", "qwen2moe", set("qwen2moe.expert_gating_func", uint32(4)), model.Options{}, `qwen2moe.expert_gating_func = 4 is not supported`},

		{"context above the model's", "qwen2", nil, model.Options{Context: 513}, `context of 513 tokens is outside 1..512, what tiny was trained for`},
		{"negative context", "qwen2", nil, model.Options{Context: -1}, `context of -1 tokens is outside 1..512`},
		{"negative sequences", "qwen2", nil, model.Options{Sequences: -1}, `-1 sequences need at least as many batch tokens`},
		{"more sequences than rows", "qwen2", nil, model.Options{Sequences: 8, BatchTokens: 7}, `8 sequences need at least as many batch tokens, not 7`},
		{"negative pool", "qwen2", nil, model.Options{Blocks: -1}, `kv pool of -1 blocks`},
		{"negative contexts", "qwen2", nil, model.Options{Contexts: -2}, `-2 contexts`},
		{"pool above all bindings", "qwen2", nil, model.Options{Blocks: 1 << 40}, `blocks needs`},
		{"rows above a binding", "qwen2", nil, model.Options{BatchTokens: 1 << 40}, `1099511627776 batch tokens are above the`},
	} {
		t.Run(c.name, func(t *testing.T) {
			x := contentsOf(t, open(t, "oracle/arch/"+c.base+".gguf"))
			if c.change != nil {
				c.change(x)
			}
			before := d.Memory()
			m, err := model.New(d, x.file(), c.options)
			require.Error(t, err)
			assert.Nil(t, m)
			assert.True(t, strings.HasPrefix(err.Error(), "model: "), err.Error())
			assert.ErrorContains(t, err, c.want)
			assert.Equal(t, before, d.Memory())
		})
	}
}

// broken is a file of which one tensor's bytes are not what they should be.
type broken struct {
	*gguf.File
	tensor string
	data   func(good []byte) []byte
}

func (b broken) Data(t gguf.Tensor) []byte {
	if t.Name == b.tensor {
		return b.data(b.File.Data(t))
	}
	return b.File.Data(t)
}

// TestNewRefusesBrokenData fails loads midway, with the KV pool, the scratch and some weights already on the device.
func TestNewRefusesBrokenData(t *testing.T) {
	f, d := open(t, "oracle/arch/qwen2.gguf"), gputest.Device(t)
	require.NoError(t, d.Flush()) // the device's own buffers are made with its first submission
	before := d.Memory()
	short := func(n int) func([]byte) []byte { return func(b []byte) []byte { return b[:len(b)-n] } }
	for _, c := range []struct {
		tensor string
		data   func([]byte) []byte
		want   string
	}{
		{"blk.1.ffn_down.weight", short(384), `tensor "blk.1.ffn_down.weight": its source gave 24192 bytes, not 24576`},
		{"blk.1.ffn_up.weight", short(1), `tensor "blk.1.ffn_up.weight": its source gave 24575 bytes, not 24576`},
		{"blk.0.attn_v.weight", func([]byte) []byte { return nil }, `tensor "blk.0.attn_v.weight": its source gave 0 bytes, not 8192`},
		{"token_embd.weight", func([]byte) []byte { return []byte{} }, `tensor "token_embd.weight": its source gave 0 bytes, not 65536`},
		{"blk.0.attn_output.weight", func(b []byte) []byte { return append(b, 0) }, `tensor "blk.0.attn_output.weight": its source gave 16385 bytes, not 16384`},
		{"output_norm.weight", short(2), `tensor "output_norm.weight": quant: got 254 bytes of F32 for 64 values, want 256`},
	} {
		t.Run(c.tensor, func(t *testing.T) {
			m, err := model.New(d, broken{f, c.tensor, c.data}, model.Options{Sequences: 1})
			assert.EqualError(t, err, "model: "+c.want)
			assert.Nil(t, m)
			assert.Equal(t, before, d.Memory())
		})
	}
	m := load(t, f, model.Options{Sequences: 1})
	plan := m.Plan()
	after := d.Memory()
	for i, want := range []uint64{plan.Weights, plan.KV, plan.Scratch} {
		assert.Equal(t, want, after[i]-before[i], "%v", i)
	}
	m.Release()
	m.Release()
	assert.Equal(t, before, d.Memory())
}
