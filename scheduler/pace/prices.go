package pace

import (
	"cmp"
	"slices"
)

const (
	// Most is the most proposals in a row.
	Most = 15
	// MostRows is the most proposals in a step whose cost is estimated.
	MostRows = 64

	margin = 1.15 // what only breaks even by costs that are noisy is not worth it
)

// Prices are what proposals cost a sequence, in tokens: so many it would have got in that time without any. They are of one
// step, and of how many sequences share it. The zero value is free.
type Prices struct {
	// Verify is what a row for the i-th proposal costs, if all that share the step have as many.
	Verify [Most]float64
	// Rows is what so many more rows cost in all: it may be little up to the end of a tile, and much beyond.
	Rows [MostRows + 1]float64
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

// Choose returns the least chance that a proposal must have to be in the step, for the most to be gained: chances are those of all
// there are, each that it and those before it are accepted. More than most have no place. Where none is worth its row it is
// above 1. taken rows are in the step whatever happens.
func (p *Prices) Choose(chances []float64, taken, most int) (least float64) {
	slices.SortFunc(chances, func(a, b float64) int { return cmp.Compare(b, a) })
	least = 2
	gain, best := 0.0, 0.0
	for i, c := range chances[:min(len(chances), most)] {
		n := min(taken+i+1, MostRows)
		if gain += c; gain-margin*(p.Rows[n]-p.Rows[min(taken, MostRows)]) > best {
			best, least = gain-margin*(p.Rows[n]-p.Rows[min(taken, MostRows)]), c
		}
	}
	return least
}
