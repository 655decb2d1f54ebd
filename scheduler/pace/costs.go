package pace

import "math"

const (
	// mostRows is the largest step whose cost is kept; above exact rows, steps of up to together rows are one.
	mostRows = 64
	exact    = 8
	together = 4
	kinds    = exact + (mostRows-exact)/together + 1
)

// Costs are what steps cost by their number of rows, as measured. The zero value knows nothing.
type Costs struct {
	known [kinds]float64
	seen  [kinds]bool // once or more
}

// kind is where steps of so many rows are kept.
func kind(rows int) int {
	if rows <= exact {
		return rows
	}
	return exact + (rows-exact+together-1)/together
}

// rowsOf is the most rows of a kind.
func rowsOf(kind int) int {
	if kind <= exact {
		return kind
	}
	return exact + (kind-exact)*together
}

// Learn takes what a step cost. Steps that were faster than thought count more than slower ones, and none for more than twice
// what was thought: noise only ever adds. The first of its number of rows counts for nothing, as kernels may have been compiled in it.
func (c *Costs) Learn(rows int, cost float64) {
	const faster, slower = 0.4, 0.1
	if rows < 1 || rows > mostRows || cost <= 0 {
		return
	}
	k := kind(rows)
	switch was := c.known[k]; {
	case !c.seen[k]:
		c.seen[k] = true
	case was == 0:
		c.known[k] = cost
	case cost < was:
		c.known[k] += faster * (cost - was)
	default:
		c.known[k] += slower * (min(cost, 2*was) - was)
	}
}

// Of estimates what a step of so many rows costs: as measured, or from the nearest measured ones. It is 0 if nothing is known.
func (c *Costs) Of(rows int) float64 {
	return estimate(rows, func(k int) float64 { return c.known[k] })
}

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
