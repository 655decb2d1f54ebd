package sample

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

var (
	inf = float32(math.Inf(1))
	nan = float32(math.NaN())
)

// logs returns logits whose softmax is p.
func logs(p ...float64) []float32 {
	l := make([]float32, len(p))
	for i, x := range p {
		l[i] = float32(math.Log(x))
	}
	return l
}

// noise returns n logits drawn from N(0, sigma).
func noise(n int, sigma float64, seed uint64) []float32 {
	r := rand.New(rand.NewPCG(seed, 0))
	l := make([]float32, n)
	for i := range l {
		l[i] = float32(r.NormFloat64() * sigma)
	}
	return l
}

// top returns the k largest of l as candidates, found by sorting everything.
func top(l []float32, k int) Candidates {
	ids := make([]int32, len(l))
	for i := range ids {
		ids[i] = int32(i)
	}
	slices.SortStableFunc(ids, func(a, b int32) int {
		switch {
		case l[a] > l[b]:
			return -1
		case l[a] < l[b]:
			return 1
		}
		return 0
	})
	c := Candidates{IDs: ids[:k]}
	for _, id := range c.IDs {
		c.Logits = append(c.Logits, l[id])
	}
	return c
}

func sampler(t testing.TB, p Params) *Sampler {
	t.Helper()
	s, err := New(p)
	require.NoError(t, err)
	return s
}

func TestValidate(t *testing.T) {
	for _, c := range []struct {
		change func(p *Params)
		want   string
	}{
		{func(p *Params) {}, ""},
		{func(p *Params) { *p = Params{} }, ""},
		{func(p *Params) { p.TopP, p.MinP, p.Penalty, p.PenaltyLast = 0, 1, 0.5, -1 }, ""},
		{func(p *Params) { p.Temperature = -1 }, "sample: temperature -1 is out of range: want 0 (greedy) or more"},
		{func(p *Params) { p.Temperature = math.NaN() }, "sample: temperature NaN is out of range: want 0 (greedy) or more"},
		{func(p *Params) { p.Temperature = math.Inf(1) }, "sample: temperature +Inf is out of range: want 0 (greedy) or more"},
		{func(p *Params) { p.TopK = -1 }, "sample: top-k -1 is out of range: want 0 (all) or more"},
		{func(p *Params) { p.TopP = 1.5 }, "sample: top-p 1.5 is out of range: want 0 to 1 (1 turns it off)"},
		{func(p *Params) { p.TopP = math.NaN() }, "sample: top-p NaN is out of range: want 0 to 1 (1 turns it off)"},
		{func(p *Params) { p.MinP = -0.1 }, "sample: min-p -0.1 is out of range: want 0 to 1 (0 turns it off)"},
		{func(p *Params) { p.Penalty = -2 }, "sample: repetition penalty -2 is out of range: want more than 0 (1 turns it off)"},
		{func(p *Params) { p.Penalty = math.Inf(1) }, "sample: repetition penalty +Inf is out of range: want more than 0 (1 turns it off)"},
		{func(p *Params) { p.PenaltyLast = -2 }, "sample: penalty window -2 is out of range: want -1 (all), 0 (none) or more"},
	} {
		p := Neutral()
		c.change(&p)
		err := p.Validate()
		if c.want == "" {
			require.NoError(t, err, "%+v", p)
			continue
		}
		require.EqualError(t, err, c.want)
		_, err = New(p)
		require.EqualError(t, err, c.want)
	}
}

func TestGreedy(t *testing.T) {
	s := sampler(t, Params{})
	for _, c := range []struct {
		logits []float32
		want   int32
	}{
		{[]float32{5}, 0},
		{[]float32{1, 3, 2}, 1},
		{[]float32{1, 3, 3, 3}, 1},
		{[]float32{-3, float32(math.Copysign(0, -1)), 0}, 1}, // both zeros are one logit
		{[]float32{-inf, -5, -inf}, 1},
		{[]float32{1, inf, 7, inf}, 1},
	} {
		got, err := s.Sample(Candidates{Logits: c.logits}, nil)
		require.NoError(t, err)
		require.Equal(t, c.want, got, "%v", c.logits)
	}
	got, err := s.Sample(Candidates{IDs: []int32{9, 2}, Logits: []float32{4, 4 - 1}}, nil)
	require.NoError(t, err)
	require.Equal(t, int32(9), got)
}

