package sample

import (
	"errors"
	"math"
	"math/rand/v2"
	"slices"
)

// errAdapts is why Verify fails with Mirostat.
var errAdapts = errors.New("sample: mirostat has no distribution that is known before the tokens it depends on are drawn")

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
	w := scratch.Get().(*work)
	defer scratch.Put(w)
	if err := ordered(c); err != nil {
		return 0, Odds{}, 0, err
	}
	peak, err := largest(c.Logits)
	if err != nil {
		return 0, Odds{}, 0, err
	}
	w.begin(c, float64(peak))
	w.keys = w.all(math.Inf(-1)) // packed, they need not be the whole vocabulary
	if err := s.run(w, history); err != nil {
		return 0, Odds{}, 0, err
	}
	if s.params.Greedy() {
		w.weigh(w.keys)
		return w.largest(), Odds{}, 1 / w.sum, nil
	}
	for i, k := range w.keys {
		if x := w.weights[i] / w.sum; x > 0 {
			odds.IDs, odds.Chances = append(odds.IDs, k.id()), append(odds.Chances, x)
			top = max(top, x)
		}
	}
	return w.keys[draw(w.weights, s.random.Float64()*w.sum)].id(), odds, top, nil
}

// Verify decides about a token proposed with the given odds, by the candidates that Sample would choose from: it returns that
// token and true, or another. What it returns is distributed as what Sample returns, whatever the odds; where Sample is
// greedy it is the same. It is speculative sampling (Leviathan et al. 2023, arXiv 2211.17192; Chen et al. 2023, arXiv
// 2302.01318): accept x with probability min(1, p(x)/q(x)), else draw from what p has above q.
//
// It draws one number, or two where it does not accept, and XTC's coin besides. It fails as Sample does, and where Params.Adapts.
func (s *Sampler) Verify(c Candidates, history []int32, proposed int32, odds Odds) (id int32, accepted bool, err error) {
	if s.params.Adapts() {
		return 0, false, errAdapts
	}
	w := scratch.Get().(*work)
	defer scratch.Put(w)
	if err := s.start(w, c, history); err != nil {
		return 0, false, err
	}
	if s.params.Greedy() {
		id = w.largest()
		return id, id == proposed, nil
	}
	at := slices.IndexFunc(w.keys, func(k key) bool { return k.id() == proposed })
	if at >= 0 && s.random.Float64()*odds.of(proposed) < w.weights[at]/w.sum {
		return proposed, true, nil
	}
	w.subtract(proposed, odds)
	return w.keys[draw(w.weights, s.random.Float64()*w.sum)].id(), false, nil
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

// subtract leaves of the weights, as shares of their sum, what they have above the odds. Where rounding leaves nothing they stay.
func (w *work) subtract(proposed int32, odds Odds) {
	taken := map[int32]float64{proposed: 1}
	if odds.IDs != nil {
		clear(taken)
		for i, id := range odds.IDs {
			taken[id] = odds.Chances[i]
		}
	}
	rest := make([]float64, len(w.keys))
	left := 0.0
	for i, k := range w.keys {
		rest[i] = max(0, w.weights[i]/w.sum-taken[k.id()])
		left += rest[i]
	}
	if left > 0 {
		copy(w.weights, rest)
		w.sum = left
	}
}
