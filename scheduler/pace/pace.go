package pace

import (
	"math"
	"math/bits"
)

// Step is a step of sequences that each compute their last token, and perhaps proposals.
type Step struct {
	// Sequences counts them, Asked those of them that could have proposals: 0 where none could, and steps may follow each other
	// without a wait.
	Sequences, Asked int
	// Rows counts all rows, Gained the tokens that came of those of Sequences.
	Rows, Gained int
	// Others counts rows of other sequences, which have prompts to compute.
	Others int
}

// Times are what a step took.
type Times struct {
	// Step is the time of the step itself, Drafts that of making its proposals, in so many Passes.
	Step, Drafts float64
	Passes       int
	// Behind is the time in which a draft model computed what it had yet to know, prompts above all.
	Behind float64
}

func (t Times) all() float64 { return t.Step + t.Drafts + t.Behind }

// Totals add up times of steps that asked for proposals.
type Totals struct {
	Times
	// Plain estimates what the same tokens would have taken without proposals.
	Plain float64
}

// Pacer learns what steps cost and give, and decides by it. Make one with New.
type Pacer struct {
	always   bool
	rates    Rates
	judged   [Classes]int
	tempo    float64               // how many times as long as known all takes just now
	plain    Costs                 // of steps that asked for no proposals, at tempo 1
	asking   Costs                 // of those that did
	drafts   Costs                 // of making one proposal, by sequences
	gates    [16]gate              // by sequences
	measured [mostTogether + 1]int // by sequences: plain steps measured lately
	asked    [mostTogether + 1]int // steps that asked for proposals since
	before   bool                  // the step before asked for proposals
	choices  int                   // of proposals
	chances  []float64             // of a step's proposals; kept for its room
	totals   Totals
}

const (
	known        = 16   // plain steps of a size that are measured before any with proposals
	remeasure    = 64   // steps with proposals after which plain ones are measured again
	again        = 3    // and how many of them
	margin       = 1.15 // what only breaks even by costs that are noisy is not worth it
	mostTogether = 64   // with more sequences than that there are no proposals
)

// New makes a pacer that begins with these rates. With always set all proposals are worth it.
func New(rates Rates, always bool) *Pacer {
	p := &Pacer{always: always, rates: rates, tempo: 1}
	for i := range p.gates {
		p.gates[i] = newGate()
	}
	return p
}

// Rates are the chances of acceptance as known now, for a sequence to begin with.
func (p *Pacer) Rates() Rates { return p.rates }

// Totals are what was measured so far.
func (p *Pacer) Totals() Totals { return p.totals }

// Judged learns what became of a verified proposal, for the rates of its sequence too.
func (p *Pacer) Judged(own *Rates, class uint8, accepted bool) {
	const first, one, all = 4, 0.1, 0.03 // how many outcomes the first guess is worth, and what the latest is worth then
	p.judged[class]++
	own.Learn(class, accepted, one)
	p.rates.Learn(class, accepted, max(all, 1/float64(first+p.judged[class])))
}

// gate is that of a number of sequences: 1, 2, 3-4, 5-8 and so on.
func (p *Pacer) gate(sequences int) *gate {
	return &p.gates[min(len(p.gates)-1, bits.Len(uint(max(0, sequences-1))))]
}

// Open reports whether proposals are to be asked for in a step of so many sequences: not while they do not pay, nor while the
// cost of such a step without any has not been measured.
func (p *Pacer) Open(sequences int) bool {
	if p.always {
		return true
	}
	return sequences >= 1 && sequences <= mostTogether && p.gate(sequences).closed == 0 && p.measured[sequences] >= known
}

// Prices are those of a step like this one: of Sequences, Asked and Others.
func (p *Pacer) Prices(s Step) (prices Prices) {
	base := s.Sequences + s.Others
	plain := p.plain.Of(base)
	if p.always || plain == 0 || s.Asked == 0 {
		return Prices{}
	}
	g := p.gate(s.Sequences)
	second := float64(base) / plain // rows, as good as tokens
	worth := second * max(margin, g.rate())
	before := p.with(base)
	rows := before
	for n := 1; n <= MostRows; n++ {
		rows = max(rows, p.with(base+n))
		prices.Rows[n] = worth * (rows - before)
		prices.Hope[n] = worth * (p.hope(base+n) - before)
	}
	for i := range prices.Verify {
		next := max(before, p.with(base+(i+1)*s.Asked))
		prices.Verify[i] = worth * (next - before) / float64(s.Asked)
		before = next
	}
	prices.Draft = worth * p.drafts.Of(s.Asked) / float64(s.Asked)
	prices.Second = second / p.tempo
	prices.Gain = g.gain
	prices.Spare = g.spare() * float64(s.Asked)
	return prices
}

