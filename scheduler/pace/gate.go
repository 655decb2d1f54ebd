package pace

// gate is whether proposals pay at a number of sequences, and the purse that limits what finding out may cost. All is in tokens
// that a sequence gets in a plain step, of which there is one.
//
// Each step puts share into the purse, and one with proposals what it gained, which may be less than nothing; above most the purse
// takes no more. When it is empty the gate closes. It opens again when there is enough in it for another try, but not before a
// pause that is longer each time until proposals pay. So over any number of steps what is lost is at most most (first, from the
// beginning), share of those steps, and what the step lost that emptied the purse.
type gate struct {
	purse  float64
	owed   float64 // for what a draft model computed to know a text; gains pay that before they fill the purse
	closed int     // steps left until it opens
	pause  int     // steps that it was closed for last

	gain         float64 // of a step with proposals, lately
	tokens, time float64 // averages of what such a step gave and took
}

const (
	share    = 0.02 // of a token, for each step
	first    = 1.5
	enough   = 1
	most     = 5
	shortest = 64   // steps that a gate is closed for at first
	longest  = 1024 // and at most
	weight   = 0.05 // of a step in averages
)

func newGate() gate { return gate{purse: first, tokens: 1, time: 1} }

// rest takes note of a step without proposals.
func (g *gate) rest() {
	g.closed = max(0, g.closed-1)
	g.purse = min(g.purse+share, max(g.purse, first))
}

// learn takes what a sequence got in a step that took time; with another text to be known first, that took behind.
func (g *gate) learn(tokens, time, behind float64) {
	gain := tokens - time
	g.gain += weight * (gain - g.gain)
	g.tokens += weight * (tokens - g.tokens)
	g.time += weight * (time - g.time)
	g.owed += behind
	paid := min(g.owed, max(0, gain))
	g.owed -= paid
	g.purse = min(most, g.purse+share+gain-paid)
	switch {
	case g.purse == most:
		g.pause = 0
	case g.purse < 0:
		g.purse -= g.owed
		g.pause = min(longest, max(shortest, 2*g.pause))
		g.closed = max(g.pause, int((enough-g.purse)/share))
		g.owed, g.gain, g.tokens, g.time = 0, 0, 1, 1
	}
}

// spare is what may be lost before the gate closes.
func (g *gate) spare() float64 { return max(0, g.purse-g.owed) }

// rate is how many times as many tokens as without them come with proposals.
func (g *gate) rate() float64 { return g.tokens / g.time }
