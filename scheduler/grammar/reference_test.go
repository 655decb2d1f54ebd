package grammar

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// recogniser tells by trying everything, straight from the expressions, whether a text matches rules or is the beginning of one that does.
type recogniser struct {
	rules Rules
	alive map[string]bool // rules that match some text
	text  string
	known map[string]map[int]bool
	open  bool // the text ended where more was wanted
}

// living are the rules that match some text.
func living(rules Rules) map[string]bool {
	known := map[string]bool{}
	for range rules {
		for name, x := range rules {
			known[name] = known[name] || lives(x, known)
		}
	}
	return known
}

func lives(x *Expr, known map[string]bool) bool {
	switch x.kind {
	case isSet:
		return len(x.runes) > 0
	case isSeq:
		for _, item := range x.items {
			if !lives(item, known) {
				return false
			}
		}
	case isOr:
		for _, item := range x.items {
			if lives(item, known) {
				return true
			}
		}
		return false
	case isRepeat:
		return x.min == 0 || lives(x.items[0], known)
	case isRule:
		return known[x.text]
	}
	return true
}

// ends is where x may end if it begins at a byte.
func (n *recogniser) ends(x *Expr, from int) map[int]bool {
	if !lives(x, n.alive) {
		return nil
	}
	out := map[int]bool{}
	switch x.kind {
	case isText:
		rest := n.text[from:]
		if strings.HasPrefix(rest, x.text) {
			out[from+len(x.text)] = true
		} else if strings.HasPrefix(x.text, rest) {
			n.open = true
		}
	case isSet:
		rest := n.text[from:]
		r, size := utf8.DecodeRuneInString(rest)
		switch {
		case r != utf8.RuneError || size == 3:
			if hasRune(x.runes, r) {
				out[from+size] = true
			}
		case !utf8.FullRuneInString(rest) && begun(x, rest):
			n.open = true
		}
	case isSeq:
		out[from] = true
		for _, item := range x.items {
			out = n.all(item, out)
		}
	case isOr:
		for _, item := range x.items {
			maps.Copy(out, n.ends(item, from))
		}
	case isRepeat:
		at := map[int]bool{from: true}
		for i := 0; len(at) > 0 && (x.max < 0 || i <= x.max) && i <= x.min+len(n.text)+1; i++ {
			if i >= x.min {
				maps.Copy(out, at)
			}
			if x.max < 0 || i < x.max {
				at = n.all(x.items[0], at)
			}
		}
	case isRule:
		key := fmt.Sprint(x.text, from)
		if found, ok := n.known[key]; ok {
			return found
		}
		out = n.ends(n.rules[x.text], from)
		n.known[key] = out
	}
	return out
}

func hasRune(ranges []Range, c rune) bool {
	return slices.ContainsFunc(ranges, func(r Range) bool { return r.First <= c && c <= r.Last })
}

// beginnings are the first and last runes that begin with some bytes and have more.
var beginnings = sync.OnceValue(func() map[string]Range {
	found := map[string]Range{}
	for c := rune(utf8.RuneSelf); c <= utf8.MaxRune; c++ {
		if !utf8.ValidRune(c) {
			continue
		}
		s := string(c)
		for n := 1; n < len(s); n++ {
			if r, ok := found[s[:n]]; ok {
				found[s[:n]] = Range{r.First, c}
			} else {
				found[s[:n]] = Range{c, c}
			}
		}
	}
	return found
})

// begun reports whether a rune of a set begins with some bytes, of which there are fewer than it has.
func begun(x *Expr, bytes string) bool {
	if bytes == "" {
		return len(x.runes) > 0
	}
	of, ok := beginnings()[bytes]
	return ok && slices.ContainsFunc(x.runes, func(r Range) bool { return r.First <= of.Last && of.First <= r.Last })
}

func (n *recogniser) all(x *Expr, from map[int]bool) map[int]bool {
	out := map[int]bool{}
	for at := range from {
		maps.Copy(out, n.ends(x, at))
	}
	return out
}

// recognise reports whether a text matches the rules, and whether it or more of it does.
func recognise(rules Rules, alive map[string]bool, text string) (whole, begins bool) {
	n := &recogniser{rules: rules, alive: alive, text: text, known: map[string]map[int]bool{}}
	whole = n.ends(rules[Root], 0)[len(text)]
	return whole, whole || n.open
}