// with estimates the cost of a step that asks for proposals.
func (p *Pacer) with(rows int) float64 {
	return estimate(rows, func(k int) float64 {
		if cost := p.asking.of(k); cost > 0 {
			return cost
		}
		return p.plain.of(k)
	})
}

// hope is the least that a step that asks for proposals may cost: as much as the largest that was measured and is smaller. Of much larger ones
// nothing is hoped.
func (p *Pacer) hope(rows int) float64 {
	for k := kind(min(rows, mostRows)); k > 0; k-- {
		cost := p.asking.of(k)
		if cost == 0 {
			cost = p.plain.of(k)
		}
		if cost > 0 {
			if most := rowsOf(k); rows > most+max(1, most/2) {
				break
			}
			return cost
		}
	}
	return math.Inf(1)
}

// Took learns what a step took. Of steps with Others it learns no more than what proposals cost.
func (p *Pacer) Took(s Step, t Times) {
	n := s.Sequences
	raw := t
	if s.Others == 0 {
		p.keepTime(s, t.Step)
	}
	t.Step, t.Drafts, t.Behind = t.Step/p.tempo, t.Drafts/p.tempo, t.Behind/p.tempo
	if t.Passes > 0 {
		p.drafts.Learn(s.Asked, t.Drafts/float64(t.Passes))
	}
	after := p.before
	p.before = s.Asked > 0
	switch {
	case n == 0 || n > mostTogether:
	case s.Asked == 0:
		if p.gate(n).rest(); s.Others == 0 && !after { // the first after one with proposals had to wait for it
			p.plain.Learn(n, t.Step)
			p.measured[n]++
		}
	default:
		if s.Others == 0 {
			p.asking.Learn(s.Rows, t.Step)
		}
		if p.asked[n]++; p.asked[n] >= remeasure {
			p.asked[n], p.measured[n] = 0, known-again
		}
		p.account(s, t, raw)
	}
}

// keepTime learns how fast the machine is just now, by a step of a kind that is known: on one that others use too all steps
// take longer at times, with proposals or without.
func (p *Pacer) keepTime(s Step, took float64) {
	const forget = 0.998
	costs, latest := &p.plain, 0.2 // they are few where proposals pay
	if s.Asked > 0 {
		costs, latest = &p.asking, 0.1
	}
	if known := costs.Measured(s.Rows); known > 0 && took > 0 {
		p.tempo = math.Pow(p.tempo, forget) * math.Pow(within2(took/(known*p.tempo)), latest)
	}
}

// account adds up what a step with proposals gained. raw are its times as they were, t at tempo 1.
func (p *Pacer) account(s Step, t, raw Times) {
	n := float64(s.Sequences)
	plain := p.plain.Of(s.Sequences)
	p.totals.Step += raw.Step
	p.totals.Drafts += raw.Drafts
	p.totals.Behind += raw.Behind
	p.totals.Passes += raw.Passes
	if plain == 0 {
		p.totals.Plain += raw.all()
		return
	}
	took := t.Step
	if s.Others > 0 { // as known of a step without them, and what rows cost in one with them
		base := s.Sequences + s.Others
		took = p.with(s.Sequences) + max(0, p.with(s.Rows)-p.with(base))
	}
	p.totals.Plain += raw.all() + p.tempo*(plain*float64(s.Gained)/n-took-t.Drafts-t.Behind)
	if p.always {
		return
	}
	// Noise counts for at most twice what is known, and rows do not cost more together than each alone.
	likely := p.asking.Measured(s.Rows)
	if likely == 0 {
		likely = plain * float64(s.Rows-s.Others) / n
	}
	drafts := min(t.Drafts, 2*float64(t.Passes)*p.drafts.Of(s.Asked))
	others := float64(s.Asked) / n // the rest gains nothing
	each := func(time float64) float64 { return time / plain / others }
	p.gate(s.Sequences).learn(1+(float64(s.Gained)/n-1)/others, 1+each(min(took, 2*likely)-plain+drafts), each(t.Behind))
}
