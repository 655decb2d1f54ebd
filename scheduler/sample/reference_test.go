package sample

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// reference holds a logit per token in float64, -Inf where a token is left out. Its methods are the samplers as their sources
// define them, over whole probability vectors, with none of the package's code.
type reference []float64

func (r reference) softmax() []float64 {
	peak := slices.Max(r)
	p, sum := make([]float64, len(r)), 0.0
	for i, l := range r {
		p[i] = math.Exp(l - peak)
		sum += p[i]
	}
	for i := range p {
		p[i] /= sum
	}
	return p
}

// keep leaves out what f does not want.
func (r reference) keep(f func(i int) bool) {
	for i := range r {
		if !f(i) {
			r[i] = math.Inf(-1)
		}
	}
}

// ranked lists those left by score, the least first, equal ones by id.
func (r reference) ranked(score func(i int) float64) (ids []int) {
	for i, l := range r {
		if !math.IsInf(l, -1) {
			ids = append(ids, i)
		}
	}
	slices.SortStableFunc(ids, func(a, b int) int {
		if d := score(a) - score(b); d != 0 {
			return int(math.Copysign(1, d))
		}
		return 0
	})
	return ids
}

// mass keeps the first of order whose probabilities reach p.
func (r reference) mass(order []int, p float64) {
	probs, sum := r.softmax(), 0.0
	for n, i := range order {
		if sum += probs[i]; sum >= p {
			order = order[:n+1]
			break
		}
	}
	r.keep(func(i int) bool { return slices.Contains(order, i) })
}

func window(history []int32, n int) []int32 {
	if n < 0 {
		return history
	}
	return history[max(0, len(history)-n):]
}

// penalties: CTRL (arXiv 1909.05858) section 4.1 with llama.cpp's rule below 0; then OpenAI's
// mu[j] -= c[j]·frequency + (c[j] > 0)·presence.
func (r reference) penalties(p Params, history []int32) {
	count := make([]float64, len(r))
	for _, id := range window(history, p.PenaltyLast) {
		count[id]++
	}
	for j, c := range count {
		if c == 0 {
			continue
		}
		if theta := p.Penalty; theta > 0 && r[j] > 0 {
			r[j] /= theta
		} else if theta > 0 {
			r[j] *= theta
		}
		r[j] -= c*p.Frequency + p.Presence
	}
}

// dry, as the pull request tells it: for each earlier place of the last token, extend the match backwards; what followed is
// weakened by the longest match.
func (r reference) dry(d DRY, history []int32) {
	input := window(history, d.Last)
	longest := map[int32]int{}
	end := len(input) - 1
	for i := 0; i < end; i++ {
		n := 0
		for i-n >= 0 && input[i-n] == input[end-n] && !slices.Contains(d.Breakers, input[end-n]) {
			n++
		}
		if n > 0 {
			longest[input[i+1]] = max(longest[input[i+1]], n)
		}
	}
	for id, n := range longest {
		if n >= d.Allowed {
			r[id] -= d.Multiplier * math.Pow(d.Base, float64(n-d.Allowed))
		}
	}
}

// topNSigma: arXiv 2411.07641, algorithm 1, the deviation over tokens that are possible.
func (r reference) topNSigma(n float64) {
	m, values := math.Inf(-1), []float64{}
	for _, l := range r {
		if m = max(m, l); !math.IsInf(l, -1) {
			values = append(values, l)
		}
	}
	mean, variance := 0.0, 0.0
	for _, l := range values {
		mean += l / float64(len(values))
	}
	for _, l := range values {
		variance += (l - mean) * (l - mean) / float64(len(values))
	}
	r.keep(func(i int) bool { return r[i] >= m-n*math.Sqrt(variance) })
}

