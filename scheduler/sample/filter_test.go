package sample

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// keptIDs returns what the steps leave of logits, in their order.
func keptIDs(p Params, c Candidates) (ids []int32) {
	p.Temperature = 1
	s := &Sampler{params: p}
	w := new(work)
	if err := s.start(w, c, nil); err != nil {
		panic(err)
	}
	for _, k := range w.keys {
		ids = append(ids, k.id())
	}
	return ids
}

func TestKept(t *testing.T) {
	eighths := logs(0.125, 0.5, 0.25, 0.125) // exact sums: 0.5, 0.75, 0.875, 1
	for _, c := range []struct {
		name   string
		p      Params
		logits []float32
		want   []int32
	}{
		{"all off", Params{TopP: 1}, eighths, []int32{0, 1, 2, 3}},
		{"top-k 1", Params{TopP: 1, TopK: 1}, eighths, []int32{1}},
		{"top-k cuts a tie by id", Params{TopP: 1, TopK: 3}, eighths, []int32{1, 2, 0}},
		{"top-k of all", Params{TopP: 1, TopK: 4}, eighths, []int32{1, 2, 0, 3}},
		{"top-k beyond all", Params{TopP: 1, TopK: 9}, eighths, []int32{1, 2, 0, 3}},
		{"top-k of ties only", Params{TopP: 1, TopK: 2}, []float32{3, 3, 3, 3}, []int32{0, 1}},
		{"top-k of both zeros", Params{TopP: 1, TopK: 1}, []float32{float32(math.Copysign(0, -1)), 0}, []int32{0}},
		{"top-k of negatives", Params{TopP: 1, TopK: 2}, []float32{-3, -1, -2}, []int32{1, 2}},
		{"top-p 0 keeps one", Params{TopP: 0}, eighths, []int32{1}},
		{"top-p below the largest", Params{TopP: 0.4}, eighths, []int32{1}},
		{"top-p just reached", Params{TopP: 0.4999}, eighths, []int32{1}},
		{"top-p exactly reached", Params{TopP: 0.5}, []float32{2, 2}, []int32{0}},
		{"top-p just missed", Params{TopP: 0.5001}, eighths, []int32{1, 2}},
		{"top-p within a tie", Params{TopP: 0.8}, eighths, []int32{1, 2, 0}},
		{"top-p nearly all", Params{TopP: 0.999}, eighths, []int32{1, 2, 0, 3}},
		{"top-p of one", Params{TopP: 0.5}, []float32{2}, []int32{0}},
		{"top-p with an impossible token", Params{TopP: 0.9999}, []float32{-inf, 1, 1}, []int32{1, 2}},
		{"top-p counts what top-k left", Params{TopP: 0.66, TopK: 2}, eighths, []int32{1}}, // 0.5/0.75 = 0.667
		{"min-p", Params{TopP: 1, MinP: 0.3}, eighths, []int32{1, 2}},
		{"min-p keeps ties of the largest", Params{TopP: 1, MinP: 1}, []float32{1, 2, 2}, []int32{1, 2}},
		{"min-p below all", Params{TopP: 1, MinP: 0.2}, eighths, []int32{0, 1, 2, 3}},
		{"min-p after top-k", Params{TopP: 1, TopK: 3, MinP: 0.3}, eighths, []int32{1, 2}},
		{"min-p after top-p", Params{TopP: 0.8, MinP: 0.3}, eighths, []int32{1, 2}},
		{"top-p stricter than min-p", Params{TopP: 0.4, MinP: 0.3}, eighths, []int32{1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			require.Equal(t, c.want, keptIDs(c.p, Candidates{Logits: c.logits}))
		})
	}
}

// TestKeptMatchesSorting compares the selections and floors with sorting everything, on sizes that take the radix sort.
func TestKeptMatchesSorting(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 9))
	for i := range 150 {
		n := 1 + r.IntN(6000)
		logits := noise(n, []float64{0, 0.01, 1, 5}[i%4], uint64(i))
		for range n / 10 { // ties, zeros of both signs, impossible tokens
			logits[r.IntN(n)] = []float32{0, float32(math.Copysign(0, -1)), 1, -inf}[r.IntN(4)]
		}
		logits[r.IntN(n)] = 2
		p := Params{
			TopK: []int{0, 1, 40, 2000, 10000}[r.IntN(5)],
			TopP: []float64{1, 0.999, 0.9, 0.1}[r.IntN(4)],
			MinP: []float64{0, 0.01, 0.5}[r.IntN(3)],
		}
		all := top(logits, n)
		peak := float64(all.Logits[0])
		k := n
		if p.TopK > 0 {
			k = min(n, p.TopK)
		}
		sum := 0.0
		for _, l := range all.Logits[:k] {
			sum += math.Exp(float64(l) - peak)
		}
		if p.TopP < 1 {
			reached := 0.0
			for j, l := range all.Logits[:k] {
				if reached += math.Exp(float64(l) - peak); reached >= p.TopP*sum*(1+1e-12) {
					k = j + 1
					break
				}
			}
		}
		want := slices.DeleteFunc(all.IDs[:k], func(id int32) bool {
			return p.MinP > 0 && float64(logits[id]) < peak+math.Log(p.MinP)
		})
		got := keptIDs(p, Candidates{Logits: logits})
		if p.TopK == 0 && p.TopP == 1 {
			slices.Sort(want) // nothing had to sort
		}
		// The sum may be rounded differently, which can move top-p's end by one where shares are tiny and equal.
		if p.TopP < 1 && len(got) != len(want) {
			require.InDelta(t, len(want), len(got), 1, "%d: %+v over %d", i, p, n)
			m := min(len(got), len(want))
			got, want = got[:m], want[:m]
		}
		require.Equal(t, want, got, "%d: %+v over %d", i, p, n)
	}
}

func TestKeyOrder(t *testing.T) {
	descending := []float32{inf, math.MaxFloat32, 2, 1, math.SmallestNonzeroFloat32, 0, -math.SmallestNonzeroFloat32, -1, -2,
		-math.MaxFloat32, -inf}
	for i, l := range descending {
		require.Equal(t, float64(l), makeKey(l, 3).logit())
		require.Equal(t, int32(math.MaxInt32), makeKey(l, math.MaxInt32).id())
		require.Less(t, makeKey(l, 3), makeKey(l, 4))
		if i > 0 {
			require.Less(t, makeKey(descending[i-1], 9), makeKey(l, 0), "%v before %v", descending[i-1], l)
		}
	}
}

func TestSort(t *testing.T) {
	w := new(work)
	for _, n := range []int{0, 1, sortSmall - 1, sortSmall, 5 * sortSmall} {
		logits := noise(n, 0.5, uint64(n))
		for i := range logits {
			logits[i] = float32(math.Round(float64(logits[i])*20) / 20) // many ties
		}
		keys := w.pack(Candidates{Logits: logits}, math.Inf(-1))
		want := slices.Clone(keys)
		slices.Sort(want)
		require.Equal(t, want, slices.Clone(w.sort(keys)), "%d keys", n)
	}
}

func BenchmarkSort(b *testing.B) {
	w := new(work)
	logits := noise(128_256, 1, 1)
	b.Run("radix", func(b *testing.B) {
		for b.Loop() {
			w.sort(w.pack(Candidates{Logits: logits}, math.Inf(-1)))
		}
	})
	b.Run("slices", func(b *testing.B) {
		for b.Loop() {
			slices.Sort(w.pack(Candidates{Logits: logits}, math.Inf(-1)))
		}
	})
}
