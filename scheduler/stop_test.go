package scheduler

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// until is the definition of stopping: the text up to the stop string that is complete first, the longest if several.
func until(text string, stops []string) (string, bool) {
	for end := range len(text) + 1 {
		longest := ""
		for _, s := range stops {
			if strings.HasSuffix(text[:end], s) && len(s) > len(longest) {
				longest = s
			}
		}
		if longest != "" {
			return text[:end-len(longest)], true
		}
	}
	return text, false
}

// TestStopper cuts random text of two letters, where nearly everything nearly matches, into random pieces: what comes
// out depends on the text alone, and nothing is held back longer than it must be.
func TestStopper(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	word := func(n int) string {
		b := make([]byte, n)
		for i := range b {
			b[i] = "ab"[r.IntN(2)]
		}
		return string(b)
	}
	stoppedOnce := 0
	for range 3000 {
		stops := make([]string, r.IntN(4))
		for i := range stops {
			stops[i] = word(1 + r.IntN(9))
		}
		text := word(r.IntN(40))
		want, wantStopped := until(text, stops)
		m := newStopper(stops)
		got, given, stopped := "", 0, false
		for given < len(text) && !stopped {
			n := min(r.IntN(5), len(text)-given)
			var piece []byte
			piece, stopped = m.push([]byte(text[given : given+n]))
			given += n
			got += string(piece)
			if stopped {
				break
			}
			held := text[len(got):given]
			beginning := held == ""
			for _, s := range stops {
				beginning = beginning || strings.HasPrefix(s, held)
			}
			require.True(t, beginning, "%q is held back of %q, stops %q", held, text[:given], stops)
		}
		if !stopped {
			got += string(m.flush())
		} else {
			stoppedOnce++
		}
		require.Equal(t, wantStopped, stopped, "%q, stops %q", text, stops)
		require.Equal(t, want, got, "%q, stops %q", text, stops)
		require.Empty(t, m.flush())
	}
	require.Greater(t, stoppedOnce, 500)
}