// typical: arXiv 2202.00666, section 5: those whose surprise is closest to the entropy, up to a mass.
func (r reference) typical(tau float64) {
	probs, entropy := r.softmax(), 0.0
	for _, p := range probs {
		if p > 0 {
			entropy -= p * math.Log(p)
		}
	}
	order := r.ranked(func(i int) float64 { return -r[i] }) // ties: the likelier
	far := func(i int) float64 { return math.Abs(entropy + math.Log(probs[i])) }
	slices.SortStableFunc(order, func(a, b int) int {
		if d := far(a) - far(b); d != 0 {
			return int(math.Copysign(1, d))
		}
		return 0
	})
	r.mass(order, tau)
}

// xtc: the pull request's "all tokens meeting the threshold are removed except for the least probable one".
func (r reference) xtc(threshold float64) {
	probs := r.softmax()
	var top []int
	for _, i := range r.ranked(func(i int) float64 { return -r[i] }) {
		if probs[i] >= threshold {
			top = append(top, i)
		}
	}
	if len(top) < 2 {
		return
	}
	r.keep(func(i int) bool { return !slices.Contains(top[:len(top)-1], i) })
}

func (r reference) temperature(p Params) {
	t := p.Temperature
	if p.DynamicRange > 0 {
		entropy, n := 0.0, 0.0
		for i, q := range r.softmax() {
			if !math.IsInf(r[i], -1) {
				n++
				if q > 0 {
					entropy -= q * math.Log(q)
				}
			}
		}
		low, high := math.Max(0, t-p.DynamicRange), t+p.DynamicRange
		t = low
		if n > 1 {
			exponent := p.DynamicExponent
			if exponent == 0 {
				exponent = 1
			}
			t = low + (high-low)*math.Pow(entropy/math.Log(n), exponent)
		}
	}
	peak := slices.Max(r)
	for i := range r {
		if r[i] != peak {
			r[i] = peak + (r[i]-peak)/math.Max(t, 1e-300)
		}
	}
	for i := range r { // the rest of the division, which only penalties after it see
		if !math.IsInf(r[i], -1) && t > 1e-9 {
			r[i] += peak/t - peak
		}
	}
}

// run takes logits through all steps; drop tells whether XTC's coin falls so.
func (r reference) run(p Params, history []int32, drop bool) {
	for id, b := range p.Bias {
		r[id] += b
	}
	order := p.Order
	if order == nil {
		order = []Step{"penalties", "dry", "top_n_sigma", "top_k", "typ_p", "top_p", "min_p", "xtc", "temperature"}
	}
	for _, step := range order {
		likely := r.ranked(func(i int) float64 { return -r[i] })
		switch step {
		case "penalties":
			if p.PenaltyLast != 0 {
				r.penalties(p, history)
			}
		case "dry":
			if p.DRY.Multiplier > 0 {
				r.dry(p.DRY, history)
			}
		case "top_n_sigma":
			if p.TopNSigma > 0 {
				r.topNSigma(p.TopNSigma)
			}
		case "top_k":
			if p.TopK > 0 {
				likely = likely[:min(p.TopK, len(likely))]
				r.keep(func(i int) bool { return slices.Contains(likely, i) })
			}
		case "typ_p":
			if p.Typical > 0 && p.Typical < 1 {
				r.typical(p.Typical)
			}
		case "top_p":
			if p.TopP < 1 {
				r.mass(likely, p.TopP)
			}
		case "min_p":
			probs := r.softmax()
			least := p.MinP * slices.Max(probs)
			r.keep(func(i int) bool { return probs[i] >= least })
		case "xtc":
			if drop {
				r.xtc(p.XTC.Threshold)
			}
		case "temperature":
			r.temperature(p)
		}
	}
}

// compare runs both and compares the distributions.
func compare(t *testing.T, p Params, logits []float32, history []int32, drop bool) {
	t.Helper()
	ref := make(reference, len(logits))
	for i, l := range logits {
		ref[i] = float64(l)
	}
	ref.run(p, history, drop)
	want := ref.softmax()
	d, err := sampler(t, p).Distribution(Candidates{Logits: logits}, history)
	require.NoError(t, err)
	sum := 0.0
	got := make([]float64, len(logits))
	for i, id := range d.IDs {
		require.Zero(t, got[id], "token %d twice", id)
		got[id] = d.Probs[i]
		sum += d.Probs[i]
	}
	require.InDelta(t, 1, sum, 1e-9)
	for i := range want {
		require.InDelta(t, want[i], got[i], 2e-5, "token %d of %+v", i, p)
	}
}

