package hf_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"umbra/model/gguf"
	"umbra/model/hf"
	"umbra/model/hf/hftest"
	"umbra/model/tokenizer"
)

// vocabulary is a vocabulary of one of GGUF's kinds, to be written as tokenizer.json, too.
type vocabulary struct {
	texts  []string
	kinds  []int32
	scores []float32
	ids    map[string]int
}

func (v *vocabulary) add(text string, kind int32, score float32) {
	if v.ids == nil {
		v.ids = map[string]int{}
	}
	if _, ok := v.ids[text]; !ok {
		v.ids[text] = len(v.texts)
		v.texts, v.kinds, v.scores = append(v.texts, text), append(v.kinds, kind), append(v.scores, score)
	}
}

// words adds the built-in vocabulary's whole runes, a space in front written as mark, and each of their runes alone.
func (v *vocabulary) words(t *testing.T, mark string) {
	f, err := gguf.Open(testdata + "gopher-draft-4m-q8_0.gguf")
	require.NoError(t, err)
	defer f.Close()
	tok, err := tokenizer.New(f)
	require.NoError(t, err)
	var runes []string
	for id := range int32(tok.Size()) {
		piece := string(tok.Piece(id))
		if tok.Kind(id) != tokenizer.KindNormal || !utf8.ValidString(piece) || strings.Contains(strings.TrimPrefix(piece, " "), " ") || strings.ContainsAny(piece, "\n\t\r") {
			continue
		}
		piece = strings.Replace(piece, " ", mark, 1)
		v.add(piece, 1, -1-float32(id)/1000)
		for _, r := range piece {
			runes = append(runes, string(r))
		}
	}
	for i, r := range runes {
		v.add(r, 1, -20-float32(i)/1000)
	}
}

// file is the vocabulary as GGUF has it.
func (v *vocabulary) file(t *testing.T, model string, more map[string]any) *gguf.File {
	w := gguf.NewWriter()
	w.Set("tokenizer.ggml.model", model)
	w.Set("tokenizer.ggml.tokens", v.texts)
	w.Set("tokenizer.ggml.token_type", v.kinds)
	w.Set("tokenizer.ggml.scores", v.scores)
	for key, value := range more {
		w.Set("tokenizer.ggml."+key, value)
	}
	path := t.TempDir() + "/vocabulary.gguf"
	require.NoError(t, w.Save(path))
	f, err := gguf.Open(path)
	require.NoError(t, err)
	t.Cleanup(func() { f.Close() })
	return f
}

// folder is a model of the vocabulary's size with a tokenizer.json.
func (v *vocabulary) folder(t *testing.T, file map[string]any) *gguf.File {
	tiny, err := gguf.Open(testdata + "oracle/arch/llama-mha-tied.gguf")
	require.NoError(t, err)
	defer tiny.Close()
	d := hftest.FolderOf(t, tiny, hftest.Styles["llama-mha-tied"])
	named := map[string]string{}
	for role, text := range map[string]string{"bos_token": "<s>", "eos_token": "</s>", "cls_token": "[CLS]", "sep_token": "[SEP]"} {
		if _, ok := v.ids[text]; ok {
			named[role] = text
		}
	}
	special, err := json.Marshal(named)
	require.NoError(t, err)
	d.Tokenizer, d.Files = file, map[string]string{"special_tokens_map.json": string(special)}
	d.Widen(len(v.texts))
	f, err := hf.Open(d.Save(t, t.TempDir()))
	require.NoError(t, err)
	t.Cleanup(func() { f.Close() })
	return f
}

// special are the tokens that are not normal, as added_tokens has them.
func (v *vocabulary) special() (all []any) {
	for id, text := range v.texts {
		if v.kinds[id] == 2 || v.kinds[id] == 3 {
			all = append(all, map[string]any{"id": id, "content": text, "special": true})
		}
	}
	return all
}

// texts are Go code, and random text of several scripts.
func texts(t *testing.T) (all []string) {
	raw, err := os.ReadFile(testdata + "oracle/gopher-tokens.json")
	require.NoError(t, err)
	var known []struct{ Text string }
	require.NoError(t, json.Unmarshal(raw, &known))
	for _, x := range known {
		all = append(all, x.Text)
	}
	r := rand.New(rand.NewPCG(8, 9))
	runes := []rune("abcdefg  ..(){}xyzéßñ文字мир🙂\n\t▁ÀÉ")
	for range 200 {
		var b strings.Builder
		for range r.IntN(30) {
			b.WriteRune(runes[r.IntN(len(runes))])
		}
		all = append(all, b.String())
	}
	return append(all, "", " ", "  two  spaces ", "a\x00b", "\xff\xfe", "é e\u0301 Ⅷ ｆｕｌｌ")
}

// requireAlike requires the ids of two files' tokenizers, and what their ids say.
func requireAlike(t *testing.T, want, got *gguf.File) {
	t.Helper()
	a, err := tokenizer.New(want)
	require.NoError(t, err)
	b, err := tokenizer.New(got)
	require.NoError(t, err)
	require.NoError(t, a.Differs(b))
	long := 0
	for _, text := range texts(t) {
		ids := a.Encode(text, tokenizer.EncodeOptions{})
		require.Equal(t, ids, b.Encode(text, tokenizer.EncodeOptions{}), "%q", text)
		require.Equal(t, a.Decode(ids), b.Decode(ids))
		if len(ids) > 0 && len(ids)*2 < len(text) {
			long++
		}
	}
	assert.Greater(t, long, 10, "texts of tokens of several letters")
}

