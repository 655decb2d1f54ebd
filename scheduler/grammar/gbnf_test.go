package grammar

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// spelled is a vocabulary of all bytes.
func spelled() *Vocabulary {
	return NewVocabulary(256, func(id int32) []byte { return []byte{byte(id)} })
}

// matches reports whether a grammar takes a whole text.
func matches(t *testing.T, source, text string) bool {
	t.Helper()
	rules, err := Parse(source)
	require.NoError(t, err, source)
	g, err := Compile(rules, spelled())
	require.NoError(t, err, source)
	m := g.Start()
	for _, b := range []byte(text) {
		ok, err := m.Advance(int32(b))
		require.NoError(t, err)
		if !ok {
			return false
		}
	}
	return m.MayEnd()
}

// TestSyntax: every form of GBNF means what llama.cpp's description says.
func TestSyntax(t *testing.T) {
	for _, c := range []struct {
		source  string
		yes, no []string
	}{
		{`root ::= "a" # comment` + "\r\n# another\n", []string{"a"}, []string{"", "aa"}},
		{"root ::=\n  \"a\" |\n  b\n  | \"c\"\nb ::= \"b\" b?", []string{"a", "bb", "c"}, []string{"ab", ""}},
		{`root ::= "a"* b_1 b-2+` + "\nb_1 ::= \"x\"? \nb-2 ::= [y-z]", []string{"aaxyz", "y"}, []string{"x", "axx"}},
		{`root ::= ("a" | "b" "c"){2}`, []string{"abc", "bcbc"}, []string{"a", "aaa"}},
		{`root ::= "ab"{1,2} "c"{,2} "d"{2,}`, []string{"abdd", "ababccddd"}, []string{"abd", "dd", "abcccdd"}},
		{`root ::= [^a-c\]\n] [\^\-x] [a-]`, []string{"d^a", "zx-", "é--"}, []string{"a^a", "]xa", "\nxa"}},
		{`root ::= "\"\\\n\t\r\x41\u00e9\U0001F600\[\]"`, []string{"\"\\\n\t\rAé😀[]"}, []string{"\"\\\n\t\rA"}},
		{`root ::= . .`, []string{"é\n", "😀a"}, []string{"a", "abc", "\xff\xff", "\xed\xa0\x80a"}},
		{`root ::= | "a"`, []string{"", "a"}, []string{"b"}},
		{`root ::= ("a"?)* "b"{100000}`, []string{"aa" + strings.Repeat("b", 100000), strings.Repeat("b", 100000)}, []string{"b", strings.Repeat("b", 100001)}},
		{`root ::= "(" root ")" | "x"`, []string{"x", strings.Repeat("(", 5000) + "x" + strings.Repeat(")", 5000)}, []string{"(x"}},
		{`root ::= "a" root "b" | "a" root "c" | ""`, []string{strings.Repeat("a", 300) + strings.Repeat("bc", 150)}, []string{"ab" + "b"}},
		{`root ::= "a" root root | "a"`, []string{strings.Repeat("a", 41)}, []string{""}},
		{`root ::= ("a"{0,100000}){0,100000}`, []string{strings.Repeat("a", 1000)}, []string{"b"}},
		{`root ::= [a-z]{0,40} [a-z]{0,40} [a-z]{0,40} "."`, []string{strings.Repeat("q", 120) + "."}, []string{strings.Repeat("q", 121)}},
		{jsonGrammar, []string{`{"a": [1, -2.5e3, "x\u00e9", true, null], "b": {}}`, "[]"}, []string{"{", `{"a"}`, "01"}},
		{codeGrammar, []string{"int main(int argc, char *argv[]) { return argc + 1; }\n", "float x = f(1, 2.0f)[3].y;"}, []string{"int main("}},
	} {
		for _, text := range c.yes {
			assert.True(t, matches(t, c.source, text), "%s: %.40q", c.source, text)
		}
		for _, text := range c.no {
			assert.False(t, matches(t, c.source, text), "%s: %.40q", c.source, text)
		}
	}
}

