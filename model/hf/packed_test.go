package hf_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/x448/float16"

	"umbra/model/gguf"
	"umbra/model/hf"
	"umbra/model/hf/hftest"
	"umbra/model/quant"
	"umbra/model/safetensors"
	write "umbra/model/safetensors/safetensorstest"
)

// weights4 is a matrix of out × in 4-bit numbers with a scale and a zero for each group of inputs of each output.
type weights4 struct {
	in, out, group int
	q, zero        []int // out × in, out × groups
	scale          []float32
}

func random4(r *rand.Rand, in, out, group int, zero func() int) weights4 {
	w := weights4{in: in, out: out, group: group}
	for range out * in {
		w.q = append(w.q, r.IntN(16))
	}
	for range out * in / group {
		w.zero = append(w.zero, zero())
		w.scale = append(w.scale, float16.Fromfloat32(0.001+0.1*r.Float32()).Float32())
	}
	return w
}

// values is what the matrix stands for, by the definition.
func (w weights4) values() (all []float32) {
	for o := range w.out {
		for i := range w.in {
			g := o*(w.in/w.group) + i/w.group
			all = append(all, w.scale[g]*float32(w.q[o*w.in+i]-w.zero[g]))
		}
	}
	return all
}

// scales is groups × outputs.
func (w weights4) scales(name string, t safetensors.Type) write.Tensor {
	n := w.in / w.group
	all := make([]float32, n*w.out)
	for o := range w.out {
		for g := range n {
			all[g*w.out+o] = w.scale[o*n+g]
		}
	}
	return write.Floats(name+".scales", t, all, uint64(n), uint64(w.out))
}

// gptq packs as AutoGPTQ does: eight inputs of a column in an int32, eight zeros of a row, less one.
func (w weights4) gptq(name string) []write.Tensor {
	n := w.in / w.group
	q, z, order := make([]int32, w.in/8*w.out), make([]int32, n*w.out/8), make([]int32, w.in)
	for o := range w.out {
		for i := range w.in {
			q[i/8*w.out+o] |= int32(uint32(w.q[o*w.in+i]) << (4 * (i % 8)))
			order[i] = int32(i / w.group)
		}
		for g := range n {
			z[g*(w.out/8)+o/8] |= int32(uint32(w.zero[o*n+g]-1) << (4 * (o % 8)))
		}
	}
	return []write.Tensor{write.Ints(name+".qweight", q, uint64(w.in/8), uint64(w.out)), write.Ints(name+".qzeros", z, uint64(n), uint64(w.out/8)),
		w.scales(name, safetensors.F16), write.Ints(name+".g_idx", order, uint64(w.in))}
}

// awq packs as AutoAWQ's GEMM does: eight outputs in an int32, in an order of its own.
func (w weights4) awq(name string) []write.Tensor {
	n := w.in / w.group
	q, z := make([]int32, w.in*w.out/8), make([]int32, n*w.out/8)
	for c := range w.out / 8 {
		for nibble, o := range []int{0, 2, 4, 6, 1, 3, 5, 7} {
			o += 8 * c
			for i := range w.in {
				q[i*(w.out/8)+c] |= int32(uint32(w.q[o*w.in+i]) << (4 * nibble))
			}
			for g := range n {
				z[g*(w.out/8)+c] |= int32(uint32(w.zero[o*n+g]) << (4 * nibble))
			}
		}
	}
	return []write.Tensor{write.Ints(name+".qweight", q, uint64(w.in), uint64(w.out/8)), write.Ints(name+".qzeros", z, uint64(n), uint64(w.out/8)),
		w.scales(name, safetensors.F16)}
}

// tiny is a folder of one layer with a q and a down projection, packed.
func tiny(config map[string]any, tensors ...write.Tensor) hftest.Folder {
	d := hftest.Folder{Config: map[string]any{"model_type": "llama", "hidden_act": "silu", "hidden_size": 128, "num_hidden_layers": 1, "num_attention_heads": 4,
		"num_key_value_heads": 2, "intermediate_size": 256, "max_position_embeddings": 64, "rms_norm_eps": 1e-5, "tie_word_embeddings": true}}
	for k, v := range config {
		d.Config[k] = v
	}
	d.Tensors = append(tensors, write.Floats("model.embed_tokens.weight", safetensors.F16, make([]float32, 256*128), 256, 128))
	vocab := map[string]int{}
	for b := range 256 {
		vocab[fmt.Sprint(b)] = b
	}
	d.Tokenizer = map[string]any{"model": map[string]any{"type": "BPE", "vocab": vocab, "merges": []string{"1 2"}},
		"pre_tokenizer": map[string]any{"type": "ByteLevel", "add_prefix_space": false}}
	return d
}