// TestByteFallback writes a vocabulary of SentencePiece's BPE as the pairs that merge, the likeliest text first, as transformers' converter does.
func TestByteFallback(t *testing.T) {
	for _, prefix := range []bool{true, false} {
		v := &vocabulary{}
		v.add("<unk>", 2, 0)
		v.add("<s>", 3, 0)
		v.add("</s>", 3, 0)
		for b := range 256 {
			v.add(fmt.Sprintf("<0x%02X>", b), 6, 0)
		}
		v.words(t, "▁")
		want := v.file(t, "llama", map[string]any{"bos_token_id": uint32(1), "eos_token_id": uint32(2), "unknown_token_id": uint32(0), "add_space_prefix": prefix})
		order := slices.Sorted(slices.Values(v.texts))
		slices.SortStableFunc(order, func(a, b string) int { return int(1e4 * (v.scores[v.ids[b]] - v.scores[v.ids[a]])) })
		var merges []any
		for _, text := range order {
			if v.kinds[v.ids[text]] != 1 {
				continue
			}
			for i := range text {
				_, left := v.ids[text[:i]]
				_, right := v.ids[text[i:]]
				if i > 0 && left && right {
					merges = append(merges, []string{text[:i], text[i:]})
				}
			}
		}
		require.Greater(t, len(merges), 1000)
		steps := []any{map[string]any{"type": "Replace", "pattern": map[string]any{"String": " "}, "content": "▁"}}
		if prefix {
			steps = append([]any{map[string]any{"type": "Prepend", "prepend": "▁"}}, steps...)
		}
		got := v.folder(t, map[string]any{
			"normalizer":   map[string]any{"type": "Sequence", "normalizers": steps},
			"added_tokens": v.special(),
			"model":        map[string]any{"type": "BPE", "byte_fallback": true, "unk_token": "<unk>", "vocab": v.ids, "merges": merges},
		})
		requireAlike(t, want, got)
	}
}

// TestUnigramFile writes texts with scores, a map of characters as SentencePiece compiles one, and runs of spaces that become one.
func TestUnigramFile(t *testing.T) {
	v := &vocabulary{}
	v.add("<unk>", 2, 0)
	v.add("<s>", 3, 0)
	v.add("</s>", 3, 0)
	v.words(t, "▁")
	none := []byte{4, 0, 0, 0, 0, 0, 0, 0} // a trie of one unit: nothing is replaced
	want := v.file(t, "t5", map[string]any{"bos_token_id": uint32(1), "eos_token_id": uint32(2), "unknown_token_id": uint32(0), "add_space_prefix": true,
		"remove_extra_whitespaces": true, "precompiled_charsmap": none})
	var vocab []any
	for id, text := range v.texts {
		vocab = append(vocab, []any{text, v.scores[id]})
	}
	got := v.folder(t, map[string]any{
		"normalizer": map[string]any{"type": "Sequence", "normalizers": []any{
			map[string]any{"type": "Precompiled", "precompiled_charsmap": base64.StdEncoding.EncodeToString(none)},
			map[string]any{"type": "Replace", "pattern": map[string]any{"Regex": " {2,}"}, "content": " "}}},
		"pre_tokenizer": map[string]any{"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always"},
		"added_tokens":  v.special(),
		"model":         map[string]any{"type": "Unigram", "unk_id": 0, "vocab": vocab},
	})
	requireAlike(t, want, got)
}

// TestWordPieceFile writes words as they are and parts of words with ## before them, in all ways to treat case and accents.
func TestWordPieceFile(t *testing.T) {
	for _, c := range []struct{ lower, accents any }{{true, nil}, {false, nil}, {true, false}, {false, true}} {
		v := &vocabulary{}
		v.add("[PAD]", 3, 0)
		v.add("[UNK]", 2, 0)
		v.add("[CLS]", 3, 0)
		v.add("[SEP]", 3, 0)
		v.words(t, "▁")
		strip, _ := c.accents.(bool)
		if c.accents == nil {
			strip = c.lower.(bool)
		}
		want := v.file(t, "bert", map[string]any{"unknown_token_id": uint32(1), "cls_token_id": uint32(2), "seperator_token_id": uint32(3),
			"normalizer.lowercase": c.lower, "normalizer.strip_accents": strip})
		vocab := map[string]int{}
		for text, id := range v.ids {
			if word, ok := strings.CutPrefix(text, "▁"); ok && v.kinds[id] == 1 && word != "" {
				text = word
			} else if v.kinds[id] == 1 {
				text = "##" + text
			}
			vocab[text] = id
		}
		got := v.folder(t, map[string]any{
			"normalizer":    map[string]any{"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true, "strip_accents": c.accents, "lowercase": c.lower},
			"pre_tokenizer": map[string]any{"type": "BertPreTokenizer"},
			"added_tokens":  v.special(),
			"model":         map[string]any{"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##", "vocab": vocab},
			"post_processor": map[string]any{"type": "TemplateProcessing", "single": []any{map[string]any{"SpecialToken": map[string]any{"id": "[CLS]"}},
				map[string]any{"Sequence": map[string]any{"id": "A"}}, map[string]any{"SpecialToken": map[string]any{"id": "[SEP]"}}}},
		})
		requireAlike(t, want, got)
	}
}
