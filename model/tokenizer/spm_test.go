package tokenizer

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestSPM(t *testing.T) {
	const first = 259 // of these
	src := plain("llama", scored{"▁", KindNormal, -9}, scored{"a", KindNormal, -9}, scored{"b", KindNormal, -9}, scored{"ab", KindNormal, -2},
		scored{"▁a", KindNormal, -1}, scored{"bab", KindNormal, -3}, scored{"▁▁", KindNormal, -4}, scored{"<mark>", KindUserDefined, 0}, scored{"<ctl>", KindControl, 0})
	const space, a, b, ab, spaceA, bab, spaces, mark, ctl = first, first + 1, first + 2, first + 3, first + 4, first + 5, first + 6, first + 7, first + 8
	tok := mustNew(t, src)
	for _, tt := range []struct {
		text    string
		special bool
		want    []int32
	}{
		{"", false, []int32{}},
		{"ab", false, []int32{spaceA, b}}, // "▁a" has a higher score than "ab"
		{"bab", false, []int32{space, bab}},
		{" ", false, []int32{spaces}},
		{"  ab", false, []int32{spaces, spaceA, b}},
		{"▁ab", false, []int32{space, spaceA, b}}, // a mark is a space
		{"aé\n\xff", false, []int32{spaceA, 3 + 0xc3, 3 + 0xa9, 3 + '\n', 3 + 0xff}},
		{"b<mark>b", false, []int32{space, b, mark, space, b}}, // a space after a literal token too
		{"<ctl>", false, []int32{space, 3 + '<', 3 + 'c', 3 + 't', 3 + 'l', 3 + '>'}},
		{"b<ctl>b", true, []int32{space, b, ctl, space, b}},
	} {
		assert.Equal(t, tt.want, tok.Encode(tt.text, EncodeOptions{ParseSpecial: tt.special}), "%q", tt.text)
		if !tt.special {
			assert.Equal(t, unescapeSpaces(tt.text), tok.Decode(tt.want))
		}
	}
	assert.Equal(t, []int32{1, spaceA}, tok.Encode("a", EncodeOptions{AddSpecial: true}), "BOS by default, EOS not")
	assert.Equal(t, "a a", tok.Decode([]int32{spaceA, spaceA}))
	assert.Equal(t, " a", strings.Join(stream(tok.Stream(), []int32{spaceA}), ""), "a stream may continue a text")
	assert.Equal(t, []string{"", "é", ""}, stream(tok.Stream(), []int32{3 + 0xc3, 3 + 0xa9}))
	assert.Equal(t, []int32{3 + '\n'}, tok.Containing([]string{"\n"}))

	bare := mustNew(t, src.with("tokenizer.ggml.add_space_prefix", false))
	assert.Equal(t, []int32{ab}, bare.Encode("ab", EncodeOptions{}))
	assert.Equal(t, " a", bare.Decode(bare.Encode(" a", EncodeOptions{})))

	few := mustNew(t, listed("llama", scored{"a", KindNormal, 0}, scored{"<?>", KindUnknown, 0}).with("tokenizer.ggml.add_space_prefix", false))
	assert.Equal(t, []int32{0, 1, 0, 1}, few.Encode("aéa!", EncodeOptions{}), "without bytes, one unknown token a rune")
}

// mergeByScore is SentencePiece's byte-pair encoding as it is defined.
func mergeByScore(scores map[string]float64, text string) []string {
	symbols := strings.Split(text, "")
	for {
		best, at := 0.0, -1
		for i := range len(symbols) - 1 {
			if score, ok := scores[symbols[i]+symbols[i+1]]; ok && (at < 0 || score > best) {
				best, at = score, i
			}
		}
		if at < 0 {
			return symbols
		}
		symbols = slices.Replace(symbols, at, at+2, symbols[at]+symbols[at+1])
	}
}

