package pace

// Most is the most proposals in a row.
const Most = 15

// Prices are what proposals cost a sequence, in tokens: so many it would have got in that time without any. They are of one
// step, and of how many sequences share it. The zero value is free.
type Prices struct {
	// Verify is what a row for the i-th proposal costs.
	Verify [Most]float64
	// Draft is what it costs to make a proposal.
	Draft float64
	// Second is how many tokens there are in a unit of time without proposals, and Gain how many more than those a sequence has got
	// lately in a step with proposals.
	Second, Gain float64
}

// Worth reports whether the level-th proposal (from 0) can be expected to give more than it costs, alone or with those that
// may follow, costs taken a little higher than they are known: chance is that it and all before it are accepted, rate that of each that follows if those before it are.
// drafted says that it has been made already.
func (p *Prices) Worth(level int, chance, rate float64, drafted bool) bool {
	const margin = 1.15 // what only breaks even by costs that are noisy is not worth it
	gain := 0.0
	for i := level; i < Most; i++ {
		gain += chance - margin*p.Verify[i]
		if i > level || !drafted {
			gain -= margin * p.Draft
		}
		if gain > 0 {
			return true
		}
		chance *= rate
	}
	return false
}
