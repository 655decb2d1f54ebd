// Package hftest writes GGUF files as the folders that transformers would keep the same models in, for tests: the reverse of package hf, said in its own
// words.
package hftest

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"umbra/model/gguf"
	"umbra/model/quant"
	"umbra/model/safetensors"
	write "umbra/model/safetensors/safetensorstest"
)

// Folder is a folder to be written.
type Folder struct {
	Config, Tokenizer map[string]any
	Tensors           []write.Tensor
	Shards            int               // files; 0 is one without an index
	Files             map[string]string // others, by their names
}

// Save writes the folder into one that is there, and returns its name.
func (d Folder) Save(t testing.TB, dir string) string {
	t.Helper()
	put := func(name string, data []byte) {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), data, 0o666))
	}
	object := func(name string, v any) {
		text, err := json.Marshal(v)
		require.NoError(t, err)
		put(name, text)
	}
	object("config.json", d.Config)
	if d.Tokenizer != nil {
		object("tokenizer.json", d.Tokenizer)
	}
	for name, text := range d.Files {
		put(name, []byte(text))
	}
	if d.Shards == 0 {
		put("model.safetensors", write.File(d.Tensors))
		return dir
	}
	index := map[string]string{}
	for i := range d.Shards {
		name := fmt.Sprintf("model-%05d-of-%05d.safetensors", i+1, d.Shards)
		var part []write.Tensor
		for j, x := range d.Tensors {
			if j%d.Shards == i {
				part, index[x.Name] = append(part, x), name
			}
		}
		put(name, write.File(part))
	}
	object("model.safetensors.index.json", map[string]any{"weight_map": index})
	return dir
}

// Style is how transformers stores what a GGUF file of an architecture has.
type Style struct {
	kind    string
	act     string
	config  map[string]any    // beyond what all have
	modules map[string]string // by GGUF's name; "" for one that is not there
	top     map[string]string
	prefix  string // of all but the head
	halves  bool   // q and k have halves
	Less1   bool   // gains less one
	conv1d  bool   // matrices transposed
}

var commonModules = map[string]string{
	"attn_norm": "input_layernorm", "attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj", "attn_output": "self_attn.o_proj",
	"attn_q_norm": "self_attn.q_norm", "attn_k_norm": "self_attn.k_norm", "ffn_norm": "post_attention_layernorm",
	"ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj",
	"ffn_gate_inp": "mlp.gate", "ffn_gate_exps": "mlp.experts.#.gate_proj", "ffn_up_exps": "mlp.experts.#.up_proj", "ffn_down_exps": "mlp.experts.#.down_proj",
	"ffn_gate_inp_shexp": "mlp.shared_expert_gate", "ffn_gate_shexp": "mlp.shared_expert.gate_proj", "ffn_up_shexp": "mlp.shared_expert.up_proj",
	"ffn_down_shexp": "mlp.shared_expert.down_proj",
}

var gemmaModules = map[string]string{"post_attention_norm": "post_attention_layernorm", "ffn_norm": "pre_feedforward_layernorm", "post_ffw_norm": "post_feedforward_layernorm"}