// TestPacked compares with the definition: not a bit is lost, with symmetric zeros as Q4_0 and with others as Q5_0, and rows of q in pairs.
func TestPacked(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, c := range []struct {
		name   string
		group  int
		zero   func() int
		config map[string]any
		pack   func(weights4, string) []write.Tensor
		want   gguf.Type
	}{
		{"gptq symmetric", 32, func() int { return 8 }, map[string]any{"quant_method": "gptq", "bits": 4, "group_size": 32, "sym": true}, weights4.gptq, gguf.Q4_0},
		{"gptq zeros", 64, func() int { return 1 + r.IntN(16) }, map[string]any{"quant_method": "gptq", "bits": 4, "group_size": 64}, weights4.gptq, gguf.Q5_0},
		{"gptq one group", 128, func() int { return 8 }, map[string]any{"quant_method": "gptq", "bits": 4, "group_size": -1, "desc_act": true}, weights4.gptq, gguf.Q4_0},
		{"awq", 128, func() int { return r.IntN(16) }, map[string]any{"quant_method": "awq", "bits": 4, "group_size": 128, "version": "gemm"}, weights4.awq, gguf.Q5_0},
		{"awq eights", 32, func() int { return 8 }, map[string]any{"quant_method": "awq", "bits": 4, "group_size": 32}, weights4.awq, gguf.Q4_0},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := random4(r, 128, 128, c.group, c.zero)
			tensors := append(c.pack(w, "model.layers.0.self_attn.o_proj"), c.pack(w, "model.layers.0.self_attn.q_proj")...)
			tensors = append(tensors, write.Floats("model.layers.0.self_attn.o_proj.bias", safetensors.F16, make([]float32, 128), 128))
			f, err := hf.Open(tiny(map[string]any{"quantization_config": c.config}, tensors...).Save(t, t.TempDir()))
			require.NoError(t, err)
			defer f.Close()
			want := w.values()
			x, _ := f.Tensor("blk.0.attn_output.weight")
			require.Equal(t, c.want, x.Type)
			got := make([]float32, len(want))
			require.NoError(t, quant.Dequantize(x.Type, f.Data(x), got))
			assert.Equal(t, want, got)
			q, _ := f.Tensor("blk.0.attn_q.weight")
			require.NoError(t, quant.Dequantize(q.Type, f.Data(q), got))
			assert.Equal(t, want, hftest.Halves(got, 4, 128))
			assert.Equal(t, f.Data(q)[777:1999], f.Range(q, 777, 1999))
			_, bias := f.Tensor("blk.0.attn_output.bias")
			assert.False(t, bias, "a bias of zeros that the packer added")
		})
	}
}

func TestPackedRefuses(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	w := random4(r, 128, 128, 32, func() int { return 8 })
	good := map[string]any{"quant_method": "gptq", "bits": 4, "group_size": 32}
	with := func(key string, v any) map[string]any {
		m := map[string]any{key: v}
		for k, old := range good {
			if k != key {
				m[k] = old
			}
		}
		return m
	}
	const name = "model.layers.0.self_attn.o_proj"
	mixed := w.gptq(name)
	mixed[3] = write.Ints(name+".g_idx", make([]int32, 128), 128)
	odd := w.gptq(name)
	odd[2] = w.scales(name, safetensors.F32)
	odd[2].Data[0] |= 1
	for _, c := range []struct {
		config  map[string]any
		tensors []write.Tensor
		says    string
	}{
		{with("bits", 8), w.gptq(name), "bits 8 are not supported (4)"},
		{with("quant_method", "bitsandbytes"), w.gptq(name), `quant_method "bitsandbytes" is not supported (gptq, awq)`},
		{with("group_size", 48), w.gptq(name), "group_size 48"},
		{with("checkpoint_format", "marlin"), w.gptq(name), `checkpoint_format "marlin"`},
		{with("group_size", 64), w.gptq(name), "qzeros"},
		{good, mixed, "desc_act"},
		{good, odd, "no half"},
		{good, w.gptq(name)[:1], "qzeros and scales"},
	} {
		_, err := hf.Open(tiny(map[string]any{"quantization_config": c.config}, c.tensors...).Save(t, t.TempDir()))
		require.ErrorContains(t, err, c.says)
	}
}
