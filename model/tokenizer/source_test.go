package tokenizer

import (
	"maps"
	"testing"

	"github.com/stretchr/testify/require"

	"umbra/model/gguf"
)

var _ Source = (*gguf.File)(nil)

// source is a definition written down in a test.
type source map[string]any

func value[T any](s source, key string) (T, bool) {
	v, ok := s[key].(T)
	return v, ok
}

func (s source) String(key string) (string, bool)    { return value[string](s, key) }
func (s source) Uint(key string) (uint64, bool)      { return value[uint64](s, key) }
func (s source) Bool(key string) (bool, bool)        { return value[bool](s, key) }
func (s source) Strings(key string) ([]string, bool) { return value[[]string](s, key) }
func (s source) Ints(key string) ([]int64, bool)     { return value[[]int64](s, key) }
func (s source) Floats(key string) ([]float64, bool) { return value[[]float64](s, key) }

// with returns s with a key changed, or removed if v is nil.
func (s source) with(key string, v any) source {
	s = maps.Clone(s)
	s[key] = v
	return s
}

// token is a token beyond the 256 bytes.
type token struct {
	text string
	kind Kind
}

// bytesAnd returns a definition with the 256 bytes as tokens 0 to 255, in order, and then more.
func bytesAnd(pre string, merges []string, more ...token) source {
	var texts []string
	var types []int64
	for b := range 256 {
		texts = append(texts, string(byteToRune[b]))
		types = append(types, int64(KindNormal))
	}
	for _, m := range more {
		texts = append(texts, m.text)
		types = append(types, int64(m.kind))
	}
	return source{
		"tokenizer.ggml.model":      "gpt2",
		"tokenizer.ggml.pre":        pre,
		"tokenizer.ggml.tokens":     texts,
		"tokenizer.ggml.token_type": types,
		"tokenizer.ggml.merges":     merges,
	}
}

func mustNew(t testing.TB, src Source) *Tokenizer {
	t.Helper()
	tok, err := New(src)
	require.NoError(t, err)
	return tok
}

// gopher returns the tokenizer of the model in testdata: 8192 tokens, llama-bpe.
func gopher(t testing.TB) *Tokenizer {
	t.Helper()
	f, err := gguf.Open("../../testdata/gopher-28m-q8_0.gguf")
	require.NoError(t, err)
	defer f.Close()
	return mustNew(t, f)
}
