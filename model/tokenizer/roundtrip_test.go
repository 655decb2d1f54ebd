package tokenizer

import (
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestRoundTrip(t *testing.T) {
	tok := gopher(t)
	all := append(append([]string{"func main", "<|end_of_text|>", "\t\t"}, fragments...), damage...)
	rng := rand.New(rand.NewPCG(11, 12))
	for range 20000 {
		text := randomText(rng, all)
		require.Equal(t, text, tok.Decode(tok.Encode(text, EncodeOptions{})))
		raw := make([]byte, rng.IntN(40))
		for i := range raw {
			raw[i] = byte(rng.Uint32())
		}
		require.Equal(t, string(raw), tok.Decode(tok.Encode(string(raw), EncodeOptions{})))
	}
}

// hostile are texts that make a careless tokenizer quadratic.
var hostile = map[string]func(n int) string{
	"letter":   func(n int) string { return strings.Repeat("z", n) },
	"spaces":   func(n int) string { return strings.Repeat(" ", n) },
	"newlines": func(n int) string { return strings.Repeat("\n ", n/2) },
	"digits":   func(n int) string { return strings.Repeat("7", n) },
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
