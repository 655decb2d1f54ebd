package tokenizer

import (
	"math/rand/v2"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/dlclark/regexp2"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// splitters are the hand-made splitters and the patterns they stand for, as the models' authors published them.
var splitters = []struct {
	name    string
	split   func(string) int
	pattern string
}{
	{"gpt-2", splitGPT2, `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`},
	{"llama3", splitLlama3, `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`},
	{"qwen2", splitQwen2, `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`},
}

// fragments are what the patterns tell apart, and what looks as if they did.
var fragments = []string{
	"a", "Z", "é", "e\u0301", "ß", "İ", "ı", "ſ", "K", "한", "文", "ʰ", "ª", "𝒳",
	"0", "9", "½", "²", "Ⅳ", "٣", "𝟘",
	" ", " ", "  ", "\t", "\v", "\f", "\n", "\r", "\r\n", "\u0085", "\u00a0", "\u1680", "\u2003", "\u2028", "\u3000",
	"'", "’", "'s", "'T", "'re", "'VE", "'m", "'lL", "'d", "'ſ", "'r", "'l", "'S3",
	"!", "_", "-", "€", "\u200b", "\u200d", "\u180e", "\ufeff", "\ufffd", "🙂", "\x00", "\x1c", "\x7f", "\U000e0001", "\u0378",
}

// damage is not UTF-8.
var damage = []string{"\x80", "\xff", "\xc3", "\xe2\x82", "\xf0\x9f\x99", "\xed\xa0\x80", "\xc0\xaf", "\xf4\x90\x80\x80"}

func randomText(rng *rand.Rand, parts []string) string {
	var text strings.Builder
	for range rng.IntN(20) {
		text.WriteString(parts[rng.IntN(len(parts))])
	}
	return text.String()
}

// pattern cuts text with a backtracking regular expression. That one knows runes only, so that an invalid byte is
// U+FFFD to it; the pieces are of the original bytes.
func pattern(t *testing.T, re *regexp2.Regexp, text string) []string {
	var pieces []string
	m, err := re.FindStringMatch(text)
	for ; m != nil; m, err = re.FindNextMatch(m) {
		end := 0
		for range m.Length {
			_, width := utf8.DecodeRuneInString(text[end:])
			end += width
		}
		pieces = append(pieces, text[:end])
		text = text[end:]
	}
	require.NoError(t, err)
	require.Empty(t, text, "the pattern matches everything")
	return pieces
}

func pieces(split func(string) int, text string) []string {
	var out []string
	for text != "" {
		n := split(text)
		out = append(out, text[:n])
		text = text[n:]
	}
	return out
}

func TestSplittersMatchTheirPatterns(t *testing.T) {
	all := append(append([]string{}, fragments...), damage...)
	for _, s := range splitters {
		t.Run(s.name, func(t *testing.T) {
			re := regexp2.MustCompile(s.pattern, regexp2.None)
			rng := rand.New(rand.NewPCG(1, 2))
			for i := range 20000 {
				text := randomText(rng, all)
				if i < len(all)*len(all) { // every pair first
					text = all[i/len(all)] + all[i%len(all)]
				}
				require.Equal(t, pattern(t, re, text), pieces(s.split, text), "%q", text)
			}
		})
	}
}

// TestSplittersKnowEveryRune puts each rune where its class decides.
func TestSplittersKnowEveryRune(t *testing.T) {
	for _, s := range splitters[:2] {
		re := regexp2.MustCompile(s.pattern, regexp2.None)
		for r := rune(0); r <= utf8.MaxRune; r++ {
			if !utf8.ValidRune(r) || r > 0x3400 && r%17 != 0 { // a sample of the vast planes
				continue
			}
			text := "a" + string(r) + "1" + string(r) + " " + string(r) + string(r) + "!"
			require.Equal(t, pattern(t, re, text), pieces(s.split, text), "%s %U", s.name, r)
		}
	}
}

func TestSplit(t *testing.T) {
	tests := []struct {
		split func(string) int
		text  string
		want  []string
	}{
		{splitGPT2, "Hello  world 123!!\n\n x", []string{"Hello", " ", " world", " 123", "!!", "\n\n", " x"}},
		{splitGPT2, "it's IT'S", []string{"it", "'s", " IT", "'", "S"}},
		{splitGPT2, "x  ", []string{"x", "  "}},
		{splitLlama3, "it's IT'S 12345", []string{"it", "'s", " IT", "'S", " ", "123", "45"}},
		{splitLlama3, "'ſ", []string{"'ſ"}}, // no contraction: folding is of ASCII
		{splitLlama3, "\tif x {\n\n  }", []string{"\tif", " x", " {\n\n", " ", " }"}},
		{splitLlama3, "a \n \n  b", []string{"a", " \n \n", " ", " b"}},
		{splitLlama3, "\xffabc\xfe\xfd", []string{"\xffabc", "\xfe\xfd"}},
		{splitQwen2, "x 123", []string{"x", " ", "1", "2", "3"}},
	}
	for _, tt := range tests {
		assert.Equal(t, tt.want, pieces(tt.split, tt.text), "%q", tt.text)
	}
}
