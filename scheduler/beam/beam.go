// Package beam decides the steps of a beam search: of all ways to lengthen the likeliest beginnings found so far by one
// token, which are kept. It sees logits and token ids only; who keeps tokens, text and keys and values follows its moves.
//
// The search keeps Width beams. A candidate is a beam and a token; its value is the sum of the log-probabilities of all
// tokens generated, log-softmax of the logits as the model gave them. All candidates are ranked together, the larger sum
// first, then the lower beam, then the lower token. The first Width of them that do not end are the next beams. One that ends, by
// an end token, is a finished hypothesis if it is among the first Width of the ranking, and is dropped otherwise, as in
// Hugging Face's BeamSearchScorer. Finished hypotheses are compared by Score, and the best Width are kept.
//
// Beam search for sequence models: Graves 2012, arXiv 1211.3711; the length penalty as a power of the length:
// Hugging Face transformers, LogProb / Length^LengthPenalty (Wu et al. 2016, arXiv 1609.08144, use another form).
package beam

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
)

// Params says how to search.
type Params struct {
	// Width is the number of beams, 1 or more; 1 is greedy.
	Width int
	// LengthPenalty is the power of the length that a sum of log-probabilities is divided by: 0 compares the sums, above 0
	// longer hypotheses score better than their sums, below 0 worse.
	LengthPenalty float64
	// EarlyStopping ends the search when Width hypotheses have finished. Otherwise it ends when, besides, no beam can still
	// come to a better score than the worst of those kept.
	EarlyStopping bool
}

// Validate returns an error that names the value out of range.
func (p Params) Validate() error {
	if p.Width < 1 {
		return fmt.Errorf("beam: width %d is out of range: want 1 or more", p.Width)
	}
	if math.IsNaN(p.LengthPenalty) || math.IsInf(p.LengthPenalty, 0) {
		return fmt.Errorf("beam: length penalty %v is out of range: want a finite number", p.LengthPenalty)
	}
	return nil
}

// Move says from which beam the next one in a place comes, and by which token. A beam that goes on keeps its place for the
// likeliest of its continuations, so a place whose Move names another's was of a beam that ends here, and places can be
// overwritten one by one.
type Move struct {
	Parent int
	Token  int32
}

// End is a finished hypothesis.
type End struct {
	// ID numbers the finished hypotheses of a search from 0.
	ID int
	// Parent is the place of the beam that finished, of those before the decision.
	Parent int
	// Token is the end token; -1 if it ended for another reason.
	Token int32
	// Length is how many tokens were generated, an end token included; LogProb the sum of their log-probabilities.
	Length  int
	LogProb float64
	// Score is LogProb / Length^LengthPenalty.
	Score float64
}

// Decision is what follows from a step.
type Decision struct {
	// Next has a move for each place.
	Next []Move
	// Ended lists hypotheses that finish here and are kept, best ranked first.
	Ended []End
	// Done says that the search is over: Best has its result, and Next means nothing.
	Done bool
}

// Search is one search. Make one with New.
type Search struct {
	params  Params
	longest int
	ends    []int32
	sums    []float64 // of the beams by place; nil before the first step
	length  int       // tokens generated
	ended   int       // hypotheses finished
	best    []End     // the best Width of them, best first
	ranking []candidate
}

// candidate is a beam lengthened by a token.
type candidate struct {
	sum    float64
	parent int
	token  int32
}

// before orders the ranking.
func (a candidate) before(b candidate) int {
	return cmp.Or(cmp.Compare(b.sum, a.sum), cmp.Compare(a.parent, b.parent), cmp.Compare(a.token, b.token))
}

// New starts a search whose parameters are valid. No hypothesis is longer than longest tokens; tokens of ends end one.
func New(p Params, longest int, ends []int32) *Search {
	return &Search{params: p, longest: longest, ends: slices.Compact(slices.Sorted(slices.Values(ends)))}
}

// Step decides the next beams. Row i is the logits of the beam in place i, by token; the first step has a single row, of what
// all hypotheses begin with. Rows are not written to. It fails, changing nothing, if a logit is NaN, if a row has nothing but
// -Inf, or if the vocabulary has fewer tokens that do not end than there are beams.
func (s *Search) Step(rows [][]float32) (Decision, error) {
	want := max(1, len(s.sums))
	if len(rows) != want {
		return Decision{}, fmt.Errorf("beam: %d rows of logits for %d beams", len(rows), want)
	}
	s.ranking = s.ranking[:0]
	for i, row := range rows {
		if err := s.rank(i, row); err != nil {
			return Decision{}, err
		}
	}
	slices.SortFunc(s.ranking, candidate.before)
	s.length++
	var d Decision
	next := make([]candidate, 0, s.params.Width)
	for rank, c := range s.ranking {
		switch _, ends := slices.BinarySearch(s.ends, c.token); {
		case !ends:
			next = append(next, c)
		case rank < s.params.Width:
			if e, kept := s.finish(End{Parent: c.parent, Token: c.token, Length: s.length, LogProb: c.sum}); kept {
				d.Ended = append(d.Ended, e)
			}
		}
		if len(next) == s.params.Width {
			break
		}
	}
	d.Next = s.place(next)
	d.Done = s.done(next[0].sum)
	return d, nil
}