// passage returns tokens that repeat themselves now and then.
func passage(r *rand.Rand, n, vocabulary int) (h []int32) {
	for len(h) < n {
		if len(h) > 8 && r.IntN(3) == 0 {
			at := r.IntN(len(h) - 4)
			h = append(h, h[at:min(len(h), at+1+r.IntN(12))]...)
		}
		h = append(h, int32(r.IntN(vocabulary)))
	}
	return h
}

// TestReference compares each step alone, and all in random orders, with the reference.
func TestReference(t *testing.T) {
	type change struct {
		name string
		set  func(r *rand.Rand, p *Params)
	}
	steps := []change{
		{"repeat", func(r *rand.Rand, p *Params) { p.Penalty, p.PenaltyLast = 0.5+r.Float64(), r.IntN(60)-1 }},
		{"frequency", func(r *rand.Rand, p *Params) { p.Frequency, p.PenaltyLast = r.NormFloat64(), r.IntN(60)-1 }},
		{"presence", func(r *rand.Rand, p *Params) { p.Presence, p.PenaltyLast = r.NormFloat64(), r.IntN(60)-1 }},
		{"dry", func(r *rand.Rand, p *Params) {
			p.DRY = DRY{Multiplier: 0.5 + r.Float64(), Base: 1 + r.Float64(), Allowed: r.IntN(4), Last: r.IntN(60) - 1, Breakers: []int32{1, 2, 3, 4, 5, 6}}
			if p.DRY.Last == 0 {
				p.DRY.Last = -1
			}
		}},
		{"top-n-sigma", func(r *rand.Rand, p *Params) { p.TopNSigma = 3 * r.Float64() }},
		{"top-k", func(r *rand.Rand, p *Params) { p.TopK = 1 + r.IntN(40) }},
		{"typical", func(r *rand.Rand, p *Params) { p.Typical = r.Float64() }},
		{"top-p", func(r *rand.Rand, p *Params) { p.TopP = r.Float64() }},
		{"min-p", func(r *rand.Rand, p *Params) { p.MinP = r.Float64() / 4 }},
		{"xtc", func(r *rand.Rand, p *Params) { p.XTC = XTC{1, r.Float64() / 4} }},
		{"temperature", func(r *rand.Rand, p *Params) { p.Temperature = 0.1 + 2*r.Float64() }},
		{"dynamic", func(r *rand.Rand, p *Params) {
			p.Temperature, p.DynamicRange, p.DynamicExponent = 0.2+r.Float64(), r.Float64(), 2*r.Float64()
		}},
		{"bias", func(r *rand.Rand, p *Params) {
			p.Bias = map[int32]float64{int32(r.IntN(50)): 5 * r.NormFloat64(), int32(r.IntN(50)): math.Inf(-1)}
		}},
	}
	draw := func(r *rand.Rand) ([]float32, []int32) {
		n := 50
		if r.IntN(4) == 0 {
			n = 1500 // the radix sort
		}
		logits := noise(n, []float64{0.1, 1, 3}[r.IntN(3)], r.Uint64())
		logits[r.IntN(n)] = -inf
		return logits, passage(r, r.IntN(100), 50)
	}
	for i, s := range steps {
		t.Run(s.name, func(t *testing.T) {
			r := rand.New(rand.NewPCG(uint64(i), 1))
			for range 60 {
				p := Neutral()
				s.set(r, &p)
				logits, history := draw(r)
				compare(t, p, logits, history, p.XTC.Probability > 0)
			}
		})
	}
	t.Run("together", func(t *testing.T) {
		r := rand.New(rand.NewPCG(99, 1))
		for range 600 {
			p := Neutral()
			for _, s := range steps {
				if r.IntN(3) == 0 {
					s.set(r, &p)
				}
			}
			if r.IntN(3) > 0 {
				p.Order = DefaultOrder()
				r.Shuffle(len(p.Order), func(i, j int) { p.Order[i], p.Order[j] = p.Order[j], p.Order[i] })
				p.Order = p.Order[:1+r.IntN(len(p.Order))]
			}
			logits, history := draw(r)
			compare(t, p, logits, history, p.XTC.Probability > 0)
		}
	})
}

