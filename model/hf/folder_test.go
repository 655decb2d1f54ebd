package hf_test

import (
	"encoding/json"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"umbra/model/gguf"
	"umbra/model/hf"
	"umbra/model/hf/hftest"
	"umbra/model/quant"
	"umbra/model/safetensors"
	write "umbra/model/safetensors/safetensorstest"
)

// oracleFile opens a tiny model, and writes it as a folder, not yet saved.
func oracleFile(t *testing.T, name string) (*gguf.File, hftest.Folder) {
	f, err := gguf.Open(testdata + "oracle/arch/" + name + ".gguf")
	require.NoError(t, err)
	t.Cleanup(func() { f.Close() })
	return f, hftest.FolderOf(t, f, hftest.Styles[name])
}

// TestFusedExperts: newer transformers stack all experts of a layer in two tensors, experts × (gate, up) × columns, and experts × rows × columns.
func TestFusedExperts(t *testing.T) {
	for _, name := range []string{"qwen3moe", "qwen2moe", "mixtral"} {
		t.Run(name, func(t *testing.T) {
			want, d := oracleFile(t, name)
			d.Tensors = slices.DeleteFunc(d.Tensors, func(x write.Tensor) bool { return strings.Contains(x.Name, ".experts.") })
			for i := range d.Tensors {
				d.Tensors[i].Name = strings.Replace(d.Tensors[i].Name, "block_sparse_moe.gate", "mlp.gate", 1)
			}
			for _, x := range want.Tensors {
				layer, kind, ok := strings.Cut(strings.TrimPrefix(x.Name, "blk."), ".")
				to := "model.layers." + layer + ".mlp.experts."
				switch v := hftest.Values(t, want, x); {
				case !ok:
				case kind == "ffn_down_exps.weight":
					d.Tensors = append(d.Tensors, write.Floats(to+"down_proj", safetensors.F32, v, x.Dims[2], x.Dims[1], x.Dims[0]))
				case kind == "ffn_gate_exps.weight":
					y, _ := want.Tensor("blk." + layer + ".ffn_up_exps.weight")
					up, one := hftest.Values(t, want, y), len(v)/int(x.Dims[2])
					var both []float32
					for e := range int(x.Dims[2]) {
						both = append(append(both, v[e*one:][:one]...), up[e*one:][:one]...)
					}
					d.Tensors = append(d.Tensors, write.Floats(to+"gate_up_proj", safetensors.F32, both, x.Dims[2], 2*x.Dims[1], x.Dims[0]))
				}
			}
			got, err := hf.Open(d.Save(t, t.TempDir()))
			require.NoError(t, err)
			defer got.Close()
			requireSame(t, want, got, false)

			for i, x := range d.Tensors {
				if strings.HasSuffix(x.Name, "layers.0.mlp.experts.gate_up_proj") {
					d.Tensors[i] = write.Floats(x.Name, safetensors.F32, make([]float32, 8*33*64), 8, 33, 64)
				}
			}
			_, err = hf.Open(d.Save(t, t.TempDir()))
			require.ErrorContains(t, err, `layers.0.mlp.experts.gate_up_proj" has shape [8 33 64], want as many rows of gate as of up`)
		})
	}
}

