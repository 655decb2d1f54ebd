package pace

import "math/bits"

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
	plain    Costs             // of steps that asked for no proposals
	asking   Costs             // of those that did
	drafts   Costs             // of making one proposal, by sequences
	gates    [16]gate          // by sequences
	measured [mostRows + 1]int // by sequences: plain steps measured lately
	asked    [mostRows + 1]int // steps that asked for proposals since
	totals   Totals
}

// gate is whether proposals pay at a number of sequences.
type gate struct {
	gain   float64 // average tokens that a sequence gained in a step, less what it cost
	credit float64 // those gained since it was opened, at most the most
	closed int     // steps left until it is opened again
	pause  int     // steps that it was closed for last
}

const (
	least     = 2    // plain steps of a size that are measured before any with proposals
	remeasure = 400  // steps with proposals after which plain ones are measured again
	shortest  = 64   // steps that a gate is closed for at first
	longest   = 1024 // and at most; each time it is twice as long, until it pays
	debt      = 3    // tokens a sequence may lose before a gate closes
	credit    = 5    // tokens gained that count against later losses
	weight    = 0.05 // of a step in gate.gain
	hope      = 0.25 // a sequence's gain in a step, while little is known of it
)

// New makes a pacer that begins with these rates. With always set all proposals are worth it.
func New(rates Rates, always bool) *Pacer { return &Pacer{always: always, rates: rates} }

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
	return sequences >= 1 && sequences <= mostRows && p.gate(sequences).closed == 0 && p.measured[sequences] >= least
}

// Prices are those of a step like this one: of Sequences, Asked and Others.
func (p *Pacer) Prices(s Step) (prices Prices) {
	base := s.Sequences + s.Others
	plain := p.plain.Of(base)
	if p.always || plain == 0 || s.Asked == 0 {
		return Prices{}
	}
	worth := float64(base) / plain // rows in a unit of time, as good as tokens
	before := p.with(base)
	rows := before
	for n := 1; n <= MostRows; n++ {
		rows = max(rows, p.with(base+n))
		prices.Rows[n] = worth * (rows - before)
	}
	for i := range prices.Verify {
		next := max(before, p.with(base+(i+1)*s.Asked))
		prices.Verify[i] = worth * (next - before) / float64(s.Asked)
		before = next
	}
	prices.Draft = worth * p.drafts.Of(s.Asked) / float64(s.Asked)
	prices.Second = worth
	g := p.gate(s.Sequences)
	if prices.Gain = g.gain; g.credit < credit {
		prices.Gain = max(hope, g.gain)
	}
	return prices
}

// with estimates the cost of a step that asks for proposals.
func (p *Pacer) with(rows int) float64 {
	return estimate(rows, func(k int) float64 {
		if p.asking.known[k] > 0 {
			return p.asking.known[k]
		}
		return p.plain.known[k]
	})
}

// Took learns what a step took. Of steps with Others it learns no more than what proposals cost.
func (p *Pacer) Took(s Step, t Times) {
	if t.Passes > 0 {
		p.drafts.Learn(s.Asked, t.Drafts/float64(t.Passes))
	}
	n := s.Sequences
	if s.Others > 0 || n == 0 || n > mostRows {
		return
	}
	g := p.gate(n)
	if s.Asked == 0 {
		p.plain.Learn(n, t.Step)
		p.measured[n]++
		if g.closed > 0 {
			if g.closed--; g.closed == 0 {
				g.credit, g.gain = 0, 0
			}
		}
		return
	}
	if p.asked[n]++; p.asked[n] > remeasure {
		p.asked[n], p.measured[n] = 0, 0
	}
	p.asking.Learn(s.Rows, t.Step)
	p.totals.Step += t.Step
	p.totals.Drafts += t.Drafts
	p.totals.Behind += t.Behind
	p.totals.Passes += t.Passes
	plain := p.plain.Of(n)
	if plain == 0 {
		return
	}
	p.totals.Plain += plain * float64(s.Gained) / float64(n)
	if !p.always {
		took := p.asking.known[kind(min(s.Rows, mostRows))]
		if took == 0 || s.Rows > mostRows { // not before a second step of so many rows; rows do not cost more together than each alone
			took = min(t.Step, plain*float64(s.Rows)/float64(n))
		}
		cost := (took + float64(t.Passes)*p.drafts.Of(s.Asked) - plain) * float64(n) / plain
		g.learn((float64(s.Gained-n) - cost) / float64(s.Asked))
	}
}

// learn takes what a sequence gained in a step.
func (g *gate) learn(gain float64) {
	g.gain += weight * (gain - g.gain)
	g.credit = min(credit, g.credit+gain)
	switch {
	case g.credit == credit:
		g.pause = 0
	case g.credit < -debt:
		g.pause = min(longest, max(shortest, 2*g.pause))
		g.closed = g.pause
	}
}