// TestXTCCoin: the likeliest is left out as often as the probability says, and never where the coin falls the other way.
func TestXTCCoin(t *testing.T) {
	p := Neutral()
	p.XTC = XTC{0.3, 0.25}
	s := sampler(t, p)
	const draws = 20_000
	seen := make([]int, 3)
	for range draws {
		id, err := s.Sample(Candidates{Logits: logs(0.5, 0.3, 0.2)}, nil)
		require.NoError(t, err)
		seen[id]++
	}
	for i, want := range []float64{0.7 * 0.5, 0.7*0.3 + 0.3*0.6, 0.7*0.2 + 0.3*0.4} {
		require.InDelta(t, want, float64(seen[i])/draws, 4*math.Sqrt(want*(1-want)/draws), "token %d", i)
	}
}

// TestMirostat follows the bound by algorithm 2 of arXiv 2007.14966, and sees that tokens surprise as much as asked on the average.
func TestMirostat(t *testing.T) {
	p := Neutral()
	p.Mirostat, p.Seed = Mirostat{Surprise: 3, Rate: 0.1}, 5
	s := sampler(t, p)
	r := rand.New(rand.NewPCG(1, 2))
	bound, total := 2*3.0, 0.0
	const draws = 3000
	for range draws {
		logits := noise(200, 1+r.Float64(), r.Uint64())
		ref := make(reference, len(logits))
		for i, l := range logits {
			ref[i] = float64(l)
		}
		probs := ref.softmax()
		best := slices.Index(probs, slices.Max(probs))
		ref.keep(func(i int) bool { return i == best || -math.Log2(probs[i]) <= bound })
		id, err := s.Sample(Candidates{Logits: logits}, nil)
		require.NoError(t, err)
		surprise := -math.Log2(ref.softmax()[id])
		require.False(t, math.IsInf(surprise, 0), "token %d is beyond the bound", id)
		bound -= 0.1 * (surprise - 3)
		require.InDelta(t, bound, s.bound, 1e-6)
		total += surprise
	}
	require.InDelta(t, 3, total/draws, 0.1)
	_, err := s.Distribution(Candidates{Logits: logs(0.5, 0.5)}, nil)
	require.ErrorContains(t, err, "mirostat has no distribution")
}

// TestDrawAsSample: Distribution and Draw are Sample in two calls.
func TestDrawAsSample(t *testing.T) {
	for i, p := range []Params{{}, Neutral(), {Temperature: 0.7, TopK: 20, TopP: 0.9}, {Temperature: 1, TopP: 1, XTC: XTC{0.5, 0.1}},
		{Temperature: 1, TopP: 1, Typical: 0.8, Penalty: 1.2, PenaltyLast: -1}} {
		a, b := sampler(t, p), sampler(t, p)
		for j := range 200 {
			c := Candidates{Logits: noise(60, 2, uint64(i*1000+j))}
			history := []int32{int32(j % 60), 3}
			want, err := a.Sample(c, history)
			require.NoError(t, err)
			d, err := b.Distribution(c, history)
			require.NoError(t, err)
			require.Equal(t, want, b.Draw(d))
			require.Positive(t, d.Of(want))
			require.Zero(t, d.Of(99))
		}
	}
}

