package gguf

import (
	"bytes"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// models are real files, written by llama.cpp's tools.
var models = []struct {
	path    string
	tensors int
}{
	{"../../testdata/gopher-28m-q8_0.gguf", 74},
	{"../../testdata/gopher-draft-4m-q8_0.gguf", 20},
}

func TestRealFiles(t *testing.T) {
	for _, m := range models {
		f, err := Open(m.path)
		require.NoError(t, err)
		defer f.Close()
		assert.Equal(t, uint32(3), f.Version)
		arch, _ := f.String("general.architecture")
		assert.Equal(t, "llama", arch)
		assert.Len(t, f.Tensors, m.tensors)

		tokens, _ := f.Strings("tokenizer.ggml.tokens")
		kinds, _ := f.Ints("tokenizer.ggml.token_type")
		assert.Equal(t, len(tokens), len(kinds))
		embd, ok := f.Tensor("token_embd.weight")
		require.True(t, ok)
		width, _ := f.Uint("llama.embedding_length")
		assert.Equal(t, []uint64{width, uint64(len(tokens))}, embd.Dims)
		assert.Equal(t, Q8_0, embd.Type)
		assert.Len(t, f.Data(embd), int(width)/32*34*len(tokens))

		whole, err := os.ReadFile(m.path)
		require.NoError(t, err)
		assert.True(t, bytes.Equal(whole, rewrite(t, f)), "%s: written again, it must be the same bytes", m.path)
	}
}

// BenchmarkParseVocabulary parses a header with 128k tokens, scores and kinds, as Llama 3's has.
func BenchmarkParseVocabulary(b *testing.B) {
	const n = 128 << 10
	tokens, scores := make([]string, n), make([]float32, n)
	for i := range tokens {
		tokens[i] = "a token"
	}
	w := NewWriter()
	w.Set("tokenizer.ggml.tokens", tokens)
	w.Set("tokenizer.ggml.merges", tokens)
	w.Set("tokenizer.ggml.scores", scores)
	w.Set("tokenizer.ggml.token_type", make([]int32, n))
	var file bytes.Buffer
	_, err := w.WriteTo(&file)
	require.NoError(b, err)
	b.SetBytes(int64(file.Len()))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse(file.Bytes()); err != nil {
			b.Fatal(err)
		}
	}
}
