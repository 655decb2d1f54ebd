package pace

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCosts(t *testing.T) {
	var c Costs
	require.Zero(t, c.Of(3))
	c.Learn(1, 900)
	require.Zero(t, c.Of(1), "the first may have compiled kernels")
	c.Learn(1, 10)
	require.Equal(t, 10., c.Of(1))
	require.InDelta(t, 14, c.Of(3), 1e-9, "nothing larger is known: a fifth of a row each")
	c.Learn(8, 1)
	c.Learn(8, 31)
	require.InDelta(t, 22, c.Of(5), 1e-9, "between what is known")
	require.InDelta(t, 31*(1+(1-0.8/math.Sqrt(8))/2), c.Of(12), 1e-9, "many rows cost what there is to compute")
	c.Learn(11, 1)
	c.Learn(10, 40)
	require.Equal(t, 40., c.Of(9), "9 to 12 are one")
	c.Learn(1, 1e6)
	require.InDelta(t, 10*math.Sqrt2, c.Of(1), 1e-9, "twice at most")
	require.Zero(t, c.Measured(1))
	for range 200 {
		c.Learn(1, 20)
		c.Learn(1, 80)
	}
	require.InDelta(t, 40, c.Of(1), 2, "a mean of logarithms")
	require.InDelta(t, 40, c.Measured(1), 2)
	c.Learn(0, 5)
	c.Learn(mostRows+1, 5)
	require.Greater(t, c.Of(500), c.Of(64))
	require.Greater(t, c.Of(64), c.Of(16))
	require.Zero(t, c.Measured(500))
	for range stale {
		c.Learn(1, 20)
	}
	require.InDelta(t, 20*slope(1, 9), c.Of(9), 1e-3, "what was long ago is forgotten")
	c.Learn(10, 50)
	require.Equal(t, 50., c.Of(9), "and the kernels are compiled")
	var few Costs
	few.Learn(4, 1)
	few.Learn(4, 30)
	require.InDelta(t, 30/1.6, few.Of(1), 1e-9)
}

func TestWorth(t *testing.T) {
	var free Prices
	require.True(t, free.Worth(0, 1e-9, 0, false))
	p := Prices{Draft: 0.1}
	for i := range p.Verify {
		p.Verify[i] = 0.3
	}
	require.True(t, p.Worth(0, 0.45, 0.5, false))
	require.False(t, p.Worth(0, 0.35, 0.5, false), "a chance of 0.35 for 0.4 tokens")
	require.True(t, p.Worth(0, 0.35, 0.5, true), "it has been made already")
	// A tile of 4 rows that costs as much as 3 of it do: the first does not pay alone, but all together.
	p = Prices{Verify: [Most]float64{1.5}}
	for i := 4; i < Most; i++ {
		p.Verify[i] = 10
	}
	require.True(t, p.Worth(0, 0.9, 0.9, false))
	require.False(t, p.Worth(0, 0.5, 0.5, false))
	require.False(t, p.Worth(4, 0.9, 0.9, true))
}

// steps tells a pacer of plain steps until it takes proposals.
func steps(t *testing.T, p *Pacer, sequences int) (plain int) {
	for ; !p.Open(sequences); plain++ {
		p.Took(Step{Sequences: sequences, Rows: sequences, Gained: sequences}, Times{Step: 10})
		require.Less(t, plain, 3*longest)
	}
	return plain
}

// TestGate: proposals that do not pay are given up for longer and longer, at this number of sequences alone; once they pay, the
// next pause is short again.
func TestGate(t *testing.T) {
	p := New(DraftRates(), false)
	require.Equal(t, known, steps(t, p, 1))
	try := func(gained int) (n int) {
		for n < 200 {
			steps(t, p, 1) // what a plain step costs is measured again
			p.Took(Step{Sequences: 1, Asked: 1, Rows: 4, Gained: gained}, Times{Step: 15, Drafts: 4, Passes: 3})
			if n++; p.gate(1).closed > 0 {
				return n
			}
		}
		return n
	}
	require.Equal(t, 200, try(3), "three tokens in the time of two")
	require.LessOrEqual(t, try(1), 7)
	pause := steps(t, p, 1)
	require.InDelta(t, shortest, pause, 10)
	for pause < longest {
		require.LessOrEqual(t, try(1), 2)
		next := steps(t, p, 1)
		require.GreaterOrEqual(t, next, min(longest, 2*(pause-10)))
		pause = next
	}
	require.Equal(t, 200, try(3))
	require.LessOrEqual(t, try(1), 7)
	require.InDelta(t, shortest, steps(t, p, 1), 10)
	try(1)
	require.False(t, p.Open(1))
	require.Equal(t, known+1, steps(t, p, 4), "another load is another matter; the first had to wait for a step with proposals")
	totals := p.Totals()
	require.Greater(t, totals.Plain, 0.)
	require.Greater(t, totals.Drafts, 0.)
	require.True(t, New(DraftRates(), true).Open(9), "always")
}