// TestPackedExperts: experts packed one by one, as GPTQ and AWQ leave them, are one tensor, not a bit of which is lost.
func TestPackedExperts(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 12))
	for method, pack := range map[string]func(weights4, string) []write.Tensor{"gptq": weights4.gptq, "awq": weights4.awq} {
		config := map[string]any{"model_type": "qwen3_moe", "num_experts": 3, "num_experts_per_tok": 2, "moe_intermediate_size": 64, "norm_topk_prob": true,
			"quantization_config": map[string]any{"quant_method": method, "bits": 4, "group_size": 32}}
		var tensors []write.Tensor
		var want []float32
		for _, e := range []string{"0", "1", "2"} {
			w := random4(r, 128, 64, 32, func() int { return 8 })
			tensors, want = append(tensors, pack(w, "model.layers.0.mlp.experts."+e+".up_proj")...), append(want, w.values()...)
		}
		f, err := hf.Open(tiny(config, slices.Clone(tensors)...).Save(t, t.TempDir()))
		require.NoError(t, err)
		x, ok := f.Tensor("blk.0.ffn_up_exps.weight")
		require.True(t, ok)
		assert.Equal(t, gguf.Q4_0, x.Type)
		assert.Equal(t, []uint64{128, 64, 3}, x.Dims)
		got := make([]float32, len(want))
		require.NoError(t, quant.Dequantize(x.Type, f.Data(x), got))
		assert.Equal(t, want, got, method)
		require.NoError(t, f.Close())

		_, err = hf.Open(tiny(config, slices.Clone(tensors[:len(tensors)*2/3])...).Save(t, t.TempDir()))
		require.ErrorContains(t, err, "blk.0.ffn_up_exps.weight has 2 experts, but config.json 3")
		stacked := write.Ints("model.layers.0.mlp.experts.gate_up_proj.qweight", make([]int32, 3*16*64), 3, 16, 64)
		_, err = hf.Open(tiny(config, append(slices.Clone(tensors), stacked)...).Save(t, t.TempDir()))
		require.ErrorContains(t, err, `experts.gate_up_proj.qweight"`)
	}
}

// TestTextWithin: Gemma3ForConditionalGeneration keeps the text model's configuration in text_config, which leaves out what the class has anyway, and its
// tensors beside those of a vision tower, under names that have changed.
func TestTextWithin(t *testing.T) {
	for _, prefix := range []string{"language_model.model.", "model.language_model."} {
		want, d := oracleFile(t, "gemma3")
		text := maps.Clone(d.Config)
		text["model_type"] = "gemma3_text"
		for name, value := range map[string]any{"hidden_act": "gelu_pytorch_tanh", "rope_theta": 1e6, "rope_local_base_freq": 1e4, "sliding_window_pattern": 6} {
			require.Contains(t, text, name)
			require.EqualValues(t, value, text[name], name) // as the class has it
			delete(text, name)
		}
		delete(text, "tie_word_embeddings")
		d.Config = map[string]any{"model_type": "gemma3", "architectures": []string{"Gemma3ForConditionalGeneration"}, "text_config": text,
			"vision_config": map[string]any{"model_type": "siglip_vision_model", "hidden_size": 1152}, "image_token_index": 262144, "boi_token_index": 255999}
		for i := range d.Tensors {
			d.Tensors[i].Name = strings.Replace(d.Tensors[i].Name, "model.", prefix, 1)
		}
		d.Tensors = append(d.Tensors, write.Floats("vision_tower.vision_model.post_layernorm.weight", safetensors.F32, []float32{1, 2}, 2),
			write.Floats("multi_modal_projector.mm_soft_emb_norm.weight", safetensors.F32, []float32{1, 2}, 2))
		got, err := hf.Open(d.Save(t, t.TempDir()))
		require.NoError(t, err)
		requireSame(t, want, got, true)
		require.NoError(t, got.Close())
	}
}

// TestGemma3Defaults: the published text_config of 4B has only what differs from the class.
func TestGemma3Defaults(t *testing.T) {
	_, d := oracleFile(t, "gemma3")
	d.Config = map[string]any{"model_type": "gemma3", "text_config": map[string]any{"hidden_size": 64, "intermediate_size": 128, "model_type": "gemma3_text",
		"num_hidden_layers": d.Config["num_hidden_layers"], "rope_scaling": map[string]any{"factor": 8.0, "rope_type": "linear"}, "sliding_window": 1024}}
	f, err := hf.Open(d.Save(t, t.TempDir()))
	require.NoError(t, err)
	defer f.Close()
	for key, want := range map[string]float64{"attention.head_count": 8, "attention.head_count_kv": 4, "attention.key_length": 256, "context_length": 131072,
		"attention.layer_norm_rms_epsilon": 1e-6, "rope.freq_base": 1e6, "rope.freq_base_swa": 1e4, "rope.scaling.factor": 8, "attention.sliding_window": 1024} {
		v, ok := f.Float("gemma3." + key)
		assert.True(t, ok, key)
		assert.InEpsilon(t, want, v, 1e-6, key)
	}
}

