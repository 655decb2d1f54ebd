package sample

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
)

// stream is the second half of every PCG seed; any constant will do. 2^64 / golden ratio, as in SplitMix64.
const stream = 0x9e3779b97f4a7c15

// Candidates are the logits that one output row gave back: all of them, or only the largest.
type Candidates struct {
	// IDs names the token of each logit. Nil means that Logits has the whole vocabulary, indexed by token id.
	IDs []int32
	// Logits holds a logit per candidate. Beside IDs it must be largest first, equal ones smallest id first. -Inf is
	// a token that cannot be; +Inf tokens share all probability; NaN is an error.
	Logits []float32
}

// Sampler is one sequence's sampler; its state is its place in the random sequence, and Mirostat's bound. Make one with New. Not safe
// for concurrent use, but different Samplers are independent.
type Sampler struct {
	params Params
	random *rand.Rand
	bound  float64 // Mirostat's, in bits
}

// New makes a sampler at the start of its random sequence. It fails as Params.Validate does.
func New(p Params) (*Sampler, error) {
	if err := p.Validate(); err != nil {
		return nil, err
	}
	return &Sampler{params: p, random: rand.New(rand.NewPCG(p.Seed, stream)), bound: 2 * p.Mirostat.Surprise}, nil
}

// Params are the sampler's parameters.
func (s *Sampler) Params() Params { return s.params }

// Sample chooses a token. History holds all tokens so far, prompt first; only penalties read it. Neither
// argument is written to. The k largest candidates give the same token as the whole vocabulary wherever Largest says
// that k are enough. A greedy choice draws nothing; every other successful call draws exactly one number, or two where XTC is on.
//
// It fails, drawing nothing, if there are no candidates, if a logit is NaN, if all are -Inf (a ban may make them so), if IDs are out of
// order, or if the largest candidates are too few for the parameters.
func (s *Sampler) Sample(c Candidates, history []int32) (int32, error) {
	w := scratch.Get().(*work)
	defer scratch.Put(w)
	if err := s.start(w, c, history); err != nil {
		return 0, err
	}
	switch {
	case s.params.Greedy():
		return w.largest(), nil
	case s.params.Adapts():
		return s.mirostat(w), nil
	}
	return w.keys[draw(w.weights, s.random.Float64()*w.sum)].id(), nil
}

// start checks the candidates and takes them through all steps.
func (s *Sampler) start(w *work, c Candidates, history []int32) error {
	peak, err := s.check(c)
	if err != nil {
		return err
	}
	w.begin(c, float64(peak))
	return s.run(w, history)
}

// largest returns the token with the largest logit; ties: the smallest id comes first.
func (w *work) largest() int32 {
	if w.packed {
		return slices.Min(w.keys).id()
	}
	return w.c.id(slices.Index(w.c.Logits, float32(w.peak)))
}

// check returns the largest logit, or why the candidates cannot be sampled from.
func (s *Sampler) check(c Candidates) (peak float32, err error) {
	if c.IDs != nil {
		if len(c.IDs) != len(c.Logits) {
			return 0, fmt.Errorf("sample: %d ids for %d logits", len(c.IDs), len(c.Logits))
		}
		if k := s.params.Largest(len(c.IDs)); k == 0 {
			return 0, fmt.Errorf("sample: the largest %d logits are not enough for these parameters (top-k %d, penalty %v)",
				len(c.IDs), s.params.TopK, s.params.Penalty)
		}
	}
	if peak, err = largest(c.Logits); err != nil {
		return 0, err
	}
	return peak, ordered(c)
}

// ordered returns an error if the candidates have ids and are not largest first.
func ordered(c Candidates) error {
	for i := 1; i < len(c.IDs); i++ {
		if a, b := c.Logits[i-1], c.Logits[i]; a < b || a == b && c.IDs[i-1] >= c.IDs[i] {
			return fmt.Errorf("sample: candidates %d and %d are out of order: token %d (%v) before token %d (%v)",
				i-1, i, c.IDs[i-1], a, c.IDs[i], b)
		}
	}
	return nil
}

// largest returns the largest logit. NaN anywhere, nothing but -Inf, or no logits at all are errors.
func largest(logits []float32) (float32, error) {
	if len(logits) == 0 {
		return 0, errors.New("sample: no logits")
	}
	peak := float32(math.Inf(-1))
	for i, l := range logits {
		if l > peak {
			peak = l
		} else if l != l {
			return 0, fmt.Errorf("sample: logit %d of %d is NaN", i, len(logits))
		}
	}
	if math.IsInf(float64(peak), -1) {
		return 0, fmt.Errorf("sample: all %d logits are -Inf", len(logits))
	}
	return peak, nil
}

// draw returns the place of the weight that x, below the sum of all, falls on.
func draw(weights []float64, x float64) int {
	last := 0
	for i, w := range weights {
		if w == 0 {
			continue
		}
		last = i
		if x -= w; x < 0 {
			break
		}
	}
	return last // rounding may leave a crumb: then it is the last that could be
}

// weight is exp((logit-peak)/temperature), 1 at the largest even where that is +Inf or the temperature underflows.
func weight(logit, peak, temperature float64) float64 {
	if logit == peak {
		return 1
	}
	return math.Exp((logit - peak) / temperature)
}

// peakOf is largest for logits that may have been changed.
func peakOf(logits []float32) (float64, error) {
	peak, err := largest(logits)
	return float64(peak), err
}

// id returns the token of candidate i.
func (c Candidates) id(i int) int32 {
	if c.IDs == nil {
		return int32(i)
	}
	return c.IDs[i]
}

// scratch lends work space to whichever sampler is at work.
var scratch = sync.Pool{New: func() any { return new(work) }}
