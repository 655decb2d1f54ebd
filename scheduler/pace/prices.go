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
)

// Prices are what proposals cost, in tokens: so many would be got in that time otherwise, without proposals and somewhat more, or
// as lately with them if that is more. They are of one step, and of how many sequences share it. The zero value is free.
type Prices struct {
	// Verify is what a row for a sequence's i-th proposal costs, if all that share the step have as many.
	Verify [Most]float64
	// Rows is what so many more rows cost in all: it may be little up to the end of a tile, and much beyond.
	Rows [MostRows + 1]float64
	// Hope is what they may cost at least: as much as the largest step that was measured, for a little more. Beyond that it is too much for all.
	Hope [MostRows + 1]float64
	// Draft is what it costs a sequence to make a proposal.
	Draft float64
	// Second is how many tokens there are in a unit of time without proposals, and Gain how many more than those a sequence has got
	// lately in a step with proposals.
	Second, Gain float64
	// Spare is how many tokens all may lose to find out whether proposals pay.
	Spare float64
}

// Worth reports whether the level-th proposal (from 0) can be expected to give more than it costs, alone or with those that
// may follow: chance is that it and all before it are accepted, rate that of each that follows if those before it are.
// drafted says that it has been made already.
func (p *Prices) Worth(level int, chance, rate float64, drafted bool) bool {
	gain := 0.0
	for i := level; i < Most; i++ {
		gain += chance - p.Verify[i]
		if i > level || !drafted {
			gain -= p.Draft
		}
		if gain > 0 {
			return true
		}
		chance *= rate
	}
	return false
}

// least returns the least chance that a proposal must have to be in the step, for the most to be gained, and that gain, by what rows cost in all.
// chances are those of all there are, each that it and those before it are accepted; they descend. More than most have no place. Where none is worth its
// row the least is above 1. taken rows are in the step whatever happens.
func least(rows *[MostRows + 1]float64, chances []float64, taken, most int) (least, gain float64, n int) {
	taken = min(taken, MostRows)
	least = 2
	sum := 0.0
	for i, c := range chances[:max(0, min(len(chances), most, MostRows-taken))] {
		sum += c
		if g := sum - (rows[taken+i+1] - rows[taken]); g > gain {
			least, gain, n = c, g, i+1
		}
	}
	return least, gain, n
}

// Chain is a run of proposals: the chances of each that it and all before it are accepted. Keep is how many are worth it.
type Chain struct {
	Chances []float64
	Keep    int
}

// Choose sets what is to be kept of chains whose proposals were not drawn, so that it may depend on all of them: those that are worth it together,
// as a row more may cost as much as a tile of them. Now and then it is what would be worth it if rows cost as little as they may, where
// that has not been measured. No more than most are kept. taken rows are in the step whatever happens.
func (p *Pacer) Choose(prices *Prices, chains []Chain, taken, most int) {
	const often = 8
	p.chances = p.chances[:0]
	for _, c := range chains {
		p.chances = append(p.chances, c.Chances...)
	}
	slices.SortFunc(p.chances, func(a, b float64) int { return cmp.Compare(b, a) })
	limit, gain, n := least(&prices.Rows, p.chances, taken, most)
	if p.choices++; p.choices%often == 0 {
		if l, g, m := least(&prices.Hope, p.chances, taken, most); g > gain && m != n {
			limit = l
		}
	}
	for i := range chains {
		c := &chains[i]
		c.Keep = 0
		for c.Keep < len(c.Chances) && c.Chances[c.Keep] >= limit && most > 0 {
			c.Keep++
			most--
		}
	}
}
