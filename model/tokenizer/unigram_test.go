package tokenizer

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestUnigram(t *testing.T) {
	more := []scored{{"▁", KindNormal, -2}, {"a", KindNormal, -3}, {"b", KindNormal, -3}, {"▁ab", KindNormal, -4}, {"▁a", KindNormal, -3.5}, {"<mark>", KindUserDefined, 0},
		{"unused", KindUnused, 5}}
	const space, a, b, spaceAB, spaceA, mark = 3, 4, 5, 6, 7, 8
	ends := []scored{{"<unk>", KindUnknown, 0}, {"<s>", KindControl, 0}, {"</s>", KindControl, 0}}
	src := listed("t5", append(ends, more...)...).with("tokenizer.ggml.eos_token_id", uint64(2)).with("tokenizer.ggml.add_space_prefix", true).
		with("tokenizer.ggml.remove_extra_whitespaces", true)
	tok := mustNew(t, src)
	for _, tt := range []struct {
		text string
		want []int32
		back string
	}{
		{"", []int32{}, ""},
		{"   ", []int32{}, ""},
		{"ab", []int32{spaceAB}, "ab"},
		{"aa", []int32{spaceA, a}, "aa"},
		{" b  ab ", []int32{space, b, spaceAB}, "b ab"},
		{"a xyz\xffb", []int32{spaceA, space, 0, b}, "a b"}, // one unknown token for all of it
		{"a<mark>b", []int32{spaceA, mark, space, b}, "a<mark>b"},
		{"unused", []int32{space, 0}, ""},
	} {
		got := tok.Encode(tt.text, EncodeOptions{})
		assert.Equal(t, tt.want, got, "%q", tt.text)
		assert.Equal(t, tt.back, tok.Decode(got), "%q", tt.text)
	}
	assert.Equal(t, []int32{spaceA, 2}, tok.Encode("a", EncodeOptions{AddSpecial: true}), "EOS by default, BOS not")

	kept := mustNew(t, src.with("tokenizer.ggml.remove_extra_whitespaces", false).with("tokenizer.ggml.add_space_prefix", false))
	assert.Equal(t, []int32{space, space, b, space}, kept.Encode("  b ", EncodeOptions{}))

	bytes := mustNew(t, plain("t5", more...).with("tokenizer.ggml.add_space_prefix", true))
	assert.Equal(t, []int32{262, 3 + 0xc3, 3 + 0xa9, 261}, bytes.Encode("abéb", EncodeOptions{}), "bytes where the vocabulary has them")
}

// TestUnigramMatchesTheDefinition tries all ways to cut short texts.
func TestUnigramMatchesTheDefinition(t *testing.T) {
	rng := rand.New(rand.NewPCG(23, 24))
	for range 200 {
		letters := []string{"a", "b", "é", "▁"}
		scores := map[string]float64{}
		all := []scored{{"<unk>", KindUnknown, 0}}
		worst := math.MaxFloat32
		for range rng.IntN(25) {
			var word string
			for range 1 + rng.IntN(4) {
				word += letters[rng.IntN(len(letters))]
			}
			if _, ok := scores[word]; !ok {
				scores[word] = -10 * rng.Float64()
				worst = min(worst, scores[word])
				all = append(all, scored{word, KindNormal, scores[word]})
			}
		}
		tok := mustNew(t, listed("t5", all...))
		var best func(text string) (float64, string) // the last token is as long as can be, of equal ways
		best = func(text string) (float64, string) {
			if text == "" {
				return 0, ""
			}
			top, cut := math.Inf(-1), ""
			_, width := utf8.DecodeLastRuneInString(text)
			for from := 0; from < len(text); from++ {
				if !utf8.RuneStart(text[from]) {
					continue
				}
				score, ok := scores[text[from:]]
				if !ok && from == len(text)-width {
					score, ok = worst-10, true
				}
				if !ok {
					continue
				}
				if before, head := best(text[:from]); before+score > top {
					top, cut = before+score, head+text[from:]+"|"
				}
			}
			return top, cut
		}
		for range 20 {
			var text string
			for range 1 + rng.IntN(9) {
				text += letters[rng.IntN(len(letters))]
			}
			_, cut := best(text)
			var want, got []string
			for _, s := range strings.Split(strings.TrimSuffix(cut, "|"), "|") {
				if _, ok := scores[s]; !ok {
					s = "<unk>"
				}
				if s != "<unk>" || len(want) == 0 || want[len(want)-1] != s {
					want = append(want, s)
				}
			}
			for _, id := range tok.Encode(text, EncodeOptions{}) {
				got = append(got, tok.Text(id))
			}
			require.Equal(t, want, got, "%q with %v", text, scores)
		}
	}
}

