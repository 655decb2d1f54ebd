package model_test

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"umbra/model/score"
	"umbra/model/tokenizer"
)

// storeScaled is a store of whole numbers from low to high times a scale for each so many channels, that of the channel furthest from 0.
func storeScaled(channels int, low, high float64) func(head []float64) {
	return func(head []float64) {
		for ; len(head) > 0; head = head[channels:] {
			furthest := 0.0
			for _, x := range head[:channels] {
				if math.Abs(x) > math.Abs(furthest) {
					furthest = x
				}
			}
			scale := furthest / low // low is the further of both: that channel is exact
			for i, x := range head[:channels] {
				if scale != 0 {
					head[i] = scale * min(max(math.Round(x/scale), low), high)
				}
			}
		}
	}
}

// storeRange is a store of steps from the least of so many channels to the largest.
func storeRange(channels int, steps float64) func(head []float64) {
	return func(head []float64) {
		for ; len(head) > 0; head = head[channels:] {
			least, largest := math.Inf(1), math.Inf(-1)
			for _, x := range head[:channels] {
				least, largest = min(least, x), max(largest, x)
			}
			if scale := (largest - least) / steps; scale > 0 {
				for i, x := range head[:channels] {
					head[i] = least + scale*math.Round((x-least)/scale)
				}
			}
		}
	}
}

// rotated has a head turned by a Hadamard matrix before it is stored and back after, which spreads channels that stand out (Ashkboos et al. 2024).
func rotated(store func(head []float64)) func(head []float64) {
	turn := func(head []float64) {
		for width := 1; width < len(head); width *= 2 {
			for i := range head {
				if i&width == 0 {
					a, b := head[i], head[i+width]
					head[i], head[i+width] = (a+b)/math.Sqrt2, (a-b)/math.Sqrt2
				}
			}
		}
	}
	return func(head []float64) {
		turn(head)
		store(head)
		turn(head)
	}
}

// TestKVStudy prints what ways to store keys and values cost in quality, by the plain forward pass with gopher-28m over Go source: the figures of
// docs/quantization.md. It takes minutes, and fails only where int8 pages, which models have, are worse than was measured.
func TestKVStudy(t *testing.T) {
	if !soak {
		t.Skip("takes minutes: UMBRA_SOAK=1 runs it")
	}
	f := open(t, "gopher-28m-q8_0.gguf")
	tok, err := tokenizer.New(f)
	require.NoError(t, err)
	text, err := os.ReadFile("testdata/block.go.txt")
	require.NoError(t, err)
	ids, bos := score.Tokens(tok, string(bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n"))))
	windows, err := score.Counting{Context: 512}.Windows(ids, bos)
	require.NoError(t, err)
	windows = windows[:min(2, len(windows))]
	r := newReference(t, f)
	q4, q4range, q8 := storeScaled(32, -8, 7), storeRange(32, 15), storeScaled(32, -127, 127)
	nothing := func([]float64) {}
	stores := []struct {
		name        string
		bits        float64
		keys, value func(head []float64)
	}{
		{"f32", 32, nothing, nothing},
		{"int8, a scale a head", 8.5, storeInt8, storeInt8},
		{"q8, a scale for 32", 8.5, q8, q8},
		{"q4, a scale for 32", 4.5, q4, q4},
		{"q4, scale and least for 32", 5, q4range, q4range},
		{"q4, a scale for 32, rotated", 4.5, rotated(q4), rotated(q4)},
		{"keys int8, values q4", 6.5, storeInt8, q4},
	}
	var base [][]float64
	for _, s := range stores {
		r.stored = func(head []float64, key bool) {
			if key {
				s.keys(head)
			} else {
				s.value(head)
			}
		}
		var nll, kl, same score.Mean
		n := 0
		for _, w := range windows {
			rows := r.logits(w.Tokens[:len(w.Tokens)-1], func(p int) bool { return p >= w.First-1 })
			for at := w.First; at < len(w.Tokens); at++ {
				q := logSoftmax(rows[at-1])
				nll.Add(-q[w.Tokens[at]])
				if s.bits == 32 {
					base = append(base, q)
				}
				p := base[n]
				n++
				d, best, found := 0.0, 0, 0
				for i := range p {
					d += math.Exp(p[i]) * (p[i] - q[i])
					if p[i] > p[best] {
						best = i
					}
					if q[i] > q[found] {
						found = i
					}
				}
				kl.Add(d)
				agrees := 0.0
				if best == found {
					agrees = 1
				}
				same.Add(agrees)
			}
		}
		perplexity, _ := nll.Perplexity()
		fmt.Printf("%-28s %4.1f bits: perplexity %.4f, mean KL %.2e +- %.0e, same top token %.2f %% of %d\n",
			s.name, s.bits, perplexity, kl.Value(), kl.Error(), 100*same.Value(), same.Count())
		if s.name == "int8, a scale a head" {
			require.Less(t, kl.Value(), 1e-3)
		}
	}
}
