package score

import (
	"errors"
	"math"
	"slices"

	"umbra/model/klfile"
)

// ErrNoNumbers is for logits that are no probabilities.
var ErrNoNumbers = errors.New("score: the model's logits are not numbers here")

// Divergence is how far a model's distribution of one token is from a base model's.
type Divergence struct {
	KL       float64 // Kullback-Leibler divergence of the base from the model, in nats
	Score    float64 // log-probability of the scored token by the model
	Base     float64 // the same by the base model
	SameBest bool    // both have the same likeliest token
}

// Diverge compares a model's logits with what a base model made of the same token. Tokens more than 16 below the base's best in log-probability are
// left out. Beside p·log(p/q) each token adds q - p, which is nothing in all, but takes what the file's steps have rounded out of
// the sum: two models that are the same are 1e-9 apart, not 1e-5.
func Diverge(logits []float32, target int32, base *klfile.Row) (Divergence, error) {
	best := 0
	for i, v := range logits {
		if v > logits[best] {
			best = i
		}
	}
	top := float64(logits[best])
	var sum, kept, mass, cross float64 // of e to the logits less top: all, and those not left out; of the base's probabilities
	for i, v := range logits {
		below := top - float64(v)
		e := math.Exp(-below)
		sum += e
		if c := base.Codes[i]; c < klfile.Floor {
			log := base.LogProb(c)
			p := math.Exp(log)
			kept += e
			mass += p
			cross += p * (log + below - 1)
		}
	}
	lse := math.Log(sum)
	if math.IsNaN(lse) || math.IsInf(lse, 0) {
		return Divergence{}, ErrNoNumbers
	}
	return Divergence{
		KL:    cross + mass*lse + kept/sum, // -log q is below + lse
		Score: float64(logits[target]) - top - lse, Base: float64(base.Target), SameBest: int32(best) == base.Best,
	}, nil
}

// Comparison sums divergences up.
type Comparison struct {
	kl, nll, base, ratio, same, change, square Mean
	all                                        []float64
	largest                                    float64
}

// Add adds a token's.
func (c *Comparison) Add(d Divergence) {
	c.kl.Add(d.KL)
	c.all = append(c.all, d.KL)
	c.nll.Add(-d.Score)
	c.base.Add(-d.Base)
	c.ratio.Add(d.Base - d.Score)
	same := 0.0
	if d.SameBest {
		same = 1
	}
	c.same.Add(same)
	change := math.Exp(d.Score) - math.Exp(d.Base)
	c.change.Add(change)
	c.square.Add(change * change)
	c.largest = max(c.largest, math.Abs(change))
}

// Estimate is a value with its standard error.
type Estimate struct {
	Value float64 `json:"value"`
	Error float64 `json:"error"`
}

// Compared is what a comparison comes to.
type Compared struct {
	KL       Estimate `json:"kl"` // mean, nats
	MedianKL float64  `json:"median_kl"`
	KL99     float64  `json:"kl_99"` // 99 % are below
	MaxKL    float64  `json:"max_kl"`
	SameBest Estimate `json:"top1_agreement"`            // share of tokens
	RMS      Estimate `json:"rms_probability_change"`    // of the scored tokens' probabilities
	Change   Estimate `json:"mean_probability_change"`   // the model's less the base's
	Largest  float64  `json:"max_probability_change"`    // either way
	Base     Estimate `json:"base_perplexity"`           // of the base model
	Ratio    Estimate `json:"perplexity_ratio"`          // the model's perplexity over the base's
	LogRatio Estimate `json:"log_perplexity_difference"` // its logarithm
}

// Result sums up. There must be a token.
func (c *Comparison) Result() Compared {
	sorted := slices.Clone(c.all)
	slices.Sort(sorted)
	estimate := func(m Mean) Estimate { return Estimate{m.Value(), m.Error()} }
	r := Compared{
		KL: estimate(c.kl), MedianKL: quantile(sorted, 0.5), KL99: quantile(sorted, 0.99), MaxKL: sorted[len(sorted)-1],
		SameBest: estimate(c.same), Change: estimate(c.change), Largest: c.largest, LogRatio: estimate(c.ratio),
	}
	if rms := math.Sqrt(c.square.Value()); rms > 0 {
		r.RMS = Estimate{rms, c.square.Error() / (2 * rms)}
	}
	r.Base.Value, r.Base.Error = c.base.Perplexity()
	r.Ratio.Value, r.Ratio.Error = c.ratio.Perplexity()
	return r
}

// NLL is the mean of the model's own negative log-probabilities.
func (c *Comparison) NLL() Mean { return c.nll }

// quantile is linear between the two numbers next to it; sorted is not empty.
func quantile(sorted []float64, q float64) float64 {
	at := q * float64(len(sorted)-1)
	i := int(at)
	if i == len(sorted)-1 {
		return sorted[i]
	}
	return sorted[i] + (at-float64(i))*(sorted[i+1]-sorted[i])
}