// doubleArray lays out keys for newCharsmap, each with a place in texts, as Darts-clone does but without sharing.
func doubleArray(keys map[string]int) []uint32 {
	nodes := make([]uint32, 1<<14)
	taken := map[uint32]bool{0: true}
	var place func(at uint32, prefix string)
	place = func(at uint32, prefix string) {
		children := map[byte]bool{}
		value, leaf := keys[prefix]
		for key := range keys {
			if len(key) > len(prefix) && strings.HasPrefix(key, prefix) {
				children[key[len(prefix)]] = true
			}
		}
		if leaf {
			children[0] = true
		}
		for offset := uint32(1); ; offset++ {
			free := true
			for b := range children {
				free = free && !taken[at^offset^uint32(b)]
			}
			if !free || taken[at^offset] {
				continue
			}
			taken[at^offset] = true
			nodes[at] |= offset << 10
			if leaf {
				nodes[at] |= 1 << 8
			}
			for b := range children {
				taken[at^offset^uint32(b)] = true
				nodes[at^offset^uint32(b)] = uint32(b)
			}
			for b := range children {
				if b == 0 {
					nodes[at^offset] = 1<<31 | uint32(value)
				} else {
					place(at^offset^uint32(b), prefix+string([]byte{b}))
				}
			}
			return
		}
	}
	place(0, "")
	return nodes
}

func charsmapValues(nodes []uint32, texts string) []int64 {
	data := binary.LittleEndian.AppendUint32(nil, uint32(4*len(nodes)))
	for _, n := range nodes {
		data = binary.LittleEndian.AppendUint32(data, n)
	}
	var values []int64
	for _, b := range append(data, texts...) {
		values = append(values, int64(int8(b)))
	}
	return values
}

func TestCharsmap(t *testing.T) {
	texts := "fi\x00A\x00 \x00\x00ab c\x00"
	nodes := doubleArray(map[string]int{"ﬁ": 0, "Ａ": 3, "\t": 5, "\u00ad": 7, "x": 8, "xyz": 0})
	values := charsmapValues(nodes, texts)
	n := normalizer{spacePrefix: true, mergeSpaces: true}
	var err error
	n.chars, err = newCharsmap(values)
	require.NoError(t, err)
	for text, want := range map[string]string{
		"":             "",
		"ﬁn":           " fin",
		"Ａ\t \tb":      " A b",
		"\u00ada":      " a",
		"xy":           " ab cy",
		"xyz":          " fi",
		"b\xffb":       " b\ufffdb",
		"  two  ▁ws  ": " two ws",
	} {
		assert.Equal(t, want, n.normalize(text, new(work)), "%q", text)
	}
	src := plain("t5", scored{"▁A", KindNormal, -1}).with("tokenizer.ggml.precompiled_charsmap", values).with("tokenizer.ggml.add_space_prefix", true)
	assert.Equal(t, []int32{259}, mustNew(t, src).Encode("Ａ", EncodeOptions{}))

	for _, bad := range [][]int64{{}, {1, 2, 3}, {8, 0, 0, 0, 1}, {3, 0, 0, 0, 1, 2, 3, 4}} {
		_, err := New(src.with("tokenizer.ggml.precompiled_charsmap", bad))
		assert.ErrorContains(t, err, "precompiled_charsmap", "%v", bad)
	}
}

// FuzzCharsmap reads maps that no tool has written.
func FuzzCharsmap(f *testing.F) {
	f.Add([]byte{4, 0, 0, 0, 1, 2, 3, 4, 'x', 0}, "text")
	f.Fuzz(func(t *testing.T, data []byte, text string) {
		values := make([]int64, len(data))
		for i, b := range data {
			values[i] = int64(b)
		}
		m, err := newCharsmap(values)
		if err != nil {
			return
		}
		w := &work{}
		n := normalizer{chars: m}
		n.normalize(text, w)
		require.LessOrEqual(t, w.steps, longestKey*len(text))
	})
}