// TestSPMMatchesTheDefinition makes random vocabularies, many scores the same, some with spaces inside of tokens.
func TestSPMMatchesTheDefinition(t *testing.T) {
	rng := rand.New(rand.NewPCG(21, 22))
	for range 300 {
		letters := []string{"a", "b", "é", " ", "文"}
		scores := map[string]float64{}
		var more []scored
		for range rng.IntN(40) {
			var word string
			for range 1 + rng.IntN(4) {
				word += letters[rng.IntN(len(letters))]
			}
			if _, ok := scores[word]; ok || rng.IntN(2) == 0 && nextWord(word) < len(word) {
				continue
			}
			scores[word] = float64(rng.IntN(8))
			more = append(more, scored{strings.ReplaceAll(word, " ", spaceMark), KindNormal, scores[word]})
		}
		tok := mustNew(t, plain("llama", more...).with("tokenizer.ggml.add_space_prefix", false))
		for range 30 {
			var text strings.Builder
			for range 1 + rng.IntN(40) {
				text.WriteString(letters[rng.IntN(len(letters))])
			}
			var want, got []string
			for _, s := range mergeByScore(scores, text.String()) {
				if _, ok := scores[s]; ok {
					want = append(want, s)
				} else {
					for _, b := range []byte(s) {
						want = append(want, string([]byte{b}))
					}
				}
			}
			for _, id := range tok.Encode(text.String(), EncodeOptions{}) {
				got = append(got, string(tok.Piece(id)))
			}
			require.Equal(t, want, got, "%q with %v", text.String(), scores)
		}
	}
}

// TestRanked is tiktoken's encoding, of a file without merges: the token of lowest id first.
func TestRanked(t *testing.T) {
	src := bytesAnd("kimi-k2", nil, token{"bc", KindNormal}, token{"ab", KindNormal}, token{"abc", KindNormal}).with("tokenizer.ggml.merges", nil)
	tok := mustNew(t, src)
	assert.Equal(t, []int32{258}, tok.Encode("abc", EncodeOptions{}))
	assert.Equal(t, []int32{257, 'b'}, tok.Encode("abb", EncodeOptions{}))
	assert.Equal(t, []int32{'a', 'd', 0xff}, tok.Encode("ad\xff", EncodeOptions{}))
	_, err := New(src.with("tokenizer.ggml.pre", "gpt-2"))
	assert.EqualError(t, err, "tokenizer: tokenizer.ggml.merges is missing")
}

// TestGemma4 merges runes of whole lines, with bytes for what is no token.
func TestGemma4(t *testing.T) {
	src := plain("gemma4", scored{"▁", KindNormal, 0}, scored{"a", KindNormal, 0}, scored{"é", KindNormal, 0}, scored{"▁é", KindNormal, 0}, scored{"a▁é", KindNormal, 0},
		scored{"\n\n", KindNormal, 0}, scored{"▁▁", KindNormal, 0}).with("tokenizer.ggml.merges", []string{"▁ é", "a ▁é", "▁ ▁"}).with("tokenizer.ggml.add_bos_token", false)
	tok := mustNew(t, src)
	assert.Equal(t, []int32{1, 263, 264, 260}, tok.Encode("a é\n\na", EncodeOptions{AddSpecial: true}), "BOS whatever the file says")
	assert.Equal(t, []int32{265, 262, 3 + '\n', 3 + 0xe6, 3 + 0x96, 3 + 0x87}, tok.Encode("   é\n文", EncodeOptions{}))
	assert.Equal(t, "   é\n文\xff", tok.Decode(tok.Encode("   é\n文\xff", EncodeOptions{})))
}

// TestPhi3 takes white space after turn marks away.
func TestPhi3(t *testing.T) {
	src := plain("llama", scored{"▁", KindNormal, 0}, scored{"<|user|>", KindControl, 0}, scored{"<|endoftext|>", KindControl, 0}).
		with("tokenizer.ggml.add_space_prefix", false)
	text := "<|user|>\n <|endoftext|> <s> </s> "
	special := EncodeOptions{ParseSpecial: true}
	assert.Equal(t, []int32{260, 3 + '\n', 259, 261, 259, 1, 259, 2, 259}, mustNew(t, src).Encode(text, special))
	assert.Equal(t, []int32{260, 261, 259, 1, 259, 2}, mustNew(t, src.with("general.name", "Phi-3 mini")).Encode(text, special))
}
