// Package grammartest holds texts to grammars byte by byte, for tests of packages that make grammars. Those inside package grammar cannot import it.
package grammartest

import (
	"testing"

	"github.com/stretchr/testify/require"

	"umbra/scheduler/grammar"
)

// Bytes is a vocabulary of all bytes.
var Bytes = grammar.NewVocabulary(256, func(id int32) []byte { return []byte{byte(id)} })

// Compile makes rules ready for Bytes.
func Compile(t testing.TB, rules grammar.Rules) *grammar.Grammar {
	t.Helper()
	g, err := grammar.Compile(rules, Bytes)
	require.NoError(t, err)
	return g
}

// Matches reports whether a grammar for Bytes takes a whole text.
func Matches(t testing.TB, g *grammar.Grammar, text string) bool {
	t.Helper()
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