func TestSampleRefuses(t *testing.T) {
	top := Neutral()
	top.TopK = 2
	penal := top
	penal.Penalty, penal.PenaltyLast = 2, 8
	for _, c := range []struct {
		p    Params
		c    Candidates
		want string
	}{
		{Params{}, Candidates{}, "sample: no logits"},
		{Params{}, Candidates{Logits: []float32{1, nan, 2}}, "sample: logit 1 of 3 is NaN"},
		{Neutral(), Candidates{Logits: []float32{nan}}, "sample: logit 0 of 1 is NaN"},
		{Neutral(), Candidates{Logits: []float32{inf, nan}}, "sample: logit 1 of 2 is NaN"},
		{Neutral(), Candidates{Logits: []float32{-inf, -inf}}, "sample: all 2 logits are -Inf"},
		{top, Candidates{IDs: []int32{1}, Logits: []float32{1, 2}}, "sample: 1 ids for 2 logits"},
		{top, Candidates{IDs: []int32{1}, Logits: []float32{1}},
			"sample: the largest 1 logits are not enough for these parameters (top-k 2, penalty 1)"},
		{Neutral(), Candidates{IDs: []int32{1}, Logits: []float32{1}},
			"sample: the largest 1 logits are not enough for these parameters (top-k 0, penalty 1)"},
		{penal, Candidates{IDs: []int32{1, 2}, Logits: []float32{2, 1}},
			"sample: the largest 2 logits are not enough for these parameters (top-k 2, penalty 2)"},
		{top, Candidates{IDs: []int32{4, 5}, Logits: []float32{1, 2}},
			"sample: candidates 0 and 1 are out of order: token 4 (1) before token 5 (2)"},
		{top, Candidates{IDs: []int32{5, 4}, Logits: []float32{2, 2}},
			"sample: candidates 0 and 1 are out of order: token 5 (2) before token 4 (2)"},
	} {
		_, err := sampler(t, c.p).Sample(c.c, nil)
		require.EqualError(t, err, c.want)
	}
}

func TestPenalty(t *testing.T) {
	logits := []float32{4, -1, 3, 0, 2}
	for _, c := range []struct {
		penalty float64
		last    int
		history []int32
		want    []float32
	}{
		{2, -1, []int32{0, 1, 0, 3}, []float32{2, -2, 3, 0, 2}}, // once per token, zero stays zero
		{2, 2, []int32{0, 1, 2}, []float32{4, -2, 1.5, 0, 2}},   // the window is the last two
		{2, 9, []int32{4}, []float32{4, -1, 3, 0, 1}},           // a window longer than the history
		{0.5, -1, []int32{1, 4}, []float32{4, -0.5, 3, 0, 4}},
		{2, -1, []int32{7, -1}, logits}, // ids outside the vocabulary are ignored
		{2, -1, nil, logits},
	} {
		w := new(work)
		w.begin(Candidates{Logits: logits}, 4)
		w.penalise(Params{Penalty: c.penalty, PenaltyLast: c.last}, c.history)
		require.Equal(t, c.want, w.c.Logits)
	}

	kept := slices.Clone(logits)
	s := sampler(t, Params{Penalty: 2, PenaltyLast: 1})
	got, err := s.Sample(Candidates{Logits: logits}, []int32{2, 0})
	require.NoError(t, err)
	require.Equal(t, int32(2), got, "token 0 falls from 4 to 2")
	require.Equal(t, kept, logits, "the caller's logits are not written to")

	for _, off := range []Params{{Penalty: 2}, {Penalty: 1, PenaltyLast: -1}, {PenaltyLast: -1}} {
		require.False(t, off.Penalises(), "%+v", off)
		got, err := sampler(t, off).Sample(Candidates{Logits: logits}, []int32{0})
		require.NoError(t, err)
		require.Equal(t, int32(0), got)
	}
}