// TestPurse: whatever steps gain or lose, what is lost in all is never more than what the gate allows.
func TestPurse(t *testing.T) {
	g := newGate()
	lost, steps, worst := 0.0, 0, 0.0
	for i := range 20_000 {
		if steps++; g.closed > 0 {
			g.rest()
			continue
		}
		gain := []float64{-1, -0.2, 0.3, -1.5}[i/37%4]
		behind := 0.0
		if i%50 == 0 && g.spare() > 0.5 {
			behind = 0.5
		}
		g.learn(1, 1-gain, behind)
		lost += behind - gain
		worst = max(worst, lost-share*float64(steps))
	}
	require.LessOrEqual(t, worst, first+1.5+0.5)
	require.Less(t, lost, 0.02*float64(steps))
}

// TestOwed: what a draft model had to compute first is paid out of gains, and is a loss when there are none.
func TestOwed(t *testing.T) {
	g := newGate()
	g.learn(1.5, 1, 1.2)
	require.InDelta(t, 0.7, g.owed, 1e-9)
	require.InDelta(t, first+share, g.purse, 1e-9)
	require.InDelta(t, first+share-0.7, g.spare(), 1e-9)
	g.learn(1, 3, 0)
	require.Equal(t, int((enough+0.5-2*share+0.7)/share), g.closed)
}

// TestPrices: where all but the first rows of a tile are free, that shows in their prices; other rows and more sequences share
// what a step costs.
func TestPrices(t *testing.T) {
	p := New(DraftRates(), false)
	steps(t, p, 1)
	require.InDelta(t, 0.2*margin, p.Prices(Step{Sequences: 1, Asked: 1}).Verify[0], 1e-9, "assumed of a row")
	for rows, cost := range map[int]float64{2: 18, 3: 18, 4: 18, 5: 30, 6: 30, 7: 30, 8: 30} {
		for range 2 {
			p.Took(Step{Sequences: 1, Asked: 1, Rows: rows, Gained: 1}, Times{Step: cost, Drafts: 6, Passes: 3})
		}
	}
	prices := p.Prices(Step{Sequences: 1, Asked: 1})
	require.InDeltaSlice(t, []float64{0.8 * margin, 0, 0, 1.2 * margin, 0, 0, 0}, prices.Verify[:7], 1e-9)
	require.InDeltaSlice(t, []float64{0, 0.8 * margin, 0.8 * margin, 0.8 * margin, 2 * margin}, prices.Rows[:5], 1e-9)
	require.InDelta(t, 0.2*margin, prices.Draft, 1e-9)
	require.InDelta(t, 0.1, prices.Second, 1e-9)
	for range 100 {
		p.Took(Step{Sequences: 1, Asked: 1, Rows: 4, Gained: 4}, Times{Step: 18})
	}
	require.InDelta(t, 0.8*4/1.8, p.Prices(Step{Sequences: 1, Asked: 1}).Rows[1], 0.05, "time is worth what comes of it")
	require.Zero(t, p.Prices(Step{Sequences: 1}))
	require.Zero(t, New(DraftRates(), true).Prices(Step{Sequences: 1, Asked: 1}))
}

func TestRates(t *testing.T) {
	p := New(TextRates(), false)
	own := p.Rates()
	for range 50 {
		p.Judged(&own, 1, false)
	}
	require.Less(t, own[1], 0.02)
	require.Less(t, p.Rates()[1], 0.2)
	require.Equal(t, TextRates()[2], p.Rates()[2])
	require.Equal(t, uint8(0), DraftClass(0))
	require.Equal(t, uint8(Classes-1), DraftClass(1))
	for i, agree := range []int{2, 3, 5, 8, 16, 99} {
		require.Equal(t, uint8(min(i, 4)), TextClass(agree))
	}
	require.Equal(t, []uint8{5, 6, 6, 7}, []uint8{OtherClass(2, 9), OtherClass(3, 9), OtherClass(4, 2), OtherClass(4, 3)})
}

// TestLeast: a tile's rows are dear up to its end, so all of a tile or none are worth it.
func TestLeast(t *testing.T) {
	var rows [MostRows + 1]float64
	for n := range rows {
		rows[n] = 1.7 * float64((n+3)/4) // tiles of 4
	}
	try := func(want float64, taken, most int, chances ...float64) {
		t.Helper()
		got, _, _ := least(&rows, chances, taken, most)
		require.Equal(t, want, got)
	}
	try(2, 0, 9, 0.9, 0.6) // 1.5 tokens for a tile that costs 1.7
	try(0.6, 0, 9, 0.9, 0.7, 0.6)
	try(0.5, 0, 9, 0.9, 0.9, 0.9, 0.5, 0.4, 0.3) // another tile is not worth it
	try(0.3, 1, 9, 0.9, 0.4, 0.3)                // the rest of a tile that is there anyway is free
	try(2, 0, 1, 0.9, 0.9, 0.9)                  // there is no room for more than one
	try(2, 0, 5)
	try(2, 60, 100, make([]float64, 100)...) // more than are known of
}
