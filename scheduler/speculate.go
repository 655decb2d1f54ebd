package scheduler

import (
	"fmt"
	"slices"

	"umbra/scheduler/grammar"
	"umbra/scheduler/ngram"
	"umbra/scheduler/pace"
	"umbra/scheduler/sample"
)

// Speculation is how proposals of tokens are made and how many: a step computes them together with the token before, and those
// that the model would have chosen itself are so many steps saved. It changes no greedy token and no distribution
// (sample.Sampler.Verify). Beams take no proposals, nor does who has more to compute than its last token, or samples by Mirostat
// (sample.Params.Adapts).
type Speculation struct {
	// Most is the most proposals a sequence gets in a step, from 1 to pace.Most.
	Most int
	// Outputs is the most output rows a step may have; at least Config.MaxSequences.
	Outputs int
	// Text has the scheduler itself propose what followed a sequence's last tokens before in its own text, or else in Others,
	// which may be nil. Without it, proposals are made by who drives the scheduler, in answer to Asks.
	Text   bool
	Others *ngram.Static
	// Rates are the chances that proposals are accepted, before any is known (pace.DraftRates, pace.TextRates).
	Rates pace.Rates
	// Always makes Most proposals wherever it can, whether they pay or not; for tests and measurements.
	Always bool
}

func (c *Speculation) validate(sequences int) error {
	switch {
	case c == nil:
		return nil
	case c.Most < 1 || c.Most > pace.Most:
		return fmt.Errorf("scheduler: %d proposals in a row are asked for, want 1 to %d", c.Most, pace.Most)
	case c.Outputs < sequences:
		return fmt.Errorf("scheduler: Speculation.Outputs is %d, want at least MaxSequences (%d)", c.Outputs, sequences)
	}
	return nil
}

// Proposal is a run of tokens that a sequence may go on with.
type Proposal struct {
	Tokens []int32
	// Odds are what each was drawn with; nil: all are certain, given those before. Whether a token is proposed at all may depend on its
	// odds and on the tokens before it, but never on what was drawn.
	Odds []sample.Odds
	// Classes are how sure of each its maker was, see package pace.
	Classes []uint8
}

// Ask is a sequence that can have proposals in the next step.
type Ask struct {
	ID     uint64
	Answer int
	// Tokens are what it knows, of which all but the last are computed. They are not to be written to.
	Tokens []int32
	// Sampling is how it chooses tokens.
	Sampling sample.Params
	// Grammar is where it is in the grammar that it is held to, nil without one. Only copies are to be moved on. Tokens that are drawn should fit it.
	Grammar *grammar.Matcher
	// Most is how many proposals it can have, Left how many tokens it can get to before it ends.
	Most, Left int
	// Rates are the chances that proposals of each class come true, Prices what they cost.
	Rates  *pace.Rates
	Prices *pace.Prices
	// Proposal is for who drives the scheduler to fill in. It may stay empty.
	Proposal Proposal

	sequence *sequence
	guess    guess // first of the proposals, if guessed
	guessed  bool
}

// guess is a token that may come next. That it does is seen whether it is verified or not.
type guess struct {
	token int32
	class uint8
}

// Speculated totals what came of proposals.
type Speculated struct {
	// Turns counts outputs of sequences that could have had proposals, Tokens what they gave: without any it is the same.
	Turns, Tokens int
	// Proposed and Accepted count proposals by position, from the first after a known token. Of those after one that was not
	// accepted nothing can be said, and they count as proposed.
	Proposed, Accepted [pace.Most]int
	// Times are of the steps in which sequences could have had proposals.
	Times pace.Totals
}

// Since is what has come since an earlier count.
func (s Speculated) Since(before Speculated) Speculated {
	s.Turns -= before.Turns
	s.Tokens -= before.Tokens
	for i := range s.Proposed {
		s.Proposed[i] -= before.Proposed[i]
		s.Accepted[i] -= before.Accepted[i]
	}
	t, b := &s.Times, before.Times
	t.Step -= b.Step
	t.Drafts -= b.Drafts
	t.Passes -= b.Passes
	t.Behind -= b.Behind
	t.Plain -= b.Plain
	return s
}

// Asks returns the sequences that can have proposals in the step that Next is to lay out, and for which these are likely to pay;
// none while a step is in flight. Who drives the scheduler may fill their Proposals in before it calls Next.
func (s *Scheduler) Asks() []Ask {
	s.clearAsks()
	if s.pacer == nil || len(s.flights) > 0 {
		return nil
	}
	step := s.turn()
	if step.Asked == 0 || !s.pacer.Open(step.Sequences) {
		return nil
	}
	prices := s.pacer.Prices(step)
	for _, q := range s.running {
		most, left := s.most(q)
		if most < 1 {
			continue
		}
		if q.rates == nil {
			r := s.pacer.Rates()
			q.rates = &r
		}
		s.asks = append(s.asks, Ask{ID: q.id, Answer: q.answer, Tokens: q.tokens, Sampling: q.sampler.Params(), Most: most, Left: left,
			Rates: q.rates, Prices: &prices, sequence: q})
		if q.held != nil {
			s.asks[len(s.asks)-1].Grammar = &q.held.matcher
		}
	}
	for i := range s.asks {
		s.asks[i].sequence.ask = &s.asks[i]
	}
	return s.asks
}