// TestTied: a head that is stored though embeddings are tied is left out; without one they are tied whatever the configuration says.
func TestTied(t *testing.T) {
	_, d := oracleFile(t, "qwen3")
	head := slices.IndexFunc(d.Tensors, func(x write.Tensor) bool { return x.Name == "lm_head.weight" })
	embed := d.Tensors[slices.IndexFunc(d.Tensors, func(x write.Tensor) bool { return x.Name == "model.embed_tokens.weight" })]
	if head < 0 {
		embed.Name = "lm_head.weight"
		d.Tensors = append(d.Tensors, embed)
		head = len(d.Tensors) - 1
	}
	for tied, want := range map[bool]bool{true: false, false: true} {
		d.Config["tie_word_embeddings"] = tied
		f, err := hf.Open(d.Save(t, t.TempDir()))
		require.NoError(t, err)
		_, ok := f.Tensor("output.weight")
		assert.Equal(t, want, ok, "tied %v", tied)
		require.NoError(t, f.Close())
	}
	d.Tensors = slices.Delete(d.Tensors, head, head+1)
	f, err := hf.Open(d.Save(t, t.TempDir()))
	require.NoError(t, err)
	defer f.Close()
	_, ok := f.Tensor("output.weight")
	assert.False(t, ok)
}

// TestIncomplete: folders of which files or tensors are missing, or are named wrongly, are refused with the name.
func TestIncomplete(t *testing.T) {
	const index = "model.safetensors.index.json"
	for _, c := range []struct {
		name   string
		change func(dir string, m map[string]any)
		want   string
	}{
		{"a shard is missing", func(dir string, _ map[string]any) {
			require.NoError(t, os.Remove(filepath.Join(dir, "model-00002-of-00003.safetensors")))
		}, "model-00002-of-00003.safetensors"},
		{"a tensor that is nowhere", func(_ string, m map[string]any) {
			m["model.layers.0.extra.weight"] = "model-00001-of-00003.safetensors"
		},
			`says that tensor "model.layers.0.extra.weight" is in model-00001-of-00003.safetensors, where it is not`},
		{"a tensor in another file", func(_ string, m map[string]any) {
			for name, file := range m {
				if file == "model-00003-of-00003.safetensors" {
					m[name] = "model-00001-of-00003.safetensors"
				}
			}
			m["model.norm.weight"] = "model-00003-of-00003.safetensors"
		}, "where it is not"},
		{"a path", func(_ string, m map[string]any) { m["model.norm.weight"] = "../model.safetensors" },
			`weight_map has "../model.safetensors" for tensor "model.norm.weight", want the name of a safetensors file in the folder`},
		{"a number", func(_ string, m map[string]any) { m["model.norm.weight"] = 3 }, `weight_map has 3 for tensor "model.norm.weight"`},
		{"no weights", func(dir string, _ map[string]any) {
			files, _ := filepath.Glob(dir + "/*.safetensors")
			for _, f := range files {
				require.NoError(t, os.Remove(f))
			}
		}, "model.safetensors.index.json lists it; download it too"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, d := oracleFile(t, "qwen2")
			d.Shards = 3
			dir := d.Save(t, t.TempDir())
			text, err := os.ReadFile(filepath.Join(dir, index))
			require.NoError(t, err)
			var whole struct {
				Map map[string]any `json:"weight_map"`
			}
			require.NoError(t, json.Unmarshal(text, &whole))
			c.change(dir, whole.Map)
			text, err = json.Marshal(map[string]any{"weight_map": whole.Map})
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(filepath.Join(dir, index), text, 0o666))
			_, err = hf.Open(dir)
			require.ErrorContains(t, err, c.want)
			require.ErrorContains(t, err, "hf: ")
		})
	}
}

