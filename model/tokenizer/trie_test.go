package tokenizer

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestTrieFindsFirstLongest(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	letters := func(n int) string {
		b := make([]byte, n)
		for i := range b {
			b[i] = "abc\xff"[rng.IntN(4)]
		}
		return string(b)
	}
	for range 500 {
		var tr trie
		tokens := map[string]int32{}
		for id := range int32(rng.IntN(12)) {
			text := letters(1 + rng.IntN(5))
			tokens[text] = id
			tr.add(text, id)
		}
		text := letters(rng.IntN(30))
		wantStart, wantEnd, want := len(text), len(text), none
	search:
		for start := range len(text) {
			for end := len(text); end > start; end-- {
				if id, ok := tokens[text[start:end]]; ok {
					wantStart, wantEnd, want = start, end, id
					break search
				}
			}
		}
		start, end, id := tr.find(text, new(int))
		require.Equal(t, []int{wantStart, wantEnd, int(want)}, []int{start, end, int(id)}, "%q in %q", tokens, text)
	}
}

func TestLiteralTokens(t *testing.T) {
	tok := mustNew(t, bytesAnd("llama-bpe", nil,
		token{"<|a|>", KindControl}, token{"<|a|>b", KindControl}, token{"<tool>", KindUserDefined}, token{"<unk>", KindUnknown}))
	literal := func(s string) (ids []int32) {
		for _, b := range []byte(s) {
			ids = append(ids, int32(b))
		}
		return ids
	}
	tests := []struct {
		text string
		opts EncodeOptions
		want []int32
	}{
		{"<|a|>", EncodeOptions{}, literal("<|a|>")},
		{"<|a|>", EncodeOptions{ParseSpecial: true}, []int32{256}},
		{"<|a|>b<|a|>c", EncodeOptions{ParseSpecial: true}, []int32{257, 256, 'c'}},
		{"<tool><tool>", EncodeOptions{}, []int32{258, 258}},
		{"<<tool>", EncodeOptions{ParseSpecial: true}, []int32{'<', 258}},
		{"<unk>", EncodeOptions{}, literal("<unk>")},
		{"<unk>", EncodeOptions{ParseSpecial: true}, []int32{259}},
		{"<|a", EncodeOptions{ParseSpecial: true}, literal("<|a")},
		{"", EncodeOptions{AddSpecial: true, ParseSpecial: true}, []int32{}},
	}
	for _, tt := range tests {
		assert.Equal(t, tt.want, tok.Encode(tt.text, tt.opts), "%q %+v", tt.text, tt.opts)
	}
}

// TestManyLiteralTokens: ten thousand added tokens and a text of nothing but their beginnings.
func TestManyLiteralTokens(t *testing.T) {
	var more []token
	for i := range 10000 {
		more = append(more, token{fmt.Sprintf("<|reserved_%d|>", i), KindUserDefined})
	}
	tok := mustNew(t, bytesAnd("gpt-2", nil, more...))
	text := strings.Repeat("<|reserved_9999|", 1<<16) + "<|reserved_9999|>"
	ids := tok.Encode(text, EncodeOptions{})
	assert.Equal(t, int32(256+9999), ids[len(ids)-1])
	assert.Equal(t, text, tok.Decode(ids))
}
