package tokenizer

import (
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// kinds are vocabularies of each kind: the built-in one as it is, and retold.
func kinds(t testing.TB) map[string]*Tokenizer {
	return map[string]*Tokenizer{
		"llama-bpe": gopher(t), "llama": mustNew(t, retold(t, "llama")), "gemma4": mustNew(t, retold(t, "gemma4")),
		"t5": mustNew(t, retold(t, "t5")), "bert": mustNew(t, retold(t, "bert")),
	}
}

func TestRoundTrip(t *testing.T) {
	all := append(append([]string{"func main", "<|end_of_text|>", "\t\t"}, fragments...), damage...)
	for name, tok := range kinds(t) {
		if name == "bert" { // forgets what it cleans away
			continue
		}
		rng := rand.New(rand.NewPCG(11, 12))
		for range 5000 {
			text := randomText(rng, all)
			raw := make([]byte, rng.IntN(40))
			for i := range raw {
				raw[i] = byte(rng.Uint32())
			}
			for _, text := range []string{text, string(raw)} {
				want := text
				if name == "t5" { // normalises
					want = replaceInvalid(text)
				}
				require.Equal(t, want, tok.Decode(tok.Encode(text, EncodeOptions{})), name)
			}
		}
	}
}

// replaceInvalid puts U+FFFD for each byte that is not part of valid UTF-8.
func replaceInvalid(text string) string { return string([]rune(text)) }

// hostile are texts that make a careless tokenizer quadratic.
var hostile = map[string]func(n int) string{
	"letter":   func(n int) string { return strings.Repeat("z", n) },
	"spaces":   func(n int) string { return strings.Repeat(" ", n) },
	"newlines": func(n int) string { return strings.Repeat("\n ", n/2) },
	"digits":   func(n int) string { return strings.Repeat("7", n) },
	"indents":  func(n int) string { return strings.Repeat(strings.Repeat(" ", 1000)+"x", n/1001) },
	"capitals": func(n int) string { return strings.Repeat("A", n) },
	"marked":   func(n int) string { return strings.Repeat("あA", n/4) + "文" + strings.Repeat("A", n/4) },
	"accents":  func(n int) string { return "e" + strings.Repeat("\u0301", n/2) },
	"digitsx":  func(n int) string { return strings.Repeat("7", n) + "x" },
	"sentinel": func(n int) string { return strings.Repeat("<sentinel:", n/20) + strings.Repeat("1", n/2) },
	"controls": func(n int) string { return strings.Repeat("\x01", n) },
	"quotes":   func(n int) string { return strings.Repeat("'", n) },
	"invalid":  func(n int) string { return strings.Repeat("\xe2\x82", n/2) },
	"marks":    func(n int) string { return strings.Repeat("<|end_of_text|", n/14) },
	"word": func(n int) string {
		rng := rand.New(rand.NewPCG(13, 14))
		b := make([]byte, n)
		for i := range b {
			b[i] = 'a' + byte(rng.IntN(26))
		}
		return string(b)
	},
}

// TestHostileText takes seconds in all, and would take hours if encoding were quadratic.
func TestHostileText(t *testing.T) {
	tok := gopher(t)
	for name, make := range hostile {
		text := make(1 << 20)
		assert.True(t, text == tok.Decode(tok.Encode(text, EncodeOptions{})), name)
	}
}

// costPerByte bounds what encoding does for a byte of any text: the most that rows of pre need (deepseek-llm, 6 cuts), and the steps through tries,
// which are as long as the longest token.
const costPerByte = 40

// TestCost counts what encoding hostile texts takes, by every row and every kind of vocabulary.
func TestCost(t *testing.T) {
	const n = 1 << 14
	toks := kinds(t)
	for name := range pres {
		src := bytesAnd(name, nil)
		if pres[name].plain {
			src = retold(t, "gemma4").with("tokenizer.ggml.model", "gpt2").with("tokenizer.ggml.pre", name)
		}
		toks["pre "+name] = mustNew(t, src)
	}
	worst, of := 0.0, ""
	for name, tok := range toks {
		longest := 0
		if name == "t5" || name == "bert" {
			for id := range int32(tok.Size()) {
				longest = max(longest, len(tok.Piece(id)))
			}
		}
		for kind, make := range hostile {
			var w work
			text := make(n)
			tok.encode(text, EncodeOptions{ParseSpecial: true}, &w)
			cost := float64(w.cost()) / float64(len(text))
			require.LessOrEqual(t, cost, costPerByte+float64(longest), "%s, %s", name, kind)
			if longest == 0 && cost > worst {
				worst, of = cost, name+", "+kind
			}
		}
	}
	t.Logf("the most is %.1f a byte (%s)", worst, of)
}

// FuzzCost feeds any bytes to every kind and every row.
func FuzzCost(f *testing.F) {
	for _, s := range append(append([]string{"it's <|end_of_text|>\n\n", "<sentinel:1", "1234567", ""}, fragments...), damage...) {
		f.Add(s, uint8(3))
	}
	toks := kinds(f)
	f.Fuzz(func(t *testing.T, text string, times uint8) {
		text = strings.Repeat(text, int(times)+1)
		for name, tok := range toks {
			var w work
			tok.encode(text, EncodeOptions{ParseSpecial: true}, &w)
			require.LessOrEqual(t, w.cost(), 100+140*len(text), name)
		}
		for name, p := range pres {
			c := cutter{}
			c.start(text, len(p.cuts))
			for i := 0; i < len(text); {
				at := c.next(p.cuts, i)
				require.Greater(t, at, i, name)
				i = at
			}
			require.LessOrEqual(t, c.looks, 100+costPerByte*len(text), name)
		}
	})
}

func FuzzEncode(f *testing.F) {
	for _, s := range append(append([]string{"it's <|end_of_text|>\n\n", ""}, fragments...), damage...) {
		f.Add(s)
	}
	tok := gopher(f)
	f.Fuzz(func(t *testing.T, text string) {
		ids := tok.Encode(text, EncodeOptions{})
		require.Equal(t, text, tok.Decode(ids))
		var rendered strings.Builder
		for _, id := range tok.Encode(text, EncodeOptions{ParseSpecial: true}) {
			rendered.Write(tok.Render(id))
		}
		require.Equal(t, text, rendered.String())
		valid, rest := validText([]byte(text))
		if len(rest) > 0 {
			valid += "\ufffd"
		}
		require.Equal(t, valid, strings.Join(stream(tok.Stream(), ids), ""))
	})
}

// goSource is a megabyte of Go: the package's own source, over and over.
func goSource(b *testing.B) string {
	var text strings.Builder
	entries, err := os.ReadDir(".")
	require.NoError(b, err)
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".go") {
			data, err := os.ReadFile(e.Name())
			require.NoError(b, err)
			text.Write(data)
		}
	}
	return strings.Repeat(text.String(), 1<<20/text.Len()+1)[:1<<20]
}