// clearAsks forgets what was asked.
func (s *Scheduler) clearAsks() {
	for _, a := range s.asks {
		a.sequence.ask = nil
	}
	clear(s.asks)
	s.asks = s.asks[:0]
}

// turn describes the step that comes next, as far as it is known.
func (s *Scheduler) turn() (step pace.Step) {
	for _, q := range s.running {
		if q.follows() || q.ended {
			continue
		}
		if n := q.pending(); n != 1 {
			step.Others += n
			continue
		}
		step.Sequences++
		if most, _ := s.most(q); most > 0 {
			step.Asked++
		}
	}
	step.Others = min(step.Others, s.config.MaxBatchTokens-step.Sequences)
	return step
}

// most returns how many proposals a sequence can have next, and how many tokens it can get to. The last token it may get is sampled, never proposed.
func (s *Scheduler) most(q *sequence) (most, left int) {
	if !q.group.apart || q.group.beams != nil || q.ended || q.pending() != 1 || q.sampler.Params().Adapts() {
		return 0, 0
	}
	left = q.limit - len(q.tokens) - q.promised
	if q.maxTokens > 0 {
		left = min(left, q.maxTokens-q.sampled-q.promised)
	}
	return min(s.config.Speculation.Most, left-1), left
}

// wouldAsk reports whether the step after those in flight is to have proposals, for which their tokens must be known.
func (s *Scheduler) wouldAsk() bool {
	if s.pacer == nil {
		return false
	}
	step := s.turn()
	return step.Asked > 0 && s.pacer.Open(step.Sequences)
}

// speculate adds proposals to planned shares, as far as what is left of the budget, outputs and free blocks go: nobody waits or gives
// way for one.
func (s *Scheduler) speculate(left int) {
	if len(s.asks) == 0 {
		return
	}
	for i := range s.asks {
		s.asks[i].cut()
	}
	left = min(left, s.config.Speculation.Outputs-len(s.planned)) // all the others may want outputs
	if !s.config.Speculation.Always {
		s.choose(left)
	}
	for i := range s.planned {
		q := &s.planned[i]
		if q.ask == nil {
			continue
		}
		p := q.ask.Proposal
		q.guess, q.guessed = q.ask.guess, q.ask.guessed
		k := min(len(p.Tokens), len(p.Classes), q.ask.Most, left)
		for k > 0 && !q.table.Grow(k) {
			k--
		}
		if k <= 0 {
			continue
		}
		q.proposal = Proposal{Tokens: p.Tokens[:k], Classes: p.Classes}
		if p.Odds != nil {
			q.proposal.Odds = p.Odds[:k]
		}
		q.rows += k
		left -= k
	}
}

// certain reports whether a proposal was not drawn, so that what is made of it may depend on its tokens.
func (p Proposal) certain() bool {
	return !slices.ContainsFunc(p.Odds, func(o sample.Odds) bool { return o.IDs != nil })
}

// choose shortens proposals that are certain to those that are worth it together, beside the drawn ones.
func (s *Scheduler) choose(most int) {
	s.chains = s.chains[:0]
	taken := 0
	for i := range s.asks {
		a := &s.asks[i]
		if !a.Proposal.certain() {
			taken += len(a.Proposal.Tokens)
			continue
		}
		chances := s.chain()
		chance := 1.0
		for _, class := range a.Proposal.Classes {
			chance *= a.Rates[class]
			chances = append(chances, chance)
		}
		s.chains = append(s.chains, pace.Chain{Chances: chances})
	}
	s.pacer.Choose(s.asks[0].Prices, s.chains, taken, max(0, most-taken))
	chains := s.chains
	for i := range s.asks {
		if p := &s.asks[i].Proposal; p.certain() {
			if len(p.Tokens) > 0 && len(p.Classes) > 0 {
				s.asks[i].guess, s.asks[i].guessed = guess{p.Tokens[0], p.Classes[0]}, true
			}
			p.Tokens = p.Tokens[:min(len(p.Tokens), chains[0].Keep)]
			chains = chains[1:]
		}
	}
}

// chain returns the room of the next of s.chains in an earlier step.
func (s *Scheduler) chain() []float64 {
	if n := len(s.chains); n < cap(s.chains) {
		return s.chains[:n+1][n].Chances[:0]
	}
	return nil
}

// account adds a share that has been committed, with what its sequence gained, to what is known of the step and of proposals.
func (s *Scheduler) account(f *flight, q share, gained int) {
	if s.pacer == nil {
		return
	}
	k := len(q.proposal.Tokens)
	for i := range k {
		s.counted.Speculated.Proposed[i]++
	}
	if q.outputs == 0 || q.rows-k != 1 {
		s.took.Others += q.rows
		return
	}
	if k == 0 && q.guessed && gained == 1 && !q.ended {
		s.pacer.Judged(q.rates, q.guess.class, q.tokens[len(q.tokens)-1] == q.guess.token)
	}
	s.took.Sequences++
	s.took.Gained += gained
	if f.asked > 0 {
		s.counted.Speculated.Turns++
		s.counted.Speculated.Tokens += gained
	}
}

// Took tells what the step that was committed last took, by which the lengths of proposals are chosen: in any unit of time, always
// the same one. A step that nobody tells of counts for nothing.
func (s *Scheduler) Took(t pace.Times) {
	if s.pacer != nil {
		s.pacer.Took(s.took, t)
	}
	s.took = pace.Step{}
}
