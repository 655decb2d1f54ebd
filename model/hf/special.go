package hf

import (
	"encoding/json"
	"math"
	"strings"
)

// What single architectures' metadata has beyond the common keys.

func rotatedHead(k *keys) { k.whole("rope.dimension_count", k.model.headDim()) }

// wholeAttention refuses windows of attention, which GGUF's Qwen has not.
func wholeAttention(k *keys) {
	c := k.config
	if c.boolean(false, "use_sliding_window") && c.has("sliding_window") {
		c.fail("use_sliding_window is not supported for model_type %s", c.text("", "model_type"))
	}
}

// qwenExperts is of mixtures of experts. GGUF's architectures have experts in every layer, and settled whether the chosen experts' weights are made to
// add up to 1.
func qwenExperts(k *keys) {
	wholeAttention(k)
	c := k.config
	k.whole("expert_feed_forward_length", c.whole(0, 1, 1<<22, "moe_intermediate_size"))
	if c.has("shared_expert_intermediate_size") {
		k.whole("expert_shared_feed_forward_length", c.whole(0, 1, 1<<22, "shared_expert_intermediate_size"))
	}
	if n := c.whole(1, 1, maxLayers, "decoder_sparse_step"); n != 1 || len(c.list("mlp_only_layers")) > 0 {
		c.fail("layers without experts (decoder_sparse_step %d, mlp_only_layers %s) are not supported", n, show(c.list("mlp_only_layers")))
	}
	if want := k.arch == "qwen3moe"; c.boolean(want, "norm_topk_prob") != want {
		c.fail("norm_topk_prob %v is not supported for model_type %s", !want, c.text("", "model_type"))
	}
}

// gemma needs to be told the size of its heads, which is not width over heads.
func gemma(k *keys) {
	if c := k.config; !c.has("head_dim") {
		c.fail("head_dim is missing")
	}
}

func gemma2(k *keys) {
	c := k.config
	gemma(k)
	k.number("attn_logit_softcapping", c.number(50, "attn_logit_softcapping"))
	k.number("final_logit_softcapping", c.number(30, "final_logit_softcapping"))
	k.windows(4096, 2)
	k.attentionScale(46)
}

// gemma3Defaults are those of transformers' Gemma3TextConfig. Published models of text and images have little else in their text_config.
var gemma3Defaults = map[string]any{
	"num_attention_heads": json.Number("8"), "num_key_value_heads": json.Number("4"), "head_dim": json.Number("256"),
	"max_position_embeddings": json.Number("131072"), "rms_norm_eps": json.Number("1e-6"), "rope_theta": json.Number("1e6"),
	"rope_local_base_freq": json.Number("1e4"), "query_pre_attn_scalar": json.Number("256"), "hidden_activation": "gelu_pytorch_tanh",
}

func gemma3(k *keys) {
	c := k.config
	gemma(k)
	if c.has("attn_logit_softcapping") {
		c.fail("attn_logit_softcapping is not supported for gemma3")
	}
	if c.has("final_logit_softcapping") {
		k.number("final_logit_softcapping", c.number(30, "final_logit_softcapping"))
	}
	k.windows(4096, 6)
	k.attentionScale(62)
}

// attentionScale refuses a query_pre_attn_scalar other than GGUF's: the size of a head, and for the model of 27B, known by its layers,
// width over heads.
func (k *keys) attentionScale(layers27B int) {
	c := k.config
	want := float64(k.model.headDim())
	if c.whole(0, 1, maxLayers, "num_hidden_layers") == layers27B {
		want = math.Trunc(float64(c.whole(0, 1, 1<<20, "hidden_size")) / float64(c.whole(0, 1, 1<<12, "num_attention_heads")))
	}
	if got := c.number(want, "query_pre_attn_scalar"); got != want {
		c.fail("query_pre_attn_scalar %g is not supported, GGUF's %s has %g", got, k.arch, want)
	}
}

func phi2(k *keys) {
	if k.config.boolean(false, "qk_layernorm") {
		k.config.fail("qk_layernorm is not supported")
	}
	k.share(0.5, "partial_rotary_factor")
}

func phi3(k *keys) {
	r, _ := k.ropeParameters()
	k.whole("rope.scaling.original_context_length", k.original(r))
	k.whole("attention.sliding_window", k.config.whole(0, 0, 1<<24, "sliding_window"))
	k.share(1, "partial_rotary_factor")
}

func granite(k *keys) {
	rotatedHead(k)
	c := k.config
	for _, x := range []struct{ name, key string }{{"attention_multiplier", "attention.scale"}, {"embedding_multiplier", "embedding_scale"},
		{"residual_multiplier", "residual_scale"}, {"logits_scaling", "logit_scale"}} {
		if c.has(x.name) {
			k.number(x.key, c.number(1, x.name))
		}
	}
}

// smollm3 leaves out rotation in every fourth layer, as GGUF's does; config.json may ask for other layers.
func smollm3(k *keys) {
	rotatedHead(k)
	wholeAttention(k)
	c := k.config
	if n := c.whole(4, 0, maxLayers, "no_rope_layer_interval"); n != 4 && !c.has("no_rope_layers") {
		c.fail("no_rope_layer_interval %d is not supported (4)", n)
	}
	for i, v := range c.list("no_rope_layers") {
		n, _ := wholeOf(v)
		if rotated := (i+1)%4 != 0; (n == 1) != rotated {
			c.fail("no_rope_layers is not supported: layer %d is %s, but GGUF's smollm3 leaves rotation out in every fourth layer", i, show(v))
			return
		}
	}
}

func stablelm(k *keys) {
	k.share(0.25, "partial_rotary_factor", "rope_pct")
	k.flag("use_parallel_residual", k.config.boolean(false, "use_parallel_residual"))
}

func cohere(k *keys) {
	k.number("logit_scale", k.config.number(0.0625, "logit_scale"))
	k.text("rope.scaling.type", "none")
}

func cohere2(k *keys) {
	cohere(k)
	k.share(1, "rotary_pct", "partial_rotary_factor")
	k.windows(4096, 4)
}

func glm4(k *keys) { k.share(0.5, "partial_rotary_factor") }

// exaone4 says which layers have windows, if any has: by layer_types, or a pattern that repeats ("LLLG", or a number of which every last is whole).
func exaone4(k *keys) {
	c := k.config
	if !c.has("sliding_window") {
		return
	}
	k.whole("attention.sliding_window", c.whole(0, 1, 1<<24, "sliding_window"))
	local := k.layerKinds()
	if v, _ := c.get("sliding_window_pattern"); local == nil && v != nil {
		pattern, isText := v.(string)
		if !isText {
			pattern = strings.Repeat("L", c.whole(0, 1, maxLayers, "sliding_window_pattern")-1) + "G"
		}
		for i := range c.whole(0, 1, maxLayers, "num_hidden_layers") {
			if pattern == "" {
				break
			}
			local = append(local, pattern[i%len(pattern)] == 'L')
		}
	}
	if local != nil {
		k.flags("attention.sliding_window_pattern", local)
	}
}