func TestLargest(t *testing.T) {
	p := Neutral()
	require.Equal(t, 0, p.Largest(64), "no top-k: all")
	p.TopK = 64
	require.Equal(t, 64, p.Largest(64))
	p.TopK = 65
	require.Equal(t, 0, p.Largest(64))
	p.TopK, p.Penalty, p.PenaltyLast = 5, 1.1, 64
	require.Equal(t, 0, p.Largest(64), "a penalised token may fall out of the largest")
	require.Equal(t, 1, Params{TopK: 40}.Largest(64))
}

func TestReproducible(t *testing.T) {
	p := Neutral()
	p.Seed = 7
	logits := noise(100, 1, 1)
	run := func(p Params) (ids []int32) {
		s := sampler(t, p)
		for range 50 {
			id, err := s.Sample(Candidates{Logits: logits}, nil)
			require.NoError(t, err)
			ids = append(ids, id)
		}
		return ids
	}
	first := run(p)
	require.Equal(t, first, run(p))
	p.Seed = 8
	require.NotEqual(t, first, run(p))
	// Pinned, so that a change of generator or of draw is a choice, not an accident.
	require.Equal(t, []int32{59, 60, 51, 65}, first[:4])
}

func TestOneDrawPerSample(t *testing.T) {
	// A single candidate still draws, so that how many were left never shifts later tokens; a failure does not.
	a, b := sampler(t, Neutral()), sampler(t, Neutral())
	_, err := a.Sample(Candidates{Logits: []float32{1}}, nil)
	require.NoError(t, err)
	_, err = a.Sample(Candidates{Logits: []float32{nan}}, nil)
	require.Error(t, err)
	b.random.Float64()
	require.Equal(t, b.random.Float64(), a.random.Float64())
}

// TestWaysAgree: the k largest, or any more, give the same token as all logits, whatever else filters.
func TestWaysAgree(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for i := range 400 {
		n := 100 + r.IntN(3000)
		logits := noise(n, []float64{0, 0.1, 1, 4}[i%4], uint64(i)) // sigma 0: nothing but ties
		p := Params{
			Temperature: []float64{0, 0.3, 1, 2}[r.IntN(4)], TopK: 1 + r.IntN(64), Seed: uint64(i),
			TopP: []float64{1, 0.9, 0.5, 0}[r.IntN(4)], MinP: []float64{0, 0.05, 0.5}[r.IntN(3)],
		}
		all, few, more := sampler(t, p), sampler(t, p), sampler(t, p)
		sorted := top(logits, n)
		largest := func(k int) Candidates { return Candidates{IDs: sorted.IDs[:k], Logits: sorted.Logits[:k]} }
		for range 20 {
			want, err := all.Sample(Candidates{Logits: logits}, nil)
			require.NoError(t, err)
			got, err := few.Sample(largest(p.TopK), nil)
			require.NoError(t, err)
			require.Equal(t, want, got, "%+v over %d", p, n)
			got, err = more.Sample(largest(64), nil) // another sequence of the step asked for more
			require.NoError(t, err)
			require.Equal(t, want, got, "%+v over %d", p, n)
		}
	}
}

