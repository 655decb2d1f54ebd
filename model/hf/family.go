package hf

import (
	"maps"
	"slices"
	"strings"
)

// family is how models of some model types become GGUF files of one architecture.
type family struct {
	types []string // model_type in config.json
	arch  string   // general.architecture
	acts  []string // activations that the architecture has

	pairs      bool              // GGUF has rows of q and k in pairs (see type pairs)
	gain1      bool              // gains are stored less one
	transposed bool              // matrices but the embeddings are stored transposed (GPT-2's Conv1D)
	tied       bool              // tie_word_embeddings where config.json does not say
	biased     bool              // projections have biases
	layer      map[string]string // modules of a layer that are called otherwise than in layerNames
	top        map[string]string // modules outside that are called otherwise than in topNames
	keys       func(k *keys)     // metadata beyond what all have
	defaults   map[string]any    // what transformers' class has where config.json says nothing, and published files do not
}

// layerNames and topNames are the modules of most models, and what GGUF calls their tensors.
var (
	layerNames = map[string]string{
		"input_layernorm": "attn_norm", "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
		"self_attn.o_proj": "attn_output", "self_attn.q_norm": "attn_q_norm", "self_attn.k_norm": "attn_k_norm",
		"post_attention_layernorm": "ffn_norm", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down",
	}
	topNames = map[string]string{"embed_tokens": "token_embd", "norm": "output_norm", "lm_head": "output"}
)

// Modules that several families have.
var (
	sandwich = map[string]string{"post_attention_layernorm": "post_attention_norm", "pre_feedforward_layernorm": "ffn_norm",
		"post_feedforward_layernorm": "post_ffw_norm"}
	afterNorms = map[string]string{"post_attention_layernorm": "post_attention_norm", "post_feedforward_layernorm": "post_ffw_norm"}
	experts    = map[string]string{
		"mlp.gate": "ffn_gate_inp", "mlp.experts.gate_proj": "ffn_gate_exps", "mlp.experts.up_proj": "ffn_up_exps", "mlp.experts.down_proj": "ffn_down_exps",
		"mlp.shared_expert_gate": "ffn_gate_inp_shexp", "mlp.shared_expert.gate_proj": "ffn_gate_shexp", "mlp.shared_expert.up_proj": "ffn_up_shexp",
		"mlp.shared_expert.down_proj": "ffn_down_shexp",
	}
	mixtralExperts = map[string]string{"block_sparse_moe.gate": "ffn_gate_inp", "block_sparse_moe.experts.w1": "ffn_gate_exps",
		"block_sparse_moe.experts.w2": "ffn_down_exps", "block_sparse_moe.experts.w3": "ffn_up_exps", "mlp.gate": "ffn_gate_inp",
		"mlp.experts.gate_proj": "ffn_gate_exps", "mlp.experts.up_proj": "ffn_up_exps", "mlp.experts.down_proj": "ffn_down_exps"}
)

var (
	silu     = []string{"silu", "swish"}
	geluTanh = []string{"gelu_pytorch_tanh", "gelu_new", "gelu_fast"}
)

