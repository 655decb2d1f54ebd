package tokenizer

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestNewRefuses(t *testing.T) {
	good := bytesAnd("gpt-2", nil)
	mustNew(t, good)
	tests := []struct {
		key   string
		value any
		want  string // of the error
	}{
		{"tokenizer.ggml.model", nil, "tokenizer.ggml.model is missing"},
		{"tokenizer.ggml.model", "llama", `tokenizer.ggml.model "llama" is not supported (gpt2)`},
		{"tokenizer.ggml.pre", nil, "tokenizer.ggml.pre is missing"},
		{"tokenizer.ggml.pre", "falcon", `tokenizer.ggml.pre "falcon" is not supported (a.x-4.0, `},
		{"tokenizer.ggml.pre", "deepseek-coder", `"deepseek-coder" is not supported`},
		{"tokenizer.ggml.pre", "", `tokenizer.ggml.pre "" is not supported`},
		{"tokenizer.ggml.tokens", nil, "tokenizer.ggml.tokens is missing or empty"},
		{"tokenizer.ggml.tokens", []string{}, "tokenizer.ggml.tokens is missing or empty"},
		{"tokenizer.ggml.token_type", []int64{1, 1}, "token_type has 2 values for 256 tokens"},
		{"tokenizer.ggml.merges", nil, "tokenizer.ggml.merges is missing"},
		{"tokenizer.ggml.merges", []string{"a b", "ab"}, `merge 1 "ab" is not two parts`},
		{"tokenizer.ggml.merges", []string{" b"}, `merge 0 " b" is not two parts`},
		{"tokenizer.ggml.bos_token_id", uint64(256), "bos_token_id is 256, but there are 256 tokens"},
		{"tokenizer.ggml.eos_token_id", uint64(1 << 40), "eos_token_id is 1099511627776, but there are 256 tokens"},
		{"tokenizer.ggml.eot_token_id", uint64(300), "eot_token_id is 300"},
		{"tokenizer.ggml.add_bos_token", true, "add_bos_token is true, but no such token"},
		{"tokenizer.ggml.add_eos_token", true, "add_eos_token is true, but no such token"},
	}
	for _, tt := range tests {
		_, err := New(good.with(tt.key, tt.value))
		if assert.Error(t, err, "%s %v", tt.key, tt.value) {
			assert.Contains(t, err.Error(), "tokenizer: ")
			assert.Contains(t, err.Error(), tt.want)
		}
	}
	_, err := New(bytesAnd("gpt-2", nil, token{"a", KindNormal}))
	assert.EqualError(t, err, `tokenizer: token "a" has two ids, 97 and 256`)
	_, err = New(bytesAnd("gpt-2", nil, token{"<0x0A>", kindByte}))
	assert.EqualError(t, err, `tokenizer: token 256 "<0x0A>" is of type 6 (byte), which gpt2 vocabularies don't have`)
}

func TestAddSpecial(t *testing.T) {
	const bos, eos = 256, 257
	tests := []struct {
		pre            string
		addBOS, addEOS any // the file's keys
		want           []int32
	}{
		{"llama-bpe", nil, nil, []int32{bos, 'x'}}, // its default
		{"llama-bpe", false, nil, []int32{'x'}},
		{"llama-bpe", true, true, []int32{bos, 'x', eos}},
		{"dbrx", nil, nil, []int32{'x'}},
		{"gpt-2", nil, nil, []int32{'x'}},
		{"gpt-2", true, false, []int32{bos, 'x'}},
		{"qwen2", nil, true, []int32{'x', eos}},
	}
	for _, tt := range tests {
		tok := mustNew(t, bytesAnd(tt.pre, nil, token{"<s>", KindControl}, token{"</s>", KindControl}).
			with("tokenizer.ggml.bos_token_id", uint64(bos)).
			with("tokenizer.ggml.eos_token_id", uint64(eos)).
			with("tokenizer.ggml.add_bos_token", tt.addBOS).
			with("tokenizer.ggml.add_eos_token", tt.addEOS))
		assert.Equal(t, tt.want, tok.Encode("x", EncodeOptions{AddSpecial: true}), "%+v", tt)
		assert.Equal(t, []int32{'x'}, tok.Encode("x", EncodeOptions{}), "%+v", tt)
	}
	tok := mustNew(t, bytesAnd("llama-bpe", nil)) // would add a BOS, but there is none
	assert.Equal(t, []int32{'x'}, tok.Encode("x", EncodeOptions{AddSpecial: true}))
	_, ok := tok.BOS()
	assert.False(t, ok)
	_, ok = tok.EOS()
	assert.False(t, ok)
}

