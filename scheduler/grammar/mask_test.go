package grammar

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestMasks: along random texts a mask is what trying each token of a vocabulary says, which is large enough for all that is prepared.
func TestMasks(t *testing.T) {
	v := vocabularyOf(append(realistic(20000), []byte("a\xe4b"), []byte("\xe4\xb8\xad\xe4"), []byte("\xe4\xb8a"), []byte("\xe4\xb8\xad\xe4\xb8\"")))
	for _, source := range []string{jsonGrammar, codeGrammar, treeGrammar,
		`root ::= ("[" [^\x00-\x1f\]]{3,7} "]" | "<" [a-z ]{2,40} ">" | "x" . [^a]{0,99})*`, // runs that count, some ending in what they are of
		`root ::= [a-zA-Z]* [a-z0-9]* "é"* .`,                                               // and that overlap
	} {
		rules, err := Parse(source)
		require.NoError(t, err)
		g, err := Compile(rules, v)
		require.NoError(t, err)
		for text := range uint64(4) {
			r := rand.New(rand.NewPCG(5, text))
			for m, n := g.Start(), 0; n < 12 && !m.MustEnd(); n++ {
				mask, err := m.Mask()
				require.NoError(t, err)
				for id := range int32(v.size) {
					allows, err := m.Allows(id)
					require.NoError(t, err)
					if allows != mask.Has(id) {
						t.Fatalf("%.40s: text %d, token %d: %q: %v", source, text, n, v.pieces[id], allows)
					}
				}
				_, err = m.Advance(drawn(r, mask, v))
				require.NoError(t, err)
			}
		}
	}
}

// TestPrepared: Compile has a grammar's runs ready, and no more than maxFits are kept, those used last.
func TestPrepared(t *testing.T) {
	v := vocabularyOf(realistic(4000))
	compile := func(source string) run {
		rules, err := Parse(source)
		require.NoError(t, err)
		g, err := Compile(rules, v)
		require.NoError(t, err)
		s := g.w.start()
		require.True(t, g.w.alone(s), source)
		return s.run
	}
	first := compile(`root ::= [A-Z]*`)
	for i := range 2 * maxFits {
		r := compile(fmt.Sprintf(`root ::= [a-%c%c-9]*`, 'h'+i%16, '0'+i/16))
		assert.Equal(t, min(i+2, maxFits), len(v.fits))
		for _, node := range v.large {
			assert.NotNil(t, v.kept(&r, node))
			assert.NotNil(t, v.kept(&first, node))
		}
	}
}
