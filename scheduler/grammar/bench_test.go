package grammar

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// BenchmarkMask measures masks for a vocabulary of 128,256 along random texts, each begun with nothing known of the grammar: for every token the mask of
// where the text is, and the step to the next. A token's time is the least of several runs of its text, as others use the machine too. What grammars
// before have left with the vocabulary is forgotten each time, so that Compile and masks pay for all they need.
func BenchmarkMask(b *testing.B) {
	const texts, runs, length = 10, 7, 200
	v := vocabularyOf(realistic(128256))
	for _, c := range []struct{ name, source string }{{"json", jsonGrammar}, {"code", codeGrammar}, {"tree", treeGrammar}} {
		b.Run(c.name, func(b *testing.B) {
			rules, err := Parse(c.source)
			require.NoError(b, err)
			for b.Loop() {
				var all []time.Duration
				compile, again := time.Hour, time.Hour
				for text := range uint64(texts) {
					var took []time.Duration
					for range runs {
						clear(v.fits)
						start := time.Now()
						g, err := Compile(rules, v)
						require.NoError(b, err)
						compile = min(compile, time.Since(start))
						start = time.Now()
						_, err = Compile(rules, v)
						require.NoError(b, err)
						again = min(again, time.Since(start))
						r := rand.New(rand.NewPCG(3, text))
						for m, n := g.Start(), 0; n < length && !m.MustEnd(); n++ {
							start := time.Now()
							mask, err := m.Mask()
							spent := time.Since(start)
							require.NoError(b, err)
							id := drawn(r, mask, v)
							start = time.Now()
							m.Advance(id)
							spent += time.Since(start)
							if n == len(took) {
								took = append(took, spent)
							}
							took[n] = min(took[n], spent)
						}
					}
					all = append(all, took...)
				}
				slices.Sort(all)
				micro := func(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1000 }
				b.ReportMetric(micro(all[len(all)/2]), "µs/median")
				b.ReportMetric(micro(all[len(all)*99/100]), "µs/p99")
				b.ReportMetric(micro(all[len(all)-1]), "µs/worst")
				b.ReportMetric(micro(compile), "µs/compile")
				b.ReportMetric(micro(again), "µs/compile-again")
				b.ReportMetric(float64(len(all)), "tokens")
			}
			b.ReportMetric(0, "ns/op")
		})
	}
}

// drawn is a token of a mask: the longest of one or of eight that are drawn evenly.
func drawn(r *rand.Rand, m *Mask, v *Vocabulary) int32 {
	ids := make([]int32, 0, m.Len())
	for id := range int32(v.size) {
		if m.Has(id) {
			ids = append(ids, id)
		}
	}
	best := ids[r.IntN(len(ids))]
	for range 7 * r.IntN(2) {
		if id := ids[r.IntN(len(ids))]; len(v.pieces[id]) > len(v.pieces[best]) {
			best = id
		}
	}
	return best
}