// TestRefused: what cannot be is refused with its place and name.
func TestRefused(t *testing.T) {
	for source, want := range map[string]string{
		"":                                     "there is no rule root",
		`a ::= "b"`:                            "there is no rule root",
		`root = "a"`:                           "line 1, column 6: want ::= behind the name root, found '='",
		"root ::= \"a\nb":                      "line 1, column 10: the text has no closing quote",
		`root ::= [a`:                          "the class has no closing bracket",
		`root ::= [z-a]`:                       "column 11: the range z-a is upside down",
		`root ::= ("a"`:                        "want a closing parenthesis for that of line 1, column 10, found the end",
		`root ::= "a")`:                        "column 13: found ')', which begins nothing",
		"root ::= \"a\"\nroot ::= \"b\"":       "line 2, column 1: rule root is defined twice",
		`root ::= *`:                           "'*' follows nothing",
		`root ::= "a"{3,1}`:                    "at least 3 times are more than at most 1",
		`root ::= "a"{}`:                       "a repetition without a number",
		`root ::= "a"{1`:                       "want a closing brace",
		`root ::= "a"{9999999}`:                "9999999 times are more than",
		`root ::= "\q"`:                        `column 11: \q is not known`,
		`root ::= "\ud800"`:                    "D800 is no character",
		`root ::= "\x4"`:                       "wants 2 hexadecimal digits",
		`root ::= <think>`:                     "tokens by number or name are not supported",
		`root ::= x`:                           "rule root refers to x, which is not defined",
		`root ::= root "a" | "b"`:              "rule root begins with itself (root -> root)",
		"root ::= \"\" a\na ::= root?":         "begins with itself",
		`root ::= "a" root`:                    "rule root matches no text that ends",
		`root ::= []`:                          "matches no text that ends",
		"root ::= \xff":                        "not UTF-8",
		`root ::= ` + strings.Repeat("(", 200): "parentheses in each other",
		`root ::= ` + strings.Repeat(`"a"?`, 3000):                          "too large",
		`root ::= "a"` + strings.Repeat("+", 300):                           "repetitions of each other",
		`root ::= ` + strings.Repeat(`"abcdefghijklmnopqrstuvwxyz"`, 10000): "too large",
	} {
		rules, err := Parse(source)
		if err == nil {
			_, err = Compile(rules, spelled())
		}
		var refused *Error
		require.ErrorAs(t, err, &refused, "%.60q", source)
		assert.Contains(t, err.Error(), want, "%.60q", source)
		assert.True(t, strings.HasPrefix(err.Error(), "grammar: "))
	}
}

// TestTooAmbiguous: a text with more readings than are followed fails and says so, and soon.
func TestTooAmbiguous(t *testing.T) {
	rules, err := Parse(`root ::= ("a" | "a" "b"?){0,90000} ("a" [ab]{0,90000}){0,90000} "x"`)
	require.NoError(t, err)
	g, err := Compile(rules, spelled())
	require.NoError(t, err)
	m := g.Start()
	for range 3000 {
		ok, err := m.Advance('a')
		if err != nil {
			assert.ErrorIs(t, err, ErrAmbiguous)
			return
		}
		require.True(t, ok)
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{jsonGrammar, codeGrammar, treeGrammar, `root ::= [^a-z]{2,} . "\x41"`} {
		f.Add(s, "some text")
	}
	v := spelled()
	f.Fuzz(func(t *testing.T, source, text string) {
		rules, err := Parse(source)
		if err != nil {
			return
		}
		g, err := Compile(rules, v)
		if err != nil {
			return
		}
		m := g.Start()
		for _, b := range []byte(text) {
			mask, err := m.Mask()
			if err != nil {
				return
			}
			ok, err := m.Advance(int32(b))
			if err == nil && ok != mask.Has(int32(b)) {
				t.Fatalf("%q behind %q: %v, but mask %v", b, text, ok, !ok)
			}
			if !ok {
				return
			}
		}
	})
}
