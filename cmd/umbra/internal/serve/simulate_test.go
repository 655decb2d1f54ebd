package serve

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"umbra/scheduler"
)

// fast is a cost near to that of gopher-28m on an H200.
var fast = Cost{Step: 500 * time.Microsecond, Row: 8 * time.Microsecond, Context: 8 * time.Nanosecond}

// config has room for 256 sequences of about 620 tokens.
var config = scheduler.Config{BlockSize: 16, Blocks: 10240, MaxBatchTokens: 1024, MaxSequences: 256, Context: 2048, Vocabulary: 1000}

func simulate(t testing.TB, c scheduler.Config, l Load, cost Cost, p Policy) Report {
	t.Helper()
	items, err := l.Items(min(c.Context, c.Blocks*c.BlockSize), c.Vocabulary)
	require.NoError(t, err)
	r, err := Simulate(c, items, cost, p)
	require.NoError(t, err)
	require.Equal(t, l.Requests, r.Requests)
	return r
}

// TestIdle has so few arrivals that each finds the engine idle: a request takes its prefill and its steps, no more.
func TestIdle(t *testing.T) {
	l := Load{Requests: 200, Rate: 0.1, Prompt: lengths(t, "fixed:100"), Output: lengths(t, "fixed:20"), Seed: 3}
	cost := Cost{Step: time.Millisecond, Row: 10 * time.Microsecond, Context: 100 * time.Nanosecond}
	r := simulate(t, config, l, cost, Continuous)
	prefill := 1 + 100*0.01 + 4*100*0.0001 // ms; 100 rows read the context in 4 tiles
	assert.InDelta(t, prefill, r.First.P50, 1e-9)
	assert.InDelta(t, prefill, r.First.P90, 1e-9)
	assert.InDelta(t, 1+0.01+110*0.0001, r.Between.P50, 1e-4)
	assert.InDelta(t, prefill+19*1.021, r.EndToEnd.P50, 0.1)
	assert.InDelta(t, 0.1, r.RequestS, 0.02)
	assert.InDelta(t, 1, r.MeanRunning, 0.01)
	assert.Equal(t, 200*100, r.PromptTokens)
	assert.Equal(t, 200*20, r.OutputTokens)
	assert.Zero(t, r.Preemptions)
}

// TestWaste asserts what paging is for: under a load like that of chats, less than 4 % of the KV slots reserved are not
// written, where contiguous reservations of the whole context would waste most.
func TestWaste(t *testing.T) {
	l := Load{Requests: 3000, Rate: Rate(math.Inf(1)), Prompt: ChatPrompts, Output: ChatOutputs, Seed: 1}
	r := simulate(t, config, l, fast, Continuous)
	t.Logf("%+v", r)
	assert.Less(t, r.KVWaste, 0.04)
	assert.Greater(t, r.KVWaste, 0.002, "half a block for each sequence")
	assert.Greater(t, r.ContiguousWaste, 0.6)
	assert.Greater(t, r.MeanRunning, 150.)
}

// TestSaturation raises the rate: throughput follows it, then stays, and who waits, waits longer.
func TestSaturation(t *testing.T) {
	l := Load{Requests: 1500, Prompt: ChatPrompts, Output: ChatOutputs, Seed: 2}
	at := func(rate float64) Report {
		l.Rate = Rate(rate)
		return simulate(t, config, l, fast, Continuous)
	}
	most := at(math.Inf(1))
	capacity := most.RequestS
	low := at(capacity / 4)
	assert.InEpsilon(t, capacity/4, low.RequestS, 0.1, "below capacity: what comes is served")
	assert.Less(t, low.First.P50, 20.)
	high := at(capacity * 4)
	assert.InEpsilon(t, capacity, high.RequestS, 0.1, "above: capacity")
	assert.Greater(t, high.First.P50, 10*low.First.P50)
	assert.Greater(t, high.MeanRunning, 2*low.MeanRunning)
}

// TestPolicies compares continuous batching over pages with static batches over contiguous memory of the same size.
func TestPolicies(t *testing.T) {
	c := config
	c.Blocks = 2048 // 16 sequences of the whole context
	l := Load{Requests: 1000, Rate: Rate(math.Inf(1)), Prompt: ChatPrompts, Output: ChatOutputs, Seed: 4}
	continuous, static := simulate(t, c, l, fast, Continuous), simulate(t, c, l, fast, Static)
	assert.Equal(t, continuous.OutputTokens, static.OutputTokens, "the same load")
	assert.Equal(t, 16, static.PeakRunning)
	assert.Zero(t, static.Preemptions)
	assert.Greater(t, static.KVWaste, 0.7)
	assert.Less(t, static.MeanRunning, 16*0.6, "most have ended before the longest")
	assert.Greater(t, continuous.PeakRunning, 32)
	assert.Greater(t, continuous.RequestS, 3*static.RequestS)
}

// TestPreempted counts preemptions of a pool that is too small, and still answers everyone.
func TestPreempted(t *testing.T) {
	c := config
	c.Blocks, c.MaxSequences = 128, 64
	l := Load{Requests: 100, Rate: Rate(math.Inf(1)), Prompt: lengths(t, "fixed:16"), Output: lengths(t, "uniform:100,900"), Seed: 4}
	r := simulate(t, c, l, fast, Continuous)
	assert.Positive(t, r.Preemptions)
	assert.Equal(t, r, simulate(t, c, l, fast, Continuous), "a simulation has no noise")
	_, err := Simulate(c, []Item{{Prompt: make([]int32, 3000), Output: 1}}, fast, Continuous)
	assert.ErrorContains(t, err, "context of 2048")
}

// TestSharedPrefix has requests that begin alike: the common blocks are computed once and held once.
func TestSharedPrefix(t *testing.T) {
	l := Load{Requests: 300, Rate: Rate(math.Inf(1)), Prompt: lengths(t, "fixed:40"), Output: lengths(t, "fixed:50"), Shared: 160, Seed: 6}
	c := config
	with := simulate(t, c, l, fast, Continuous)
	c.NoPrefixReuse = true
	without := simulate(t, c, l, fast, Continuous)
	assert.InDelta(t, 160./200, with.PrefixHits, 0.02)
	assert.Zero(t, without.PrefixHits)
	assert.Less(t, with.Seconds, 0.7*without.Seconds)
	assert.Less(t, with.KVWaste, 0.2)
	assert.Greater(t, with.KVWaste, without.KVWaste, "the same slots unwritten, fewer held")
}

// BenchmarkSimulate is 10,000 requests on 256 sequences.
func BenchmarkSimulate(b *testing.B) {
	l := Load{Requests: 10000, Rate: Rate(math.Inf(1)), Prompt: ChatPrompts, Output: ChatOutputs, Seed: 1}
	for b.Loop() {
		simulate(b, config, l, fast, Continuous)
	}
}
