// Package parrot makes a small model for tests of what is around a model: it says the same few things whatever it is asked.
package parrot

import (
	"bytes"
	"encoding/binary"
	"math"
	"math/rand/v2"

	"umbra/model/gguf"
)

// Template is the parrot's chat template. A conversation with tools is answered by a call, one whose last message is a tool's, or without tools, by Greeting.
const Template = `{%- for m in messages %}
{{- '<|' + m.role + '|>' + (m.content or '') }}
{%- for c in m.tool_calls or [] %}
{{- '<tool_call>' + c.function | tojson + '</tool_call>' }}
{%- endfor %}
{{- '<|end|>' }}
{%- endfor %}
{%- if add_generation_prompt %}
{{- '<|call|>' if tools and messages[-1].role != 'tool' else '<|talk|>' }}
{%- endif %}`

// Greeting and Call are what it says, and Named and Arguments the call that Call holds.
const (
	Greeting  = "Hello, dear friend indeed."
	Call      = `Let me see.<tool_call>{"name": "weather", "arguments": {"city": "Oslo"}}</tool_call>`
	Named     = "weather"
	Arguments = `{"city":"Oslo"}`
)

// chains are what follows what. The first of each is a special token.
var chains = [][]string{
	{"<|talk|>", "Hello", ", ", "dear", " friend", " indeed.", "<|end|>"},
	{"<|call|>", "Let me", " see.", "<tool_call>", `{"name": "weather", `, `"arguments": {"city": `, `"Oslo"}}`, "</tool_call>", "<|end|>"},
}

// GGUF is the parrot, a file of one layer that adds nothing: the output matrix finds a token's successor by its embedding alone.
// What follows a token of no chain is as good as random.
func GGUF() []byte {
	const embed, context = 64, 512
	vocabulary, kinds := alphabet()
	ids := map[string]int{}
	for _, special := range []string{"<|end|>", "<|system|>", "<|user|>", "<|assistant|>", "<|tool|>", "<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"} {
		ids[special] = len(vocabulary)
		vocabulary, kinds = append(vocabulary, special), append(kinds, 3)
	}
	next := map[int]int{}
	for _, chain := range chains {
		before := -1
		for i, word := range chain {
			id, ok := ids[word]
			if !ok {
				id = len(vocabulary)
				ids[word] = id
				kind := int32(4) // user-defined: text as it is
				if i == 0 {
					kind = 3
				}
				vocabulary, kinds = append(vocabulary, word), append(kinds, kind)
			}
			if before >= 0 {
				next[before] = id
			}
			before = id
		}
	}
	n := len(vocabulary)
	r := rand.New(rand.NewPCG(1, 2))
	embeddings, output := make([]float32, n*embed), make([]float32, n*embed)
	for id := range n {
		row := embeddings[id*embed:][:embed]
		norm := 0.0
		for i := range row {
			row[i] = float32(r.NormFloat64())
			norm += float64(row[i]) * float64(row[i])
		}
		follower, ok := next[id]
		for i := range row {
			row[i] /= float32(math.Sqrt(norm))
			if ok {
				output[follower*embed+i] += 4 * row[i]
			}
		}
	}
	w := gguf.NewWriter()
	for _, kv := range []gguf.KV{
		{Key: "general.architecture", Value: "llama"}, {Key: "general.name", Value: "parrot"}, {Key: "llama.vocab_size", Value: uint32(n)},
		{Key: "llama.context_length", Value: uint32(context)}, {Key: "llama.embedding_length", Value: uint32(embed)},
		{Key: "llama.block_count", Value: uint32(1)}, {Key: "llama.feed_forward_length", Value: uint32(32)},
		{Key: "llama.attention.head_count", Value: uint32(4)}, {Key: "llama.attention.head_count_kv", Value: uint32(4)},
		{Key: "llama.rope.dimension_count", Value: uint32(16)}, {Key: "llama.rope.freq_base", Value: float32(10000)},
		{Key: "llama.attention.layer_norm_rms_epsilon", Value: float32(1e-5)},
		{Key: "tokenizer.ggml.model", Value: "gpt2"}, {Key: "tokenizer.ggml.pre", Value: "llama-bpe"}, {Key: "tokenizer.ggml.tokens", Value: vocabulary},
		{Key: "tokenizer.ggml.token_type", Value: kinds}, {Key: "tokenizer.ggml.merges", Value: []string{}},
		{Key: "tokenizer.ggml.eos_token_id", Value: uint32(ids["<|end|>"])}, {Key: "tokenizer.chat_template", Value: Template},
	} {
		w.Set(kv.Key, kv.Value)
	}
	add := func(name string, values []float32, dims ...uint64) { w.Add(name, gguf.F32, dims, floats(values)) }
	ones := func() []float32 {
		all := make([]float32, embed)
		for i := range all {
			all[i] = 1
		}
		return all
	}
	add("token_embd.weight", embeddings, embed, uint64(n))
	add("output_norm.weight", ones(), embed)
	add("output.weight", output, embed, uint64(n))
	add("blk.0.attn_norm.weight", ones(), embed)
	add("blk.0.ffn_norm.weight", ones(), embed)
	for _, name := range []string{"attn_q", "attn_k", "attn_v", "attn_output"} {
		add("blk.0."+name+".weight", make([]float32, embed*embed), embed, embed)
	}
	add("blk.0.ffn_gate.weight", make([]float32, embed*32), embed, 32)
	add("blk.0.ffn_up.weight", make([]float32, embed*32), embed, 32)
	add("blk.0.ffn_down.weight", make([]float32, embed*32), 32, embed)
	return written(w)
}

// alphabet is a token for each byte, as GPT-2 spells bytes.
func alphabet() (vocabulary []string, kinds []int32) {
	shifted := rune(256)
	for b := range rune(256) {
		r := b
		if b <= ' ' || b > '~' && b < 161 || b == 173 {
			r = shifted
			shifted++
		}
		vocabulary, kinds = append(vocabulary, string(r)), append(kinds, 1)
	}
	return vocabulary, kinds
}

func floats(values []float32) []byte {
	var out []byte
	for _, v := range values {
		out = binary.LittleEndian.AppendUint32(out, math.Float32bits(v))
	}
	return out
}

func written(w *gguf.Writer) []byte {
	var b bytes.Buffer
	if _, err := w.WriteTo(&b); err != nil {
		panic(err) // of values that are all this package's
	}
	return b.Bytes()
}
