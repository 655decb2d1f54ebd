package sample

import (
	"math/rand/v2"
	"slices"
)

// Odds is a distribution that a proposed token was drawn from: Chances[i] is IDs[i]'s, ids differ, and the sum is 1. The zero value
// is certainty: no other token could have been proposed.
type Odds struct {
	IDs     []int32
	Chances []float64
}

// proposals is the second half of the seeds of samplers that draw proposals: what they draw has nothing to do with what
// decides about it. 2^64 / (1 + sqrt 2).
const proposals = 0x6a09e667f3bcc908

// NewProposer makes a sampler for Propose: with the same parameters as the one that will Verify, but random numbers of
// its own.
func NewProposer(p Params) (*Sampler, error) {
	s, err := New(p)
	if err == nil {
		s.random = rand.New(rand.NewPCG(p.Seed, proposals))
	}
	return s, err
}

// Propose draws a token from a smaller model's candidates, the largest first, as Sample would from its own, and returns what
// Verify has to know of it. The candidates may be fewer than Sample asks for: then they are all there is. top is the largest
// probability among them, which says how sure the smaller model is; a greedy choice is certain, and top is then of
// temperature 1.
func (s *Sampler) Propose(c Candidates, history []int32) (id int32, odds Odds, top float64, err error) {
	if err := ordered(c); err != nil {
		return 0, Odds{}, 0, err
	}
	w := scratch.Get().(*work)
	defer scratch.Put(w)
	peak, err := largest(c.Logits)
	if err != nil {
		return 0, Odds{}, 0, err
	}
	if s.params.Penalises() {
		c, peak = s.penalisedFew(w, c, history)
	}
	if s.params.Greedy() {
		sum := 0.0
		for _, l := range c.Logits {
			sum += weight(float64(l), float64(peak), 1)
		}
		return c.id(slices.Index(c.Logits, peak)), Odds{}, 1 / sum, nil
	}
	keys := w.keep(s.params, c, float64(peak))
	sum := w.weigh(keys, float64(peak), s.params.Temperature)
	for i, k := range keys {
		if x := w.weights[i] / sum; x > 0 {
			odds.IDs, odds.Chances = append(odds.IDs, k.id()), append(odds.Chances, x)
			top = max(top, x)
		}
	}
	return s.draw(w, keys, sum), odds, top, nil
}

// penalisedFew is penalised for candidates that are not the whole vocabulary, which come in order again.
func (s *Sampler) penalisedFew(w *work, c Candidates, history []int32) (Candidates, float32) {
	if last := s.params.PenaltyLast; last >= 0 && last < len(history) {
		history = history[len(history)-last:]
	}
	w.keys = w.keys[:0]
	for i, l := range c.Logits {
		id := c.id(i)
		if slices.Contains(history, id) {
			l = weaken(l, s.params.Penalty)
		}
		w.keys = append(w.keys, makeKey(l, id))
	}
	slices.Sort(w.keys)
	few := Candidates{IDs: make([]int32, len(w.keys)), Logits: make([]float32, len(w.keys))}
	for i, k := range w.keys {
		few.IDs[i], few.Logits[i] = k.id(), float32(k.logit())
	}
	return few, few.Logits[0]
}

// Verify decides about a token proposed with the given odds, by the candidates that Sample would choose from: it returns that
// token and true, or another. What it returns is distributed as what Sample returns, whatever the odds; where Sample is
// greedy it is the same. It is speculative sampling (Leviathan et al. 2023, arXiv 2211.17192; Chen et al. 2023, arXiv
// 2302.01318): accept x with probability min(1, p(x)/q(x)), else draw from what p has above q.
//
// It draws one number, or two where it does not accept. It fails as Sample does.
func (s *Sampler) Verify(c Candidates, history []int32, proposed int32, odds Odds) (id int32, accepted bool, err error) {
	w := scratch.Get().(*work)
	defer scratch.Put(w)
	peak, err := s.penalised(w, &c, history)
	if err != nil {
		return 0, false, err
	}
	if s.params.Greedy() {
		id = c.id(slices.Index(c.Logits, peak))
		return id, id == proposed, nil
	}
	keys := w.keep(s.params, c, float64(peak))
	sum := w.weigh(keys, float64(peak), s.params.Temperature)
	at := slices.IndexFunc(keys, func(k key) bool { return k.id() == proposed })
	if at >= 0 && s.random.Float64()*odds.of(proposed) < w.weights[at]/sum {
		return proposed, true, nil
	}
	return s.draw(w, keys, w.subtract(keys, sum, proposed, odds)), false, nil
}

// of returns a token's chance.
func (o Odds) of(id int32) float64 {
	if o.IDs == nil {
		return 1
	}
	if i := slices.Index(o.IDs, id); i >= 0 {
		return o.Chances[i]
	}
	return 0
}

// subtract makes weights of sum what they have above the odds, and returns their new sum. Where rounding leaves nothing they stay.
func (w *work) subtract(keys []key, sum float64, proposed int32, odds Odds) float64 {
	taken := map[int32]float64{proposed: 1}
	if odds.IDs != nil {
		clear(taken)
		for i, id := range odds.IDs {
			taken[id] = odds.Chances[i]
		}
	}
	rest := make([]float64, len(keys))
	left := 0.0
	for i, k := range keys {
		rest[i] = max(0, w.weights[i]/sum-taken[k.id()])
		left += rest[i]
	}
	if left == 0 {
		return sum
	}
	copy(w.weights, rest)
	return left
}
