package tokenizer

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// mergePlainly is byte-level BPE as it is defined: merge the leftmost pair of lowest rank until there is none.
// Letters only, so that the byte alphabet is the identity.
func mergePlainly(merges []string, word string) []string {
	symbols := strings.Split(word, "")
	for {
		best, at := len(merges), 0
		for i := range len(symbols) - 1 {
			rank := slices.Index(merges, symbols[i]+" "+symbols[i+1])
			if rank >= 0 && rank < best {
				best, at = rank, i
			}
		}
		if best == len(merges) {
			return symbols
		}
		symbols = slices.Replace(symbols, at, at+2, symbols[at]+symbols[at+1])
	}
}

// TestMergesMatchTheDefinition makes random vocabularies of random merges, in random order and some twice, with or
// without tokens for what they produce.
func TestMergesMatchTheDefinition(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for range 300 {
		parts := []string{"a", "b", "c"}
		var merges []string
		var more []token
		for range rng.IntN(40) {
			left, right := parts[rng.IntN(len(parts))], parts[rng.IntN(len(parts))]
			merges = append(merges, left+" "+right)
			if slices.Contains(parts, left+right) {
				continue
			}
			parts = append(parts, left+right)
			if rng.IntN(4) > 0 {
				more = append(more, token{left + right, KindNormal})
			}
		}
		rng.Shuffle(len(merges), func(i, j int) { merges[i], merges[j] = merges[j], merges[i] })
		tok := mustNew(t, bytesAnd("gpt-2", merges, more...))
		for range 30 {
			var word strings.Builder
			for range 1 + rng.IntN(60) {
				word.WriteByte("abc"[rng.IntN(3)])
			}
			var want []string
			for _, s := range mergePlainly(merges, word.String()) {
				if slices.Contains(more, token{s, KindNormal}) {
					want = append(want, s)
				} else { // no token: byte by byte
					want = append(want, strings.Split(s, "")...)
				}
			}
			var got []string
			for _, id := range tok.Encode(word.String(), EncodeOptions{}) {
				got = append(got, tok.Text(id))
			}
			require.Equal(t, want, got, "%q with %q", word.String(), merges)
		}
	}
}

func TestIgnoreMerges(t *testing.T) {
	more := []token{{"ab", KindNormal}, {"abc", KindNormal}} // no merge makes abc
	for pre, want := range map[string][]int32{
		"llama-bpe": {257},
		"dbrx":      {256, 'c'}, // the same pattern, but the merges decide
		"gpt-2":     {256, 'c'},
		"qwen2":     {256, 'c'},
	} {
		tok := mustNew(t, bytesAnd(pre, []string{"a b"}, more...))
		assert.Equal(t, want, tok.Encode("abc", EncodeOptions{}), pre)
	}
}

// TestTextNeverBecomesStructure: neither as a whole pre-token nor by merging.
func TestTextNeverBecomesStructure(t *testing.T) {
	for _, pre := range []string{"llama-bpe", "gpt-2"} {
		tok := mustNew(t, bytesAnd(pre, []string{"a b"}, token{"ab", KindControl}))
		assert.Equal(t, []int32{'a', 'b'}, tok.Encode("ab", EncodeOptions{}), pre)
		assert.Equal(t, []int32{256}, tok.Encode("ab", EncodeOptions{ParseSpecial: true}), pre)
	}
}

func TestBytesWithoutToken(t *testing.T) {
	src := bytesAnd("gpt-2", nil)
	src["tokenizer.ggml.tokens"] = src["tokenizer.ggml.tokens"].([]string)[:0x80] // ASCII
	src["tokenizer.ggml.token_type"] = src["tokenizer.ggml.token_type"].([]int64)[:0x80]
	assert.Equal(t, []int32{'a', 'b'}, mustNew(t, src).Encode("aéb\xff", EncodeOptions{}))
}

func TestHeapSorts(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	for n := range 200 {
		var h minHeap
		var want, got []uint64
		for range n {
			v := rng.Uint64N(100)
			want = append(want, v)
			h.push(v)
		}
		slices.Sort(want)
		for len(h) > 0 {
			got = append(got, h.pop())
		}
		require.Equal(t, want, got)
	}
}