// TestGreedyWithSteps: when greedy, filters have no say; bias, penalties and DRY do.
func TestGreedyWithSteps(t *testing.T) {
	for _, c := range []struct {
		p    Params
		want int32
	}{
		{Params{Typical: 0.2, XTC: XTC{1, 0.01}, TopNSigma: 0.1, TopK: 1}, 1},
		{Params{Bias: map[int32]float64{1: math.Inf(-1)}}, 2},
		{Params{Bias: map[int32]float64{0: 3}}, 0},
		{Params{Presence: 2, PenaltyLast: 1}, 2},
		{Params{Presence: 2, PenaltyLast: 1, Order: []Step{TopK}}, 1},
		{Params{DRY: DRY{Multiplier: 2, Base: 1, Allowed: 1, Last: -1}}, 2},
		{Params{Mirostat: Mirostat{Surprise: 5}}, 1},
	} {
		id, err := sampler(t, c.p).Sample(Candidates{Logits: []float32{1, 3, 2}}, []int32{0, 1, 0, 1, 0, 1, 1})
		require.NoError(t, err)
		require.Equal(t, c.want, id, "%+v", c.p)
	}
	_, err := sampler(t, Params{Bias: map[int32]float64{0: math.Inf(-1), 1: math.Inf(-1)}}).Sample(Candidates{Logits: []float32{1, 2}}, nil)
	require.EqualError(t, err, "sample: all 2 logits are -Inf")
}

// TestLargestIsEnough: wherever Largest says that k are enough, k give what all do, in any order of steps.
func TestLargestIsEnough(t *testing.T) {
	r := rand.New(rand.NewPCG(8, 8))
	some := 0
	for i := range 2000 {
		p := Params{Temperature: 0.5 + r.Float64(), TopP: []float64{1, 0.8}[r.IntN(2)], MinP: []float64{0, 0.05}[r.IntN(2)],
			TopK: 1 + r.IntN(30), Typical: []float64{0, 0.7}[r.IntN(2)], TopNSigma: []float64{0, 2}[r.IntN(2)], Order: DefaultOrder(), Seed: uint64(i)}
		r.Shuffle(len(p.Order), func(i, j int) { p.Order[i], p.Order[j] = p.Order[j], p.Order[i] })
		k := p.Largest(64)
		if k == 0 {
			continue
		}
		some++
		logits := noise(100, 1, uint64(i))
		want, err := sampler(t, p).Distribution(Candidates{Logits: logits}, nil)
		require.NoError(t, err)
		got, err := sampler(t, p).Distribution(top(logits, k), nil)
		require.NoError(t, err)
		require.Equal(t, want, got, "%+v", p)
	}
	require.Greater(t, some, 100)
}

func TestParseOrder(t *testing.T) {
	order, err := ParseOrder("top_k;temperature, penalties")
	require.NoError(t, err)
	require.Equal(t, []Step{TopK, Temperature, Penalties}, order)
	for s, want := range map[string]string{
		"":            "sample: an order without steps; want some of penalties, dry, top_n_sigma, top_k, typ_p, top_p, min_p, xtc, temperature",
		"top_k,top_k": `sample: step "top_k" is listed twice`,
		"topk":        `sample: step "topk" is not known; there are penalties, dry,`,
	} {
		_, err := ParseOrder(s)
		require.ErrorContains(t, err, want)
	}
	for _, c := range []struct {
		p    Params
		want string
	}{
		{Params{TopP: 1, Temperature: 1, Mirostat: Mirostat{Surprise: 3}, TopK: 4}, "mirostat chooses what is cut off, and so does top_k"},
		{Params{XTC: XTC{Probability: 2}}, "XTC probability 2 is out of range"},
		{Params{DRY: DRY{Multiplier: 1, Last: -1}}, "DRY base 0 is out of range"},
		{Params{DRY: DRY{Allowed: -1}}, "DRY allowed length -1 is out of range"},
		{Params{Bias: map[int32]float64{3: math.NaN()}}, "the bias of token 3 is NaN"},
		{Params{Typical: -1}, "typical-p -1 is out of range"},
	} {
		require.ErrorContains(t, c.p.Validate(), c.want, fmt.Sprintf("%+v", c.p))
	}
}