// rank appends the candidates of a beam that may be among the first Width that do not end, or among the first Width.
func (s *Search) rank(place int, row []float32) error {
	if len(row)-len(s.ends) < s.params.Width {
		return fmt.Errorf("beam: %d beams cannot differ in a vocabulary of %d tokens, %d of which end", s.params.Width, len(row), len(s.ends))
	}
	peak := math.Inf(-1)
	for id, l := range row {
		if l != l {
			return fmt.Errorf("beam: logit %d of beam %d is NaN", id, place)
		}
		peak = max(peak, float64(l))
	}
	if math.IsInf(peak, -1) {
		return errors.New("beam: all logits are -Inf")
	}
	sum := 0.0
	for _, l := range row {
		sum += weight(float64(l), peak)
	}
	base := -math.Log(sum)
	if s.sums != nil {
		base += s.sums[place]
	}
	// The best few of the row: a heap with the worst of them at its top.
	most := s.params.Width + len(s.ends)
	from := len(s.ranking)
	for id, l := range row {
		c := candidate{base + shifted(float64(l), peak), place, int32(id)}
		heap := s.ranking[from:]
		if len(heap) < most {
			s.ranking = append(s.ranking, c)
			up(s.ranking[from:])
		} else if c.sum > heap[0].sum { // an equal sum of a later token ranks after
			heap[0] = c
			down(heap)
		}
	}
	return nil
}

// shifted is a logit less the largest; where that is +Inf, all such logits are the largest and others are nothing.
func shifted(l, peak float64) float64 {
	if l == peak {
		return 0
	}
	return l - peak
}

func weight(l, peak float64) float64 { return math.Exp(shifted(l, peak)) }

// up restores the heap after its last was added: no candidate ranks before those under it.
func up(heap []candidate) {
	for i := len(heap) - 1; i > 0; {
		above := (i - 1) / 2
		if heap[i].before(heap[above]) <= 0 {
			return
		}
		heap[i], heap[above] = heap[above], heap[i]
		i = above
	}
}

// down restores the heap after its first was replaced.
func down(heap []candidate) {
	for i := 0; ; {
		worst := i
		for _, below := range []int{2*i + 1, 2*i + 2} {
			if below < len(heap) && heap[below].before(heap[worst]) > 0 {
				worst = below
			}
		}
		if worst == i {
			return
		}
		heap[i], heap[worst] = heap[worst], heap[i]
		i = worst
	}
}

// place gives each of the next beams a place, and notes their sums.
func (s *Search) place(next []candidate) []Move {
	width := s.params.Width
	moves := make([]Move, width)
	sums := make([]float64, width)
	taken := make([]bool, width)
	put := func(at int, c candidate) {
		moves[at], sums[at], taken[at] = Move{c.parent, c.token}, c.sum, true
	}
	var rest []candidate
	for _, c := range next { // in order: the first of a parent is its likeliest
		if taken[c.parent] {
			rest = append(rest, c)
		} else {
			put(c.parent, c)
		}
	}
	at := 0
	for _, c := range rest {
		for taken[at] {
			at++
		}
		put(at, c)
	}
	s.sums = sums
	return moves
}

// finish scores a hypothesis and keeps it if it is among the best.
func (s *Search) finish(e End) (End, bool) {
	e.Score = s.score(e.LogProb, e.Length)
	e.ID = s.ended
	s.ended++
	at, _ := slices.BinarySearchFunc(s.best, e, func(a, b End) int { // after its equals
		if a.Score >= b.Score {
			return -1
		}
		return 1
	})
	if at == s.params.Width {
		return e, false
	}
	s.best = slices.Insert(s.best[:min(len(s.best), s.params.Width-1)], at, e)
	return e, true
}

func (s *Search) score(sum float64, length int) float64 {
	if s.params.LengthPenalty == 0 || sum == 0 || math.IsInf(sum, -1) {
		return sum // and not 0 or -Inf times a power that may be 0 or +Inf
	}
	return sum / math.Pow(float64(length), s.params.LengthPenalty)
}

// done reports whether the search is over, where the likeliest beam has this sum.
//
// A beam's sum is at most 0 and only falls, so what it may come to scores at most sum / n^p for some length n after the next
// token, length+1 to longest. Sum being negative, that is largest where n^p is: at longest for p above 0, at length+1 below.
func (s *Search) done(sum float64) bool {
	if len(s.best) < s.params.Width {
		return false
	}
	if s.params.EarlyStopping {
		return true
	}
	n := min(s.length+1, s.longest)
	if s.params.LengthPenalty > 0 {
		n = s.longest
	}
	return s.score(sum, n) <= s.best[len(s.best)-1].Score
}

// Finish ends all beams, as they are after the latest step, for a reason of the caller's: they have become as long as they
// can. It returns those that are kept.
func (s *Search) Finish() (ended []End) {
	for i, sum := range s.sums {
		if e, kept := s.finish(End{Parent: i, Token: -1, Length: s.length, LogProb: sum}); kept {
			ended = append(ended, e)
		}
	}
	return ended
}

// Best returns the n best finished hypotheses, best first, equal ones in the order in which they finished; fewer if fewer have.
func (s *Search) Best(n int) []End { return slices.Clone(s.best[:min(n, len(s.best))]) }