// randomSource writes a grammar of characters from a few.
func randomSource(r *rand.Rand) string {
	names := []string{"root", "a", "b", "c"}[:2+r.IntN(3)]
	var expr func(depth int) string
	item := func(depth int) string {
		switch k := r.IntN(10); {
		case k < 2 && depth > 0:
			return "(" + expr(depth-1) + ")"
		case k < 4:
			return names[r.IntN(len(names))]
		case k < 6:
			return []string{`[ab]`, `[^ab]`, `[x-zä]`, `.`, `[ä-€]`, `[^\x00-\x7f]`, `[a-zA-Z0-9]`, `[]`}[r.IntN(8)]
		}
		return []string{`"a"`, `"b"`, `"ab"`, `"xy"`, `"ä"`, `"€"`, `""`, `"ba"`}[r.IntN(8)]
	}
	expr = func(depth int) string {
		var alternatives []string
		for range 1 + r.IntN(2) {
			var items []string
			for range r.IntN(4) {
				items = append(items, item(depth)+[]string{"", "", "", "*", "+", "?", "{2}", "{1,3}", "{2,}", "{,40}", "{3,36}"}[r.IntN(11)])
			}
			alternatives = append(alternatives, strings.Join(items, " "))
		}
		return strings.Join(alternatives, " | ")
	}
	var b strings.Builder
	for _, name := range names {
		fmt.Fprintf(&b, "%s ::= %s\n", name, expr(2))
	}
	return b.String()
}

// randomPieces is a vocabulary of the characters that random grammars have.
func randomPieces(r *rand.Rand) [][]byte {
	all := [][]byte{nil} // as a special token has
	for c := range 256 {
		if r.IntN(20) > 0 {
			all = append(all, []byte{byte(c)})
		}
	}
	for range 60 {
		var s []byte
		for range 1 + r.IntN(6) {
			s = append(s, []string{"a", "b", "ab", "x", "y", "z", "ä", "€", "\xe2\x82", "\xac", "\xc3", "q", "aaaa"}[r.IntN(13)]...)
		}
		all = append(all, s)
	}
	return all
}

// compare goes along a random text of a random grammar and compares masks and ends with the recogniser's.
func compare(t *testing.T, seed uint64) (tokens int) {
	r := rand.New(rand.NewPCG(seed, 7))
	source := randomSource(r)
	rules, err := Parse(source)
	require.NoError(t, err, source)
	pieces := randomPieces(r)
	v, alive := vocabularyOf(pieces), living(rules)
	g, err := Compile(rules, v)
	if err != nil {
		if strings.Contains(err.Error(), "matches no text") {
			assert.False(t, alive[Root], source)
		} else {
			assert.Contains(t, err.Error(), "begins with itself", source)
		}
		return 0
	}
	text, m := "", g.Start()
	for tokens = range 4 {
		mask, err := m.Mask()
		require.NoError(t, err, source)
		whole, _ := recognise(rules, alive, text)
		assert.Equal(t, whole, m.MayEnd(), "%s%q", source, text)
		var allowed []int32
		for id, piece := range pieces {
			begins := false
			if len(piece) > 0 {
				_, begins = recognise(rules, alive, text+string(piece))
			}
			if !assert.Equal(t, begins, mask.Has(int32(id)), "%s%q + %q", source, text, piece) {
				return tokens
			}
			allows, err := m.Allows(int32(id))
			require.NoError(t, err)
			if !assert.Equal(t, begins, allows, "%s%q + %q", source, text, piece) {
				return tokens
			}
			if begins {
				allowed = append(allowed, int32(id))
			}
		}
		assert.Equal(t, len(allowed), mask.Len())
		if m.MustEnd() {
			assert.Empty(t, allowed)
		}
		if len(allowed) == 0 {
			break
		}
		id := allowed[r.IntN(len(allowed))]
		ok, err := m.Advance(id)
		require.True(t, ok && err == nil)
		text += string(pieces[id])
	}
	return tokens
}

// TestReference: masks and ends are what trying every token byte by byte gives, for random grammars and vocabularies.
func TestReference(t *testing.T) {
	n := uint64(40)
	if testing.Short() {
		n = 10
	}
	tokens := 0
	for seed := range n {
		tokens += compare(t, seed)
		if t.Failed() {
			t.Fatal("seed", seed)
		}
	}
	assert.Greater(t, tokens, 50)
}

func FuzzReference(f *testing.F) {
	f.Add(uint64(1))
	f.Fuzz(func(t *testing.T, seed uint64) { compare(t, seed) })
}