func BenchmarkEncode1MB(b *testing.B) {
	tok := gopher(b)
	texts := map[string]string{"go": goSource(b)}
	for name, make := range hostile {
		texts[name] = make(1 << 20)
	}
	for name, text := range texts {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				tok.Encode(text, EncodeOptions{ParseSpecial: true})
			}
		})
	}
}

// BenchmarkKinds encodes a megabyte of Go with the same tokens by each kind.
func BenchmarkKinds(b *testing.B) {
	text := goSource(b)
	for name, tok := range kinds(b) {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				tok.Encode(text, EncodeOptions{})
			}
		})
	}
}

// BenchmarkPre cuts a megabyte of Go by each row.
func BenchmarkPre(b *testing.B) {
	text := goSource(b)
	for _, p := range patterns {
		name := strings.Fields(p.names)[0]
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			cuts := pres[name].cuts
			var c cutter
			for b.Loop() {
				c.start(text, len(cuts))
				for i := 0; i < len(text); {
					i = c.next(cuts, i)
				}
			}
		})
	}
}

func BenchmarkStream(b *testing.B) {
	tok := gopher(b)
	text := goSource(b)
	ids := tok.Encode(text, EncodeOptions{})
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		s := tok.Stream()
		for _, id := range ids {
			s.Next(id)
		}
		s.Flush()
	}
}