func TestEndOfGeneration(t *testing.T) {
	tok := mustNew(t, bytesAnd("qwen2", nil,
		token{"<|endoftext|>", KindControl}, token{"<|im_start|>", KindControl},
		token{"<|im_end|>", KindNormal}, // mistyped: its text decides
		token{"<|fim_prefix|>", KindUserDefined}, token{"<|repo_name|>", KindControl}, token{"<done>", KindControl}).
		with("tokenizer.ggml.eos_token_id", uint64('!')).
		with("tokenizer.ggml.eot_token_id", uint64(261)))
	var ends []int32
	for id := range int32(tok.Size()) {
		if tok.EOG(id) {
			ends = append(ends, id)
		}
	}
	assert.Equal(t, []int32{'!', 256, 258, 260, 261}, ends)
	assert.Equal(t, KindControl, tok.Kind(258))
	assert.Equal(t, KindControl, tok.Kind(259))
	assert.Equal(t, KindNormal, tok.Kind('!'))
	assert.False(t, tok.EOG(-1))
}

func TestFIM(t *testing.T) {
	tokens := bytesAnd("qwen2", nil, token{"<|fim_prefix|>", KindControl}, token{"<|fim_suffix|>", KindControl}, token{"<here>", KindControl})
	_, _, _, ok := mustNew(t, tokens).FIM()
	assert.False(t, ok)
	prefix, suffix, middle, ok := mustNew(t, tokens.with("tokenizer.ggml.fim_mid_token_id", uint64(258))).FIM()
	assert.True(t, ok)
	assert.Equal(t, []int32{256, 257, 258}, []int32{prefix, suffix, middle})
}

func TestPieces(t *testing.T) {
	tok := mustNew(t, bytesAnd("gpt-2", nil, token{"Ġthe", KindNormal}, token{"<|x|>", KindControl}, token{"<y>Ġ", KindUserDefined},
		token{"pad", KindUnused}, token{"", KindNormal}, token{"", KindNormal}, token{"文", KindNormal}, token{"<unk>", KindUnknown}))
	for id, want := range map[int32][3]string{ // text, piece, rendered
		' ': {"Ġ", " ", " "},
		256: {"Ġthe", " the", " the"},
		257: {"<|x|>", "", "<|x|>"},
		258: {"<y>Ġ", "<y>Ġ", "<y>Ġ"},
		259: {"pad", "", ""},
		260: {"", "", ""},
		262: {"文", "文", "文"},
		263: {"<unk>", "", "<unk>"},
		264: {"", "", ""},
		-1:  {"", "", ""},
	} {
		got := [3]string{tok.Text(id), string(tok.Piece(id)), string(tok.Render(id))}
		assert.Equal(t, want, got, "%d", id)
	}
	assert.Equal(t, KindUndefined, tok.Kind(264))
	assert.Equal(t, KindUndefined, tok.Kind(-1))
	assert.Equal(t, 264, tok.Size())
	assert.Equal(t, " the", tok.Decode([]int32{256, 257, 259, 999}))
}

func TestGopher(t *testing.T) {
	tok := gopher(t)
	assert.Equal(t, 8192, tok.Size())
	bos, ok := tok.BOS()
	require.True(t, ok)
	assert.Equal(t, "<|begin_of_text|>", tok.Text(bos))
	eos, ok := tok.EOS()
	require.True(t, ok)
	assert.True(t, tok.EOG(eos))
	assert.Equal(t, bos, tok.Encode("x", EncodeOptions{AddSpecial: true})[0])
}
