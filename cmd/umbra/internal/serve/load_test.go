package serve

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func lengths(t testing.TB, text string) (l Lengths) {
	require.NoError(t, l.UnmarshalText([]byte(text)))
	return l
}

func TestLengths(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	mean := func(l Lengths, lo, hi int) float64 {
		sum := 0
		for range 20000 {
			n := l.draw(r)
			require.GreaterOrEqual(t, n, lo)
			require.LessOrEqual(t, n, hi)
			sum += n
		}
		return float64(sum) / 20000
	}
	assert.Equal(t, 7., mean(lengths(t, "fixed:7"), 7, 7))
	assert.InDelta(t, 15, mean(lengths(t, "uniform:10,20"), 10, 20), 0.2)
	assert.InDelta(t, 100*math.Exp(0.125), mean(lengths(t, "lognormal:100,0.5"), 1, 1<<20), 2)
	assert.InDelta(t, 161, mean(ChatPrompts, 1, 1<<20), 6, "the mean of ShareGPT's prompts")
	assert.InDelta(t, 338, mean(ChatOutputs, 1, 1<<20), 12, "and of its answers")
	assert.Equal(t, ChatPrompts, lengths(t, "lognormal").Or(ChatPrompts))
	assert.Equal(t, "uniform:3,4", lengths(t, "uniform:3,4").Or(ChatPrompts).String())
	assert.Equal(t, "lognormal:98,1", ChatPrompts.String())
	assert.Equal(t, "fixed:5", lengths(t, "fixed:5").String())
	for _, wrong := range []string{"", "7", "fixed", "fixed:", "fixed:0", "fixed:1.5", "fixed:1,2", "uniform:5", "uniform:5,4", "uniform:0,4",
		"uniform:1,2,3", "lognormal:", "lognormal:100", "lognormal:100,11", "lognormal:100,-1", "lognormal:NaN,1", "fixed:1e99", "normal:1,2"} {
		var l Lengths
		assert.ErrorContains(t, l.UnmarshalText([]byte(wrong)), "give fixed:N", wrong)
	}
}

func TestItems(t *testing.T) {
	load := Load{Requests: 2000, Rate: 50, Prompt: ChatPrompts, Output: ChatOutputs, Shared: 32, Seed: 9}
	items, err := load.Items(1024, 100)
	require.NoError(t, err)
	again, err := load.Items(1024, 100)
	require.NoError(t, err)
	assert.Equal(t, items, again, "the same seed")
	require.Len(t, items, 2000)
	last := time.Duration(0)
	for i, item := range items {
		assert.GreaterOrEqual(t, item.Arrive, last)
		last = item.Arrive
		assert.Equal(t, items[0].Prompt[:32], item.Prompt[:32], "the shared prefix")
		assert.Greater(t, len(item.Prompt), 32)
		assert.LessOrEqual(t, len(item.Prompt), 768)
		assert.Positive(t, item.Output)
		require.LessOrEqual(t, len(item.Prompt)+item.Output, 1024, "request %d", i)
		for _, id := range item.Prompt {
			require.True(t, id >= 0 && id < 100)
		}
	}
	assert.NotEqual(t, items[0].Prompt[32:40], items[1].Prompt[32:40])
	assert.InDelta(t, 2000/50., last.Seconds(), 3, "the rate")

	load.Rate = Rate(math.Inf(1))
	burst, err := load.Items(1024, 100)
	require.NoError(t, err)
	assert.Zero(t, burst[1999].Arrive)
	assert.Equal(t, items[77].Prompt, burst[77].Prompt, "another rate, the same requests")
	load.Seed = 10
	other, err := load.Items(1024, 100)
	require.NoError(t, err)
	assert.NotEqual(t, burst[0].Prompt, other[0].Prompt)
	_, err = load.Items(33, 100)
	assert.ErrorContains(t, err, "shorten it to at most 31")
	tight, err := load.Items(34, 100)
	require.NoError(t, err)
	assert.Len(t, tight[0].Prompt, 33)
	assert.Equal(t, 1, tight[0].Output)
}

func TestRate(t *testing.T) {
	var r Rate
	require.NoError(t, r.UnmarshalText([]byte("2.5")))
	assert.Equal(t, "2.5", r.String())
	require.NoError(t, r.UnmarshalText([]byte("inf")))
	assert.Equal(t, "inf", r.String())
	for _, wrong := range []string{"0", "-1", "NaN", "fast", ""} {
		assert.ErrorContains(t, r.UnmarshalText([]byte(wrong)), "is not a rate", wrong)
	}
}

func TestGate(t *testing.T) {
	g := newGate(Continuous, 4)
	assert.Equal(t, 10, g.admit(10))
	assert.Equal(t, 3, g.admit(3))
	assert.Zero(t, g.holding())
	g = newGate(Static, 4)
	assert.Equal(t, 0, g.admit(0))
	assert.Equal(t, 4, g.admit(10))
	assert.Equal(t, 0, g.admit(6))
	for range 3 {
		g.end()
		assert.Equal(t, 0, g.admit(6), "until all have ended")
		assert.Equal(t, 4, g.holding(), "ended ones keep their reservation")
	}
	g.end()
	assert.Zero(t, g.holding())
	assert.Equal(t, 2, g.admit(2), "a batch need not be full")
	assert.Equal(t, 2, g.holding())
	assert.Equal(t, 4, StaticSequences(4100, 1024, 16))
	assert.Equal(t, 2, StaticSequences(4100, 1024, 2))
	assert.Equal(t, 1, StaticSequences(100, 1024, 2))
}