// TestHostile: configurations and tokenizers that are no good are refused with the file, the key and the value.
func TestHostile(t *testing.T) {
	const bytes = `"pre_tokenizer":{"type":"ByteLevel","add_prefix_space":false}`
	for _, c := range []struct{ file, text, want string }{
		{"config.json", ``, "config.json: EOF"},
		{"config.json", `[]`, "config.json: json: cannot unmarshal array"},
		{"config.json", `{} {}`, "more follows the first object"},
		{"config.json", `{"model_type":"qwen2","hidden_act":"relu"}`, `hidden_act "relu" is not supported with model_type qwen2`},
		{"config.json", `{"model_type":["qwen2"]}`, `model_type is ["qwen2"], want text`},
		{"config.json", `{"model_type":"bert"}`, `model_type "bert" is not supported`},
		{"config.json", `{"model_type":"qwen2","num_hidden_layers":1e9}`, `num_hidden_layers is 1e9, want a whole number from 1 to 4096`},
		{"config.json", `{"model_type":"qwen2","num_hidden_layers":2.5}`, `num_hidden_layers is 2.5`},
		{"config.json", `{"model_type":"qwen2","num_hidden_layers":-1}`, `num_hidden_layers is -1`},
		{"config.json", `{"model_type":"qwen2","num_hidden_layers":2,"hidden_size":"64"}`, `hidden_size is "64", want a whole number`},
		{"config.json", `{"model_type":"qwen2","num_hidden_layers":1,"hidden_size":64}`, `is of layer 1, but config.json has num_hidden_layers 1`},
		{"config.json", `{"model_type":"qwen2","text_config":7}`, `text_config is 7, want an object`},
		{"config.json", strings.Repeat(`{"text_config":`, 20000), "config.json: "},
		{"tokenizer.json", `{}`, `pre_tokenizer: the steps "" are not a pre-tokenizer that is known`},
		{"tokenizer.json", `{"model":{"type":"BPE","vocab":{"a":4294967296},"merges":[]},` + bytes + `}`, `token "a" has the id 4294967296, want one of the 256 embeddings`},
		{"tokenizer.json", `{"model":{"type":"BPE","vocab":{"a":1,"b":1},"merges":[]},` + bytes + `}`, `tokens "a" and "b" have the same id 1`},
		{"tokenizer.json", `{"model":{"type":"BPE","vocab":{"a":1},"merges":["a"]},` + bytes + `}`, `merge 0 is "a", want two texts`},
		{"tokenizer.json", `{"model":{"type":"BPE","byte_fallback":true,"vocab":{"a":1},"merges":["a a"]}}`, `merge 0 makes "aa", which is no token`},
		{"tokenizer.json", `{"model":{"type":"Unigram","vocab":[["a"]]}}`, `vocab has ["a"] as token 0 of 256, want a text and a score`},
		{"tokenizer.json", `{"model":{"type":"Unigram","vocab":[["a",-1]],"unk_id":9e9}}`, `unk_id is 9e9`},
		{"tokenizer.json", `{"model":{"type":"Unigram","vocab":[["a",-1]]},"normalizer":{"type":"Precompiled","precompiled_charsmap":"?"}}`, `precompiled_charsmap: illegal base64`},
		{"tokenizer.json", `{"model":{"type":"WordLevel"}}`, `type "WordLevel" is not supported (BPE, Unigram, WordPiece)`},
		{"tokenizer.json", `{"model":{"type":"WordPiece","vocab":{}},"normalizer":{"type":"BertNormalizer","handle_chinese_chars":false}}`, `handle_chinese_chars false is not supported`},
		{"tokenizer.json", `{"model":{"type":"WordPiece","vocab":{}},"normalizer":{"type":"Lowercase"}}`, `normalizer "Lowercase" is not supported`},
		{"tokenizer.json", `{"model":{"type":"BPE","vocab":{"a":0},"merges":[]},` + bytes + `,"added_tokens":[{"id":-3,"content":"x"}]}`, `id is -3`},
		{"tokenizer_config.json", `"x"`, "tokenizer_config.json: json: cannot unmarshal"},
		{"special_tokens_map.json", `{"bos_token":`, "special_tokens_map.json: unexpected EOF"},
		{"generation_config.json", `nonsense`, "generation_config.json: invalid character"},
	} {
		_, d := oracleFile(t, "qwen2")
		dir := d.Save(t, t.TempDir())
		require.NoError(t, os.WriteFile(filepath.Join(dir, c.file), []byte(c.text), 0o666))
		_, err := hf.Open(dir)
		if assert.ErrorContains(t, err, c.want, "%.80s", c.text) {
			assert.ErrorContains(t, err, "hf: ")
		}
	}
}
