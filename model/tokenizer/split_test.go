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

// fragments are what the patterns tell apart, and what looks as if they did.
var fragments = []string{
	"a", "Z", "é", "e\u0301", "ß", "İ", "ı", "ſ", "K", "한", "文", "ʰ", "ª", "𝒳",
	"0", "9", "½", "²", "Ⅳ", "٣", "𝟘",
	" ", " ", "  ", "\t", "\v", "\f", "\n", "\r", "\r\n", "\u0085", "\u00a0", "\u1680", "\u2003", "\u2028", "\u3000",
	"'", "’", "'s", "'T", "'re", "'VE", "'m", "'lL", "'d", "'ſ", "'r", "'l", "'S3",
	"ABC", "word", "Ж", "ж", "ǅ", "あ", "ー", "々", "〇", "⺀", "क", "\u093f", "ㄅ", "ㄱ", "ก", "，", "。", "…", "“", "、", "'Ab", "aB", "/", "$", "^", "`", "(", "|",
	"1234567", "123456", "12", "IMGIMGABZ", "IMGIMGZ", "<sentinel:12>", "<sentinel:>", "    ", "    \n", strings.Repeat(" ", 600),
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

// What patterns have in common.
const (
	gpt2Pattern     = `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`
	contractions    = `(?i:'s|'t|'re|'ve|'m|'ll|'d)`
	wordPattern     = contractions + `|[^\r\n\p{L}\p{N}]?\p{L}+|`
	symbolPattern   = `| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
	slashPattern    = `| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+`
	llama3Pattern   = wordPattern + `\p{N}{1,3}` + symbolPattern
	qwen2Pattern    = wordPattern + `\p{N}` + symbolPattern
	firstCased      = `[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+`
	secondCased     = `[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*`
	gpt4oPattern    = firstCased + contractions + `?|` + secondCased + contractions + `?|\p{N}{1,3}` + slashPattern
	deepseekWords   = "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+"
	deepseekPattern = deepseekWords + `[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
	hanKanaPattern  = `[\u4E00-\u9FA5\u3040-\u309F\u30A0-\u30FF]+`
	cjkPattern      = `[\u4E00-\u9FA5\u0800-\u4E00\uAC00-\uD7FF]+`
	bloomPattern    = ` ?[^(\s|.,!?…。，、।۔،)]+`
)

// patterns are what the rows stand for, each pattern cutting up the pieces of the one before it, as models' authors published them. Han letters are
// left out of Kimi's words by subtraction, afmoe's digits are those of llama.cpp's unicode.cpp, and \b in tiny_aya's pattern is what it is in Oniguruma
// after digits.
var patterns = []struct {
	names    string
	patterns []string
}{
	{"default", []string{`[\p{P}$+<=>^~|]+`, gpt2Pattern, `\p{N}+`, `[0-9][0-9][0-9]`}},
	{"falcon", []string{"[\\p{P}$+<=>^~|`]+", gpt2Pattern, `[0-9][0-9][0-9]`}},
	{"gpt-2 a.x-4.0 exaone4 gigachat granite-docling jais mellum mpt olmo phi-2 trillion", []string{gpt2Pattern}},
	{"starcoder codeshell command-r exaone mellum2 minerva-7b refact smollm", []string{`\p{N}`, gpt2Pattern}},
	{"llama-bpe falcon-h1 falcon3 lfm2 llama-v3 llama3 midm-2.0 pixtral dbrx chatglm-bpe glm4 smaug-bpe", []string{llama3Pattern}},
	{"jais-2", []string{wordPattern + `\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s{512}(?!\S)|\s{256}(?!\S)|\s{128}(?!\S)|\s{64}(?!\S)|` +
		`\s{32}(?!\S)|\s{16}(?!\S)|\s{8}(?!\S)|\s{4}(?!\S)|\s{1,2}(?!\S)|\s{1}`}},
	{"minicpm5", []string{`\p{N}{1,3}`, wordPattern + `\p{N}+` + symbolPattern}},
	{"qwen2 deepseek-r1-qwen f2llmv2 grok-2 hunyuan kormo megrez solar-open stablelm2", []string{qwen2Pattern}},
	{"bailingmoe bailingmoe2 llada-moe", []string{`'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+`}},
	{"laguna", []string{`[^\n]+|[\n]+`, qwen2Pattern}},
	{"qwen35", []string{contractions + `|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`}},
	{"seed-coder", []string{wordPattern + `\p{N}{1}| ?[^\s\p{L}\p{N}\r\n]+|\s*[\r\n]+|\s+(?!\S)|\s+`}},
	{"ufakzeka", []string{`[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}` + symbolPattern}},
	{"exaone-moe", []string{contractions + `|[^\r\n\p{L}\p{N}]?(?:\p{L}\p{M}*(?: \p{L}\p{M}*)*)+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]?|\s*[\r\n]|\s+(?!\S)|\s+`}},
	{"gpt-4o granite-embed-multi-97m kanana2 llama4 minimax-m2 talkie", []string{gpt4oPattern}},
	{"tiny_aya cohere2moe", []string{`\d{1,3}(?=(?:\d{3})*(?![\p{L}\p{M}\p{Nd}\p{Pc}]))`, gpt4oPattern}},
	{"tekken", []string{firstCased + `|` + secondCased + `|\p{N}` + slashPattern}},
	{"youtu", []string{`[\uAC00-\uD7A3\u3131-\u318E]+|[！…“”‘’—：；，\u3001-\u303F\uFE30-\uFE4F]+|[\u3105-\u312F]+|` + hanKanaPattern,
		firstCased + contractions + `?|` + secondCased + contractions + `?|\p{N}` + slashPattern}},
	{"kimi-k2", []string{`\p{Han}+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}-[\p{Han}]]*[\p{Ll}\p{Lm}\p{Lo}\p{M}-[\p{Han}]]+` + contractions +
		`?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}-[\p{Han}]]+[\p{Ll}\p{Lm}\p{Lo}\p{M}-[\p{Han}]]*` + contractions + `?|\p{N}{1,3}` + symbolPattern}},
	{"deepseek-coder", []string{`[\r\n]`, `\s?\p{L}+`, `\s?\p{P}+`, cjkPattern, `\p{N}`}},
	{"deepseek-llm", []string{`[\r\n]`, `\s?[A-Za-z\u00B5\u00C0-\u00D6\u00D8-\u00F6\u00F8-\u01BA\u01BC-\u01BF\u01C4-\u0293\u0295-\u02AF\u0370-\u0373\u0376\u0377\u037B-\u037D\u037F\u0386\u0388-\u038A\u038C\u038E-\u03A1\u03A3-\u03F5\u03F7-\u0481\u048A-\u052F\u0531-\u0556\u10A0-\u10C5\u13A0-\u13F5\u13F8-\u13FD\u1C90-\u1CBA\u1CBD-\u1CBF\u1D00-\u1D2B\u1D6B-\u1D77\u1D79-\u1D9A\u1E00-\u1F15\u1F18-\u1F1D\u1F20-\u1F45\u1F48-\u1F4D\u1F50-\u1F57\u1F59\u1F5B\u1F5D\u1F5F-\u1F7D\u1F80-\u1FB4\u1FB6-\u1FBC\u1FBE\u1FC2-\u1FC4\u1FC6-\u1FCC\u1FD0-\u1FD3\u1FD6-\u1FDB\u1FE0-\u1FEC\u1FF2-\u1FF4\u1FF6-\u1FFC\u2102\u2107\u210A-\u2113\u2115\u2119-\u211D\u2124\u2126\u2128\u212A-\u212D\u212F-\u2134\u2139\u213C-\u213F\u2145-\u2149\u214E\u2183\u2184\u2C00-\u2C7B\u2C7E-\u2CE4\u2CEB-\u2CEE\u2CF2\u2CF3\uA640-\uA66D\uA680-\uA69B\uA722-\uA76F\uA771-\uA787\uA78B-\uA78E\uAB70-\uABBF\uFB00-\uFB06\uFB13-\uFB17\uFF21-\uFF3A\uFF41-\uFF5A𐐀-𐑏𐒰-𐓓𐓘-𐓻𐲀-𐲲𐳀-𐳲𑢠-𑣟𞤀-𞥃]+`,
		`\s?[!-/:-~！-／：-～‘-‟\u3000-。]+`, `\s+\z`, cjkPattern, `\p{N}+`}},
	{"deepseek-v3 hunyuan-dense hy_v4 joyai-llm", []string{`\p{N}{1,3}`, hanKanaPattern, deepseekPattern}},
	{"spark2_5", []string{`\p{N}{1,3}`, hanKanaPattern, deepseekWords + `|[\r\n]|\s+(?!\S)|\s+`, `\p{N}`}},
	{"afmoe", []string{`\p{N}{1,3}(?=(?:\p{N}{3})*(?!\p{N}))`, `[\u4E00-\u9FFF\u3400-\u4DBF\uF900-\uFAFF\u3040-\u309F\u30A0-\u30FF\uFF65-\uFF9F\u2F00-\u2FDF` +
		`\u0E40-\u0E7F\u0E80-\u0EFF\u1780-\u17FF\u1000-\u109F\uAA60-\uAA7F\uA9E0-\uA9FF\uAC00-\uD7AF\u1100-\u11FF]+`, deepseekPattern}},
	{"bloom gpt3-finnish poro-chat", []string{bloomPattern}},
	{"viking", []string{bloomPattern, `\p{N}`}},
	{"chameleon", []string{`<sentinel:[0-9]+>`, `(IMGIMG)((A|B|C|D|E|F|G|H|I){1,4})Z`, `([\t\n]|    |  )`, `\p{N}`, "[\\p{P}!-/:-@\\[-`{-~]", gpt2Pattern}},
	{"superbpe", []string{`\p{N}+`, `(?=(\d{3})+(?!\d))`}},
	{"gemma4 granite-embed-multi-311m sarvam-moe", []string{`[^\n]+|[\n]+`}},
}

// expected cuts text with backtracking regular expressions. They know runes only, so that an invalid byte is U+FFFD to them; the pieces are of the
// original bytes.
func expected(t *testing.T, res []*regexp2.Regexp, text string) []string {
	pieces := []string{text}
	if text == "" {
		pieces = nil
	}
	for _, re := range res {
		var next []string
		for _, piece := range pieces {
			cuts := map[int]bool{} // in runes
			m, err := re.FindStringMatch(piece)
			for ; m != nil; m, err = re.FindNextMatch(m) {
				cuts[m.Index], cuts[m.Index+m.Length] = true, true
			}
			require.NoError(t, err)
			from, rune := 0, 0
			for at := 0; at < len(piece); rune++ {
				if at > from && cuts[rune] {
					next, from = append(next, piece[from:at]), at
				}
				_, width := utf8.DecodeRuneInString(piece[at:])
				at += width
			}
			next = append(next, piece[from:])
		}
		pieces = next
	}
	return pieces
}

func pieces(cuts []cut, text string) []string {
	var c cutter
	c.start(text, len(cuts))
	var out []string
	for i := 0; i < len(text); {
		at := c.next(cuts, i)
		out = append(out, text[i:at])
		i = at
	}
	return out
}

func TestRowsMatchTheirPatterns(t *testing.T) {
	all := append(append([]string{}, fragments...), damage...)
	known := map[string]bool{}
	for _, p := range patterns {
		var res []*regexp2.Regexp
		for _, pattern := range p.patterns {
			res = append(res, regexp2.MustCompile(pattern, regexp2.None))
		}
		for i, name := range strings.Fields(p.names) {
			known[name] = true
			require.Contains(t, pres, name)
			t.Run(name, func(t *testing.T) {
				rng := rand.New(rand.NewPCG(1, 2))
				check := func(text string) {
					require.Equal(t, expected(t, res, text), pieces(pres[name].cuts, text), "%q", text)
				}
				if i > 0 { // an alias
					for range 100 {
						check(randomText(rng, all))
					}
					return
				}
				for _, a := range all {
					for _, b := range all {
						check(a + b)
					}
				}
				for range 2000 {
					check(randomText(rng, all))
				}
			})
		}
	}
	for name := range pres {
		require.True(t, known[name], "no pattern for %s", name)
	}
}

// TestClassesKnowEveryRune puts each rune where its class decides.
func TestClassesKnowEveryRune(t *testing.T) {
	for _, x := range patterns {
		name := strings.Fields(x.names)[0]
		if name != "qwen35" && name != "kimi-k2" && name != "deepseek-v3" {
			continue
		}
		var res []*regexp2.Regexp
		for _, pattern := range x.patterns {
			res = append(res, regexp2.MustCompile(pattern, regexp2.None))
		}
		for r := rune(0); r <= utf8.MaxRune; r++ {
			if !utf8.ValidRune(r) || r > 0x3400 && r%61 != 0 { // a sample of the vast planes
				continue
			}
			text := "a" + string(r) + "1" + string(r) + " " + string(r) + string(r) + "!A" + string(r)
			require.Equal(t, expected(t, res, text), pieces(pres[name].cuts, text), "%s %U", name, r)
		}
	}
}

func TestCuts(t *testing.T) {
	tests := []struct {
		pre, text string
		want      []string
	}{
		{"gpt-2", "Hello  world 123!!\n\n x", []string{"Hello", " ", " world", " 123", "!!", "\n\n", " x"}},
		{"gpt-2", "it's IT'S", []string{"it", "'s", " IT", "'", "S"}},
		{"gpt-2", "x  ", []string{"x", "  "}},
		{"default", "a+=1234, it's", []string{"a", "+=", "123", "4", ",", " it", "'", "s"}},
		{"falcon", "x `12345`'s", []string{"x", " ", "`", "123", "45", "`'", "s"}},
		{"starcoder", "x 123a", []string{"x", " ", "1", "2", "3", "a"}},
		{"llama-bpe", "it's IT'S 12345", []string{"it", "'s", " IT", "'S", " ", "123", "45"}},
		{"llama-bpe", "'ſ", []string{"'ſ"}}, // no contraction: folding is of ASCII
		{"llama-bpe", "\tif x {\n\n  }", []string{"\tif", " x", " {\n\n", " ", " }"}},
		{"llama-bpe", "a \n \n  b", []string{"a", " \n \n", " ", " b"}},
		{"llama-bpe", "\xffabc\xfe\xfd", []string{"\xffabc", "\xfe\xfd"}},
		{"jais-2", "a         b\n", []string{"a", "        ", " b", "\n"}},
		{"jais-2", "a        b", []string{"a", "    ", "  ", " ", " b"}},
		{"minicpm5", "1234567", []string{"123", "456", "7"}},
		{"qwen2", "x 123", []string{"x", " ", "1", "2", "3"}},
		{"bailingmoe", "We'Ve  1\n\n", []string{"We", "'Ve", " ", " ", "1", "\n\n"}},
		{"laguna", "a!\n\nb", []string{"a", "!", "\n\n", "b"}}, // qwen2 would keep the line breaks with the symbol
		{"qwen35", "कि !", []string{"कि", " !"}},
		{"qwen2", "कि !", []string{"क", "ि", " !"}},
		{"seed-coder", "a!\n\nb", []string{"a", "!", "\n\n", "b"}},
		{"ufakzeka", "Ali'de", []string{"Ali", "'de"}},
		{"exaone-moe", "two words, a\nb !!\n\n", []string{"two words", ",", " a", "\n", "b", " !!\n", "\n"}},
		{"gpt-4o", "camelCase HTTPServer don't//\n/ 1234", []string{"camel", "Case", " HTTPServer", " don't", "//\n/", " ", "123", "4"}},
		{"gpt-4o", "НещоНа", []string{"Нещо", "На"}}, // letter case is not ASCII's alone
		{"tiny_aya", "1234567 1234x", []string{"1", "234", "567", " ", "123", "4", "x"}},
		{"tekken", "aB'S 12", []string{"a", "B", "'S", " ", "1", "2"}},
		{"youtu", "中文ab。가", []string{"中文", "ab", "。", "가"}},
		{"kimi-k2", "a中文B1234", []string{"a", "中文", "B", "123", "4"}},
		{"deepseek-coder", "if x1 {\n  y}", []string{"if", " x", "1", " {", "\n", " ", " y", "}"}},
		{"deepseek-llm", "Hi, 你好 12  ", []string{"Hi", ",", " ", "你好", " ", "12", "  "}},
		{"deepseek-v3", "x.foo 12345かな!", []string{"x", ".foo", " ", "123", "45", "かな", "!"}},
		{"spark2_5", "12!\n\n", []string{"1", "2", "!", "\n", "\n"}},
		{"afmoe", "1234567ab", []string{"1", "234", "567", "ab"}},
		{"bloom", "one, two (x)", []string{"one", ",", " two", " (", "x", ")"}},
		{"viking", "a12", []string{"a", "1", "2"}},
		{"chameleon", "\tIMGIMGABZ  a1!", []string{"\t", "IMGIMGABZ", "  ", "a", "1", "!"}},
		{"superbpe", "any words 1234567!", []string{"any words ", "1", "234", "567", "!"}},
		{"gemma4", "any words\n\n12", []string{"any words", "\n\n", "12"}},
	}
	tested := map[string]bool{}
	for _, tt := range tests {
		tested[tt.pre] = true
		assert.Equal(t, tt.want, pieces(pres[tt.pre].cuts, tt.text), "%s: %q", tt.pre, tt.text)
	}
	for _, p := range patterns {
		assert.True(t, tested[strings.Fields(p.names)[0]] || strings.Contains(p.names, "megrez"), p.names)
	}
}
