package tokenizer

import (
	"fmt"
	"maps"
	"strings"
	"testing"
	"unicode/utf8"

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

// scored is a token of a vocabulary with scores.
type scored struct {
	text  string
	kind  Kind
	score float64
}

// plain returns a definition in UTF-8: unknown, BOS and EOS as tokens 0 to 2, the 256 bytes as 3 to 258, and then more.
func plain(model string, more ...scored) source {
	all := []scored{{"<unk>", KindUnknown, 0}, {"<s>", KindControl, 0}, {"</s>", KindControl, 0}}
	for b := range 256 {
		all = append(all, scored{fmt.Sprintf("<0x%02X>", b), KindByte, 0})
	}
	return listed(model, append(all, more...)...).with("tokenizer.ggml.bos_token_id", uint64(1)).with("tokenizer.ggml.eos_token_id", uint64(2))
}

// listed returns a definition of nothing but tokens.
func listed(model string, all ...scored) source {
	var texts []string
	var types []int64
	var scores []float64
	for _, x := range all {
		texts, types, scores = append(texts, x.text), append(types, int64(x.kind)), append(scores, x.score)
	}
	return source{
		"tokenizer.ggml.model": model, "tokenizer.ggml.tokens": texts, "tokenizer.ggml.token_type": types, "tokenizer.ggml.scores": scores,
	}
}

// retold returns the built-in vocabulary's whole runes as tokens of another kind, the first with the highest score.
func retold(t testing.TB, model string) source {
	tok := gopher(t)
	var more []scored
	seen := map[string]bool{}
	for id := range int32(tok.Size()) {
		piece := tok.Piece(id)
		if model != "gemma4" && nextWord(string(piece)) < len(piece) { // SentencePiece's have spaces before words alone
			continue
		}
		if tok.Kind(id) == KindNormal && utf8.Valid(piece) {
			more = append(more, scored{strings.ReplaceAll(string(piece), " ", spaceMark), KindNormal, -1 - float64(id)/1000})
			seen[string(piece)] = true
		}
	}
	src := plain(model, more...)
	switch model {
	case "gemma4":
		var merges []string
		for _, x := range more { // every way to make a token of two
			for i := range x.text {
				if left, right := x.text[:i], x.text[i:]; seen[unescapeSpaces(left)] && seen[unescapeSpaces(right)] {
					merges = append(merges, left+" "+right)
				}
			}
		}
		src = src.with("tokenizer.ggml.merges", merges)
	case "t5":
		src = src.with("tokenizer.ggml.add_space_prefix", true)
	}
	return src
}