// Styles are by the names of files in testdata/oracle/arch.
var Styles = map[string]Style{
	"llama-linear-rope": {kind: "llama", act: "silu", halves: true, config: map[string]any{"rope_scaling": map[string]any{"type": "linear", "factor": 2}}},
	"llama-mha-tied":    {kind: "mistral", act: "silu", halves: true},
	"llama-yarn": {kind: "llama", act: "silu", halves: true, config: map[string]any{
		"rope_parameters": map[string]any{"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 128}}},
	"llama3-scaled": {kind: "llama", act: "silu", halves: true, config: map[string]any{"rope_theta": 500000.0, "rope_scaling": map[string]any{"rope_type": "llama3", "factor": 8.0,
		"low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 8192}}},
	"mixtral": {kind: "mixtral", act: "silu", halves: true, modules: map[string]string{"ffn_gate_inp": "block_sparse_moe.gate",
		"ffn_gate_exps": "block_sparse_moe.experts.#.w1", "ffn_up_exps": "block_sparse_moe.experts.#.w3", "ffn_down_exps": "block_sparse_moe.experts.#.w2"}},
	"qwen2":    {kind: "qwen2", act: "silu", config: map[string]any{"use_sliding_window": false, "sliding_window": 32768}},
	"qwen3":    {kind: "qwen3", act: "silu"},
	"qwen2moe": {kind: "qwen2_moe", act: "silu", config: map[string]any{"moe_intermediate_size": 32, "shared_expert_intermediate_size": 48, "norm_topk_prob": false}},
	"qwen3moe": {kind: "qwen3_moe", act: "silu", config: map[string]any{"moe_intermediate_size": 32, "norm_topk_prob": true, "mlp_only_layers": []any{}}},
	"gemma":    {kind: "gemma", act: "gelu", Less1: true},
	"gemma2": {kind: "gemma2", act: "gelu_pytorch_tanh", Less1: true, modules: gemmaModules, config: map[string]any{"sliding_window": 16, "query_pre_attn_scalar": 24,
		"attn_logit_softcapping": 50.0, "final_logit_softcapping": 30.0}},
	"gemma3": {kind: "gemma3_text", act: "gelu_pytorch_tanh", Less1: true, modules: gemmaModules, config: map[string]any{"sliding_window": 16, "query_pre_attn_scalar": 24,
		"rope_theta": 1e6, "rope_local_base_freq": 10000.0, "sliding_window_pattern": 6}},
	"phi2": {kind: "phi", act: "gelu_new", config: map[string]any{"partial_rotary_factor": 0.5}, top: map[string]string{"output_norm": "final_layernorm"},
		modules: map[string]string{"attn_output": "self_attn.dense", "ffn_up": "mlp.fc1", "ffn_down": "mlp.fc2"}},
	"phi3": {kind: "phi3", act: "silu", modules: map[string]string{"attn_qkv": "self_attn.qkv_proj", "ffn_up": "mlp.gate_up_proj"}},
	"phi3-longrope": {kind: "phi3", act: "silu", modules: map[string]string{"attn_qkv": "self_attn.qkv_proj", "ffn_up": "mlp.gate_up_proj"},
		config: map[string]any{"original_max_position_embeddings": 256}},
	"olmo2": {kind: "olmo2", act: "silu", modules: map[string]string{"post_attention_norm": "post_attention_layernorm", "post_ffw_norm": "post_feedforward_layernorm"}},
	"granite": {kind: "granite", act: "silu", halves: true, config: map[string]any{"attention_multiplier": 0.0078125, "embedding_multiplier": 12.0,
		"residual_multiplier": 0.22, "logits_scaling": 8.0}},
	"smollm3": {kind: "smollm3", act: "silu", halves: true, config: map[string]any{"no_rope_layers": []int{1, 1, 1, 0, 1}}},
	"gpt2": {kind: "gpt2", act: "gelu_new", conv1d: true, prefix: "transformer.", top: map[string]string{"token_embd": "wte", "position_embd": "wpe", "output_norm": "ln_f"},
		modules: map[string]string{"attn_norm": "ln_1", "attn_qkv": "attn.c_attn", "attn_output": "attn.c_proj", "ffn_norm": "ln_2", "ffn_up": "mlp.c_fc", "ffn_down": "mlp.c_proj"}},
	"starcoder2": {kind: "starcoder2", act: "gelu_pytorch_tanh", modules: map[string]string{"ffn_up": "mlp.c_fc", "ffn_down": "mlp.c_proj"}},
	"stablelm":   {kind: "stablelm", act: "silu", config: map[string]any{"partial_rotary_factor": 0.25}},
	"command-r":  {kind: "cohere", act: "silu", config: map[string]any{"logit_scale": 0.0625}},
	"cohere2":    {kind: "cohere2", act: "silu", config: map[string]any{"logit_scale": 0.0625, "sliding_window": 16}},
	"glm4": {kind: "glm4", act: "silu", modules: map[string]string{"post_attention_norm": "post_self_attn_layernorm", "post_ffw_norm": "post_mlp_layernorm",
		"ffn_up": "mlp.gate_up_proj"}},
	"seed-oss": {kind: "seed_oss", act: "silu", modules: map[string]string{"post_attention_norm": "post_attention_layernorm"}},
	"exaone4":  {kind: "exaone4", act: "silu", modules: map[string]string{"post_attention_norm": "post_attention_layernorm", "post_ffw_norm": "post_feedforward_layernorm"}},
}

// FolderOf writes a GGUF file as transformers would have it, in F32.
func FolderOf(t testing.TB, f *gguf.File, s Style) Folder {
	t.Helper()
	arch, _ := f.String("general.architecture")
	number := func(key string) any {
		v, ok := f.Float(arch + "." + key)
		if !ok {
			return nil
		}
		return float64(float32(v))
	}
	d := Folder{Config: map[string]any{"model_type": s.kind, "hidden_act": s.act}}
	for name, key := range map[string]string{"max_position_embeddings": "context_length", "hidden_size": "embedding_length", "num_hidden_layers": "block_count",
		"intermediate_size": "feed_forward_length", "num_attention_heads": "attention.head_count", "num_key_value_heads": "attention.head_count_kv",
		"head_dim": "attention.key_length", "rms_norm_eps": "attention.layer_norm_rms_epsilon", "layer_norm_eps": "attention.layer_norm_epsilon",
		"rope_theta": "rope.freq_base", "num_experts": "expert_count", "num_experts_per_tok": "expert_used_count"} {
		if v := number(key); v != nil {
			d.Config[name] = v
		}
	}
	for k, v := range s.config {
		d.Config[k] = v
	}
	_, head := f.Tensor("output.weight")
	d.Config["tie_word_embeddings"] = !head
	if long, ok := f.Tensor("rope_factors_long.weight"); ok {
		short, _ := f.Tensor("rope_factors_short.weight")
		d.Config["rope_scaling"] = map[string]any{"type": "longrope", "long_factor": Values(t, f, long), "short_factor": Values(t, f, short), "attention_factor": number("rope.scaling.attn_factor")}
	}
	for _, x := range f.Tensors {
		if strings.HasPrefix(x.Name, "rope_f") {
			continue
		}
		d.Tensors = append(d.Tensors, s.tensors(t, f, x)...)
	}
	d.Tokenizer = TokenizerOf(f)
	tokens, _ := f.Strings("tokenizer.ggml.tokens")
	special := map[string]any{}
	for _, name := range []string{"bos", "eos"} {
		if id, ok := f.Uint("tokenizer.ggml." + name + "_token_id"); ok {
			special[name+"_token"] = map[string]any{"content": tokens[id]}
		}
	}
	text, err := json.Marshal(special)
	require.NoError(t, err)
	d.Files = map[string]string{"special_tokens_map.json": string(text)}
	return d
}

// Values returns a tensor's values.
func Values(t testing.TB, f *gguf.File, x gguf.Tensor) []float32 {
	t.Helper()
	out := make([]float32, x.Elements())
	require.NoError(t, quant.Dequantize(x.Type, f.Data(x), out))
	return out
}

// tensors writes one of GGUF's tensors as transformers has it: one, or one of each expert.
func (s Style) tensors(t testing.TB, f *gguf.File, x gguf.Tensor) []write.Tensor {
	base, field := x.Name[:strings.LastIndex(x.Name, ".")], x.Name[strings.LastIndex(x.Name, "."):]
	prefix := s.prefix
	if prefix == "" {
		prefix = "model."
	}
	v := Values(t, f, x)
	var name string
	if rest, ok := strings.CutPrefix(base, "blk."); ok {
		layer, module, _ := strings.Cut(rest, ".")
		hf, ok := s.modules[module]
		if !ok {
			hf, ok = commonModules[module]
		}
		require.True(t, ok, "no module for %s", x.Name)
		name = prefix + map[bool]string{true: "h.", false: "layers."}[s.conv1d] + layer + "." + hf + field
		if heads, ok := f.Uint("llama.attention.head_count"); (module == "attn_q" || module == "attn_k") && s.halves {
			if !ok {
				arch, _ := f.String("general.architecture")
				heads, _ = f.Uint(arch + ".attention.head_count")
			}
			if arch, _ := f.String("general.architecture"); module == "attn_k" {
				heads, _ = f.Uint(arch + ".attention.head_count_kv")
			}
			v = Halves(v, int(heads), int(x.Dims[0]))
		}
		if s.conv1d && len(x.Dims) == 2 {
			v = transpose(v, int(x.Dims[0]))
			return []write.Tensor{write.Floats(name, safetensors.F32, v, x.Dims[0], x.Dims[1])}
		}
	} else {
		top := map[string]string{"token_embd": "embed_tokens", "output_norm": "norm"}
		hf := s.top[base]
		if hf == "" {
			hf = top[base]
		}
		name = prefix + hf + field
		if base == "output" {
			name = "lm_head" + field
		}
	}
	if s.Less1 && strings.HasSuffix(x.Name, "norm.weight") {
		for i := range v {
			v[i]--
		}
	}
	shape := slices.Clone(x.Dims)
	slices.Reverse(shape)
	if strings.HasSuffix(x.Name, "ffn_gate_inp_shexp.weight") {
		shape = []uint64{1, x.Dims[0]}
	}
	if !strings.Contains(name, "#") {
		return []write.Tensor{write.Floats(name, safetensors.F32, v, shape...)}
	}
	var all []write.Tensor
	each := len(v) / int(shape[0])
	for e := range int(shape[0]) {
		all = append(all, write.Floats(strings.Replace(name, "#", strconv.Itoa(e), 1), safetensors.F32, v[e*each:(e+1)*each], shape[1:]...))
	}
	return all
}

// Halves undoes pairs of rows: of each head the even rows, then the odd ones.
func Halves(v []float32, heads, cols int) (out []float32) {
	rows := len(v) / cols / heads
	for h := range heads {
		for _, start := range []int{0, 1} {
			for r := start; r < rows; r += 2 {
				out = append(out, v[(h*rows+r)*cols:][:cols]...)
			}
		}
	}
	return out
}

// transpose turns rows of cols Values into columns.
func transpose(v []float32, cols int) []float32 {
	rows := len(v) / cols
	out := make([]float32, len(v))
	for r := range rows {
		for c := range cols {
			out[c*rows+r] = v[r*cols+c]
		}
	}
	return out
}

// TokenizerOf writes a GGUF file's tokenizer over the byte alphabet as tokenizer.json has it.
func TokenizerOf(f *gguf.File) map[string]any {
	tokens, _ := f.Strings("tokenizer.ggml.tokens")
	kinds, _ := f.Ints("tokenizer.ggml.token_type")
	merges, _ := f.Strings("tokenizer.ggml.merges")
	vocab := map[string]int{}
	added := []any{}
	for id, text := range tokens {
		if len(kinds) > id && kinds[id] != 1 {
			added = append(added, map[string]any{"id": id, "content": text, "special": kinds[id] == 3})
			continue
		}
		vocab[text] = id
	}
	list := []any{}
	for i, m := range merges {
		if a, b, _ := strings.Cut(m, " "); i%2 == 0 {
			list = append(list, []any{a, b})
		} else {
			list = append(list, m)
		}
	}
	var single []any
	bos, ok := f.Uint("tokenizer.ggml.bos_token_id")
	if add, said := f.Bool("tokenizer.ggml.add_bos_token"); ok && (add || !said) {
		single = append(single, map[string]any{"SpecialToken": map[string]any{"id": tokens[bos], "type_id": 0}})
	}
	single = append(single, map[string]any{"Sequence": map[string]any{"id": "A", "type_id": 0}})
	return map[string]any{
		"added_tokens":   added,
		"post_processor": map[string]any{"type": "Sequence", "processors": []any{map[string]any{"type": "TemplateProcessing", "single": single}}},
		"pre_tokenizer": map[string]any{"type": "Sequence", "pretokenizers": []any{
			map[string]any{"type": "Split", "behavior": "Isolated", "invert": false, "pattern": map[string]any{
				"Regex": `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`}},
			map[string]any{"type": "ByteLevel", "add_prefix_space": false, "use_regex": false},
		}},
		"model": map[string]any{"type": "BPE", "vocab": vocab, "merges": list, "ignore_merges": true},
	}
}

// Widen makes the embeddings those of n tokens.
func (d *Folder) Widen(n int) {
	for i, x := range d.Tensors {
		if x.Name == "model.embed_tokens.weight" {
			d.Tensors[i].Shape = []uint64{uint64(n), x.Shape[1]}
			d.Tensors[i].Data = make([]byte, 4*n*int(x.Shape[1]))
		}
	}
}
