package pace

// mostRows is the largest step whose cost is kept for its own number of rows.
const mostRows = 64

// Costs are what steps cost by their number of rows, as measured. The zero value knows nothing.
type Costs struct {
	known [mostRows + 1]float64
	seen  [mostRows + 1]bool // once or more
}

// Learn takes what a step cost. Steps that were faster than thought count more than slower ones, and none for more than twice
// what was thought: noise only ever adds. The first of its number of rows counts for nothing, as kernels may have been compiled in it.
func (c *Costs) Learn(rows int, cost float64) {
	const faster, slower = 0.4, 0.1
	if rows < 1 || rows > mostRows || cost <= 0 {
		return
	}
	switch was := c.known[rows]; {
	case !c.seen[rows]:
		c.seen[rows] = true
	case was == 0:
		c.known[rows] = cost
	case cost < was:
		c.known[rows] += faster * (cost - was)
	default:
		c.known[rows] += slower * (min(cost, 2*was) - was)
	}
}

// Of estimates what a step of so many rows costs: as measured, or from the nearest measured ones. It is 0 if nothing is known.
func (c *Costs) Of(rows int) float64 {
	return estimate(rows, func(r int) float64 { return c.known[r] })
}

// estimate is Of for costs that come from several tables.
func estimate(rows int, known func(int) float64) float64 {
	// A row more costs a tenth of a step of one row on GPUs where weights are what takes time, and up to all of it elsewhere.
	const row = 0.2
	below, above := min(rows, mostRows), max(rows, 1)
	for below > 0 && known(below) == 0 {
		below--
	}
	for above <= mostRows && known(above) == 0 {
		above++
	}
	switch {
	case below == 0 && above > mostRows:
		return 0
	case below == rows:
		return known(rows)
	case below == 0:
		return known(above) / (1 + row*float64(above-rows))
	case above > mostRows:
		return known(below) * (1 + row*float64(rows-below)/float64(below))
	}
	a, b := known(below), known(above)
	return a + (b-a)*float64(rows-below)/float64(above-below)
}
