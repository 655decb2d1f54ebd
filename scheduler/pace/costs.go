package pace

import "math"

const (
	// mostRows is the largest step whose cost is kept. Above exact rows steps of up to fine rows are one, above some of up to coarse.
	mostRows = 192
	exact    = 8
	some     = 64
	fine     = 4
	coarse   = 16
	fines    = exact + (some-exact)/fine
	kinds    = fines + (mostRows-some)/coarse + 1

	stale = 2000 // steps after which what is known of a kind is forgotten, so that a wrong figure does not stay
)

// Costs are what steps cost by their number of rows, as measured. The zero value knows nothing.
type Costs struct {
	known [kinds]float64
	seen  [kinds]int // how often
	at    [kinds]int // when it was last
	now   int        // in steps learned of
}

// kind is where steps of so many rows are kept.
func kind(rows int) int {
	switch {
	case rows <= exact:
		return rows
	case rows <= some:
		return exact + (rows-exact+fine-1)/fine
	}
	return fines + (rows-some+coarse-1)/coarse
}

// rowsOf is the most rows of a kind.
func rowsOf(kind int) int {
	switch {
	case kind <= exact:
		return kind
	case kind <= fines:
		return exact + (kind-exact)*fine
	}
	return some + (kind-fines)*coarse
}

// Learn takes what a step cost. What is known is a mean of logarithms, of all at first and then of the latest; one cost counts for at most twice
// what was known and at least half. The first of its number of rows counts for nothing, as kernels may have been compiled in it.
func (c *Costs) Learn(rows int, cost float64) {
	const latest = 0.05
	if rows < 1 || rows > mostRows || cost <= 0 {
		return
	}
	k := kind(rows)
	c.now++
	if c.of(k) == 0 {
		c.known[k], c.seen[k] = 0, min(c.seen[k], 1)
	}
	n := c.seen[k]
	c.seen[k]++
	c.at[k] = c.now
	switch {
	case n == 0:
	case n == 1:
		c.known[k] = cost
	default:
		c.known[k] *= math.Pow(within2(cost/c.known[k]), max(latest, 1/float64(n)))
	}
}

// within2 is x or, beyond them, 1/2 or 2.
func within2(x float64) float64 { return min(2, max(0.5, x)) }

// of is what is known of a kind, 0 if nothing.
func (c *Costs) of(k int) float64 {
	if c.now-c.at[k] > stale {
		return 0
	}
	return c.known[k]
}

// Measured is what steps of so many rows cost, or 0 if less than a few of them were measured.
func (c *Costs) Measured(rows int) float64 {
	const few = 4
	if rows > mostRows || c.seen[kind(rows)] < few {
		return 0
	}
	return c.of(kind(rows))
}

// Of estimates what a step of so many rows costs: as measured, or from the nearest measured ones. It is 0 if nothing is known.
func (c *Costs) Of(rows int) float64 { return estimate(rows, c.of) }

// estimate is Of for costs that come from several tables.
func estimate(rows int, known func(kind int) float64) float64 {
	below, above := kind(min(rows, mostRows)), kind(min(rows, mostRows))
	for below > 0 && known(below) == 0 {
		below--
	}
	for above < kinds && known(above) == 0 {
		above++
	}
	switch {
	case below == 0 && above == kinds:
		return 0
	case below == above && rows <= mostRows:
		return known(below)
	case below == 0:
		return known(above) / slope(rows, rowsOf(above))
	case above == kinds || rows > mostRows:
		return known(below) * slope(rowsOf(below), rows)
	}
	a, b := known(below), known(above)
	return a + (b-a)*float64(rows-rowsOf(below))/float64(rowsOf(above)-rowsOf(below))
}

// slope is how many times as much as some rows more are taken to cost: a single row more a fifth, as weights are read anyway, while
// many rows cost what there is to compute for them.
func slope(rows, more int) float64 {
	return 1 + (1-0.8/math.Sqrt(float64(rows)))*float64(more-rows)/float64(rows)
}