// families are the model types that are known. Facts are those of llama.cpp's converters (conversion/*.py) and of transformers' models.
var families = []family{
	{types: []string{"llama", "mistral"}, arch: "llama", acts: silu, pairs: true, keys: rotatedHead},
	{types: []string{"mixtral"}, arch: "llama", acts: silu, pairs: true, layer: mixtralExperts, keys: rotatedHead},
	{types: []string{"qwen2"}, arch: "qwen2", acts: silu, biased: true, keys: wholeAttention},
	{types: []string{"qwen3"}, arch: "qwen3", acts: silu, keys: wholeAttention},
	{types: []string{"qwen2_moe"}, arch: "qwen2moe", acts: silu, biased: true, layer: experts, keys: qwenExperts},
	{types: []string{"qwen3_moe"}, arch: "qwen3moe", acts: silu, layer: experts, keys: qwenExperts},
	{types: []string{"gemma"}, arch: "gemma", acts: append([]string{"gelu"}, geluTanh...), gain1: true, tied: true, keys: gemma},
	{types: []string{"gemma2"}, arch: "gemma2", acts: geluTanh, gain1: true, tied: true, layer: sandwich, keys: gemma2},
	{types: []string{"gemma3_text", "gemma3"}, arch: "gemma3", acts: geluTanh, gain1: true, tied: true, layer: sandwich, keys: gemma3, defaults: gemma3Defaults},
	{types: []string{"phi"}, arch: "phi2", acts: geluTanh, biased: true, keys: phi2, top: map[string]string{"final_layernorm": "output_norm"},
		layer: map[string]string{"self_attn.dense": "attn_output", "mlp.fc1": "ffn_up", "mlp.fc2": "ffn_down"}},
	{types: []string{"phi3"}, arch: "phi3", acts: silu, keys: phi3, layer: map[string]string{"self_attn.qkv_proj": "attn_qkv", "mlp.gate_up_proj": "ffn_up"}},
	{types: []string{"olmo2"}, arch: "olmo2", acts: silu, layer: afterNorms},
	{types: []string{"granite"}, arch: "granite", acts: silu, pairs: true, keys: granite},
	{types: []string{"smollm3"}, arch: "smollm3", acts: silu, pairs: true, tied: true, keys: smollm3},
	{types: []string{"gpt2"}, arch: "gpt2", acts: geluTanh, transposed: true, tied: true, biased: true,
		top: map[string]string{"wte": "token_embd", "wpe": "position_embd", "ln_f": "output_norm"},
		layer: map[string]string{"ln_1": "attn_norm", "attn.c_attn": "attn_qkv", "attn.c_proj": "attn_output", "ln_2": "ffn_norm",
			"mlp.c_fc": "ffn_up", "mlp.c_proj": "ffn_down"}},
	{types: []string{"starcoder2"}, arch: "starcoder2", acts: geluTanh, tied: true, biased: true, layer: map[string]string{"mlp.c_fc": "ffn_up", "mlp.c_proj": "ffn_down"}},
	{types: []string{"stablelm"}, arch: "stablelm", acts: silu, keys: stablelm},
	{types: []string{"cohere"}, arch: "command-r", acts: silu, tied: true, keys: cohere},
	{types: []string{"cohere2"}, arch: "cohere2", acts: silu, tied: true, keys: cohere2},
	{types: []string{"glm4"}, arch: "glm4", acts: silu, biased: true, keys: glm4, layer: map[string]string{"post_self_attn_layernorm": "post_attention_norm",
		"post_mlp_layernorm": "post_ffw_norm", "mlp.gate_up_proj": "ffn_up"}},
	{types: []string{"seed_oss"}, arch: "seed_oss", acts: silu, biased: true, layer: map[string]string{"post_attention_layernorm": "post_attention_norm"}},
	{types: []string{"exaone4"}, arch: "exaone4", acts: silu, layer: afterNorms, keys: exaone4},
}

// Types names the model types that are known.
func Types() []string {
	var names []string
	for _, f := range families {
		names = append(names, f.types...)
	}
	return slices.Sorted(slices.Values(names))
}

// familyOf finds the family of a configuration, and the configuration of the text model within it.
func familyOf(c object) (*family, object, error) {
	kind := c.text("", "model_type")
	if text, ok := c.object("text_config"); ok { // a model of text and images: gemma3
		merged := maps.Clone(c.values)
		maps.Copy(merged, text.values)
		c.values = merged
	}
	if *c.first != nil {
		return nil, c, *c.first
	}
	for i := range families {
		if slices.Contains(families[i].types, kind) {
			f := &families[i]
			values := maps.Clone(f.defaults)
			if values == nil {
				values = map[string]any{}
			}
			for name, v := range c.values {
				if v != nil {
					values[name] = v
				}
			}
			c.values = values
			c.need(f.acts, " with model_type "+kind, "hidden_activation", "hidden_act", "activation_function")
			return f, c, *c.first
		}
	}
	c.fail("model_type %q is not supported (%s)", kind, strings.Join(Types(), ", "))
	return nil, c, *c.first
}