// TestDistribution draws from a small vocabulary and compares with the exact distribution, written out here by hand
// rather than computed by the code under test.
func TestDistribution(t *testing.T) {
	const draws = 100_000
	half := func(p ...float64) (q []float64) { // temperature 2: square roots, normalised
		sum := 0.0
		for _, x := range p {
			q = append(q, math.Sqrt(x))
			sum += math.Sqrt(x)
		}
		for i := range q {
			q[i] /= sum
		}
		return q
	}
	logits := logs(0.4, 0.25, 0.125, 0.1, 0.075, 0.05)
	for _, c := range []struct {
		name   string
		change func(p *Params)
		logits []float32
		want   []float64
	}{
		{"neutral", func(p *Params) {}, logits, []float64{0.4, 0.25, 0.125, 0.1, 0.075, 0.05}},
		{"temperature 2", func(p *Params) { p.Temperature = 2 }, logits, half(0.4, 0.25, 0.125, 0.1, 0.075, 0.05)},
		{"top-k 2", func(p *Params) { p.TopK = 2 }, logits, []float64{0.4 / 0.65, 0.25 / 0.65, 0, 0, 0, 0}},
		{"top-p", func(p *Params) { p.TopP = 0.6 }, logits, []float64{0.4 / 0.65, 0.25 / 0.65, 0, 0, 0, 0}},
		{"min-p", func(p *Params) { p.MinP = 0.3 }, logits, []float64{0.4 / 0.775, 0.25 / 0.775, 0.125 / 0.775, 0, 0, 0}},
		{"filters come before temperature", func(p *Params) { p.TopP, p.Temperature = 0.6, 2 }, logits,
			append(half(0.4, 0.25), 0, 0, 0, 0)},
		{"infinite", func(p *Params) {}, []float32{1, inf, -inf, inf}, []float64{0, 0.5, 0, 0.5}},
		{"all filters, infinite", func(p *Params) { p.TopK, p.TopP, p.MinP = 3, 0.99, 0.1 }, []float32{1, inf, -inf, inf},
			[]float64{0, 0.5, 0, 0.5}},
		{"impossible", func(p *Params) { p.Temperature = math.MaxFloat64 }, []float32{1, -inf, 9}, []float64{0.5, 0, 0.5}},
		{"very cold", func(p *Params) { p.Temperature = math.SmallestNonzeroFloat64 }, logits, []float64{1, 0, 0, 0, 0, 0}},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := Neutral()
			p.Seed = 11
			c.change(&p)
			s := sampler(t, p)
			seen := make([]int, len(c.want))
			for range draws {
				id, err := s.Sample(Candidates{Logits: c.logits}, nil)
				if err != nil {
					t.Fatal(err)
				}
				seen[id]++
			}
			chi, freedom := 0.0, -1
			for i, q := range c.want {
				if q == 0 {
					require.Zero(t, seen[i], "token %d cannot be", i)
					continue
				}
				d := float64(seen[i]) - q*draws
				chi += d * d / (q * draws)
				freedom++
			}
			// The 99.99% points of chi-square with 0..5 degrees of freedom (tables); the seed is fixed.
			limit := []float64{1e-9, 15.14, 18.42, 21.11, 23.51, 25.74}[freedom]
			require.LessOrEqual(t, chi, limit, "seen %v of %d", seen, draws)
		})
	}
}

func BenchmarkSample(b *testing.B) {
	const vocabulary = 128_256 // Llama 3
	for _, c := range []struct {
		name   string
		change func(p *Params)
	}{
		{"greedy", func(p *Params) { p.Temperature = 0 }},
		{"neutral", func(p *Params) {}},
		{"top-k=40", func(p *Params) { p.TopK = 40 }},
		{"top-k=40,top-p=0.95,min-p=0.05", func(p *Params) { p.TopK, p.TopP, p.MinP = 40, 0.95, 0.05 }},
		{"top-k=10000", func(p *Params) { p.TopK = 10000 }},
		{"top-p=0.95", func(p *Params) { p.TopP = 0.95 }},
		{"min-p=0.05", func(p *Params) { p.MinP = 0.05 }},
		{"penalty=1.1,top-k=40", func(p *Params) { p.TopK, p.Penalty, p.PenaltyLast = 40, 1.1, -1 }},
	} {
		for _, sigma := range []float64{3, 0.01} { // peaked as a model's, and all but flat
			b.Run(fmt.Sprintf("%s/sigma=%v", c.name, sigma), func(b *testing.B) {
				p := Neutral()
				c.change(&p)
				s := sampler(b, p)
				logits := noise(vocabulary, sigma, 5)
				history := make([]int32, 4096)
				for i := range history {
					history[i] = int32(i * 31 % vocabulary)
				}
				b.ReportAllocs()
				for b.Loop() {
					if _, err := s.Sample(Candidates{Logits: logits}, history); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
