package score_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"umbra/model/klfile"
	"umbra/model/score"
)

// softmax is what the textbook says.
func softmax(logits []float32) []float64 {
	p, sum := make([]float64, len(logits)), 0.0
	for i, v := range logits {
		p[i] = math.Exp(float64(v))
		sum += p[i]
	}
	for i := range p {
		p[i] /= sum
	}
	return p
}

// TestDiverge compares with the definition. The base's steps are worth 1e-8 where models are alike, 1e-4 of a difference where they are not.
func TestDiverge(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for _, apart := range []float64{0, 1e-3, 0.1, 3} {
		for _, sharp := range []float64{0.1, 2, 6} {
			a, b := make([]float32, 500), make([]float32, 500)
			for i := range a {
				v := r.NormFloat64() * sharp
				a[i], b[i] = float32(v), float32(v+5+r.NormFloat64()*apart)
			}
			var row klfile.Row
			require.True(t, row.Encode(a, 77))
			got, err := score.Diverge(b, 77, &row)
			require.NoError(t, err)
			p, q := softmax(a), softmax(b)
			want, best, other := 0.0, 0, 0
			for i := range p {
				want += p[i] * math.Log(p[i]/q[i])
				if p[i] > p[best] {
					best = i
				}
				if q[i] > q[other] {
					other = i
				}
			}
			assert.InDelta(t, want, got.KL, 1e-8+3e-4*math.Sqrt(want)*0.5, "%v %v", apart, sharp)
			assert.GreaterOrEqual(t, got.KL, -1e-12)
			assert.InDelta(t, math.Log(p[77]), got.Base, 1e-5)
			assert.InDelta(t, math.Log(q[77]), got.Score, 1e-5)
			assert.Equal(t, best == other, got.SameBest)
		}
	}
}

func TestDivergeNoNumbers(t *testing.T) {
	var row klfile.Row
	require.True(t, row.Encode([]float32{1, 2, 3}, 0))
	for _, bad := range [][]float32{
		{1, float32(math.NaN()), 3}, {float32(math.NaN()), 2, 3}, {float32(math.Inf(1)), 2, 3},
		{float32(math.Inf(-1)), float32(math.Inf(-1)), float32(math.Inf(-1))},
	} {
		_, err := score.Diverge(bad, 0, &row)
		assert.ErrorIs(t, err, score.ErrNoNumbers, "%v", bad)
		assert.False(t, new(klfile.Row).Encode(bad, 0), "%v", bad)
	}
}

func TestComparison(t *testing.T) {
	var c score.Comparison
	for _, d := range []score.Divergence{
		{KL: 0.1, Score: math.Log(0.5), Base: math.Log(0.4), SameBest: true},
		{KL: 0.3, Score: math.Log(0.1), Base: math.Log(0.4), SameBest: false},
		{KL: 0.2, Score: math.Log(0.2), Base: math.Log(0.2), SameBest: true},
	} {
		c.Add(d)
	}
	r := c.Result()
	assert.InDelta(t, 0.2, r.KL.Value, 1e-12)
	assert.InDelta(t, 0.1/math.Sqrt(3)*math.Sqrt(2.0/3)*math.Sqrt(3.0/2), r.KL.Error, 1e-12) // deviation 0.1, three numbers
	assert.InDelta(t, 0.2, r.MedianKL, 1e-12)
	assert.InDelta(t, 0.298, r.KL99, 1e-12)
	assert.Equal(t, 0.3, r.MaxKL)
	assert.InDelta(t, 2.0/3, r.SameBest.Value, 1e-12)
	assert.InDelta(t, 0.3, r.Largest, 1e-12)
	assert.InDelta(t, math.Sqrt((0.01+0.09)/3), r.RMS.Value, 1e-12)
	assert.InDelta(t, -0.2/3, r.Change.Value, 1e-12)
	base, model := math.Pow(0.4*0.4*0.2, -1.0/3), math.Pow(0.5*0.1*0.2, -1.0/3)
	assert.InDelta(t, base, r.Base.Value, 1e-12)
	assert.InDelta(t, model/base, r.Ratio.Value, 1e-12)
	p, _ := c.NLL().Perplexity()
	assert.InDelta(t, model, p, 1e-12)
}
