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
	require.InDelta(t, 11, c.Of(1), 1e-9, "noise counts for little")
	c.Learn(1, 6)
	require.InDelta(t, 9, c.Of(1), 1e-9, "less of it for more")
	c.Learn(0, 5)
	c.Learn(mostRows+1, 5)
	require.Greater(t, c.Of(500), c.Of(64))
	require.Greater(t, c.Of(64), c.Of(16))
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
	require.True(t, p.Worth(0, 0.5, 0.5, false))
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
	require.Equal(t, least, steps(t, p, 1))
	try := func(gained int) (n int) {
		for p.Open(1) && n < 100 {
			p.Took(Step{Sequences: 1, Asked: 1, Rows: 4, Gained: gained}, Times{Step: 15, Drafts: 4, Passes: 3})
			n++
		}
		return n
	}
	require.Equal(t, 100, try(3), "three tokens in the time of two")
	require.LessOrEqual(t, try(1), 1+credit+debt)
	pause := steps(t, p, 1)
	require.Equal(t, shortest, pause)
	for pause < longest {
		require.LessOrEqual(t, try(1), 1+debt)
		next := steps(t, p, 1)
		require.Equal(t, min(longest, 2*pause), next)
		pause = next
	}
	require.Equal(t, 100, try(3))
	require.Less(t, try(1), 10)
	require.Equal(t, shortest, steps(t, p, 1))
	try(1)
	require.False(t, p.Open(1))
	require.Equal(t, least, steps(t, p, 4), "another load is another matter")
	for range remeasure + 1 {
		require.True(t, p.Open(4))
		p.Took(Step{Sequences: 4, Asked: 4, Rows: 8, Gained: 8}, Times{Step: 12})
	}
	require.Equal(t, least, steps(t, p, 4), "what a plain step costs is measured again")
	totals := p.Totals()
	require.Greater(t, totals.Plain, 0.)
	require.Greater(t, totals.Drafts, 0.)
	require.True(t, New(DraftRates(), true).Open(9), "always")
}

// TestPrices: where all but the first rows of a tile are free, that shows in their prices; other rows and more sequences share
// what a step costs.
func TestPrices(t *testing.T) {
	p := New(DraftRates(), false)
	steps(t, p, 1)
	require.InDelta(t, 0.2, p.Prices(Step{Sequences: 1, Asked: 1}).Verify[0], 1e-9, "assumed of a row")
	for rows, cost := range map[int]float64{2: 18, 3: 18, 4: 18, 5: 30, 6: 30, 7: 30, 8: 30} {
		for range 2 {
			p.Took(Step{Sequences: 1, Asked: 1, Rows: rows, Gained: 9}, Times{Step: cost, Drafts: 6, Passes: 3})
		}
	}
	prices := p.Prices(Step{Sequences: 1, Asked: 1})
	require.InDeltaSlice(t, []float64{0.8, 0, 0, 1.2, 0, 0, 0}, prices.Verify[:7], 1e-9)
	require.InDelta(t, 0.2, prices.Draft, 1e-9)
	require.InDelta(t, 0.1, prices.Second, 1e-9)
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

// TestChoose: a tile's rows are dear up to its end, so all of a tile or none are worth it.
func TestChoose(t *testing.T) {
	var p Prices
	for n := range p.Rows {
		p.Rows[n] = 1.5 * float64((n+3)/4) // tiles of 4
	}
	require.Greater(t, p.Choose([]float64{0.9, 0.6}, 0, 9), 1., "1.5 tokens for a tile that costs 1.5 and more")
	require.Equal(t, 0.6, p.Choose([]float64{0.6, 0.9, 0.7}, 0, 9))
	require.Equal(t, 0.5, p.Choose([]float64{0.9, 0.9, 0.9, 0.5, 0.4, 0.3}, 0, 9), "another tile is not worth it")
	require.Equal(t, 0.3, p.Choose([]float64{0.9, 0.4, 0.3}, 1, 9), "the rest of a tile that is there anyway is free")
	require.Greater(t, p.Choose([]float64{0.9, 0.9, 0.9}, 0, 1), 1., "there is no room for more than one")
	require.Greater(t, p.Choose(nil, 0, 5), 1.)
	require.Equal(t, 0.1, (&Prices{}).Choose([]float64{0.1, 0.2}, 0, 5), "free")
	p.Choose(make([]float64, 100), 60, 100) // more than are known of
}
