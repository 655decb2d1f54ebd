package scheduler

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"umbra/scheduler/batch"
)

// BenchmarkSaturated runs 400 requests of random lengths, all there from the start, through a cache that holds a few
// at a time, and reports the steps they take, the rows computed again after preemptions, and the scheduler's own time.
func BenchmarkSaturated(b *testing.B) {
	c := Config{BlockSize: 16, Blocks: 256, MaxBatchTokens: 512, MaxSequences: 32, Context: 4096, Vocabulary: 100,
		NoPrefixReuse: true} // all prompts are zeros
	var st Stats
	for b.Loop() {
		s, err := New(c)
		if err != nil {
			b.Fatal(err)
		}
		r := rand.New(rand.NewPCG(1, 2))
		slots := c.BlockSize * c.Blocks
		for range 400 {
			if _, err := s.Add(Request{Prompt: make([]int32, 1+r.IntN(slots/10)), MaxTokens: 1 + r.IntN(slots/8)}); err != nil {
				b.Fatal(err)
			}
		}
		for step := s.Next(); step != nil; step = s.Next() {
			if _, err := s.Commit(step, make([]batch.Output, step.Outputs())); err != nil {
				b.Fatal(err)
			}
		}
		st = s.Stats()
	}
	b.ReportMetric(float64(st.Steps), "steps")
	b.ReportMetric(float64(st.Recomputed), "rows-again")
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*st.Steps), "ns/step")
}

// BenchmarkStep is Next and Commit of one step in which every running sequence decodes a token, greedy, with prefixes
// remembered. Contexts are about 80 tokens and sequences that end are replaced, so their admission is part of
// it, their Add is not. What waits must not show in the time. With flights=2 a step is laid out while the one before it
// is in flight.
func BenchmarkStep(b *testing.B) {
	for _, c := range []struct{ running, waiting, flights int }{
		{10, 0, 1}, {100, 0, 1}, {256, 0, 1}, {256, 0, 2}, {256, 1000, 1}, {256, 10_000, 1}, {1000, 0, 1}, {1000, 10_000, 1}, {10_000, 0, 1},
		{10_000, 0, 2},
	} {
		b.Run(fmt.Sprintf("running=%d/waiting=%d/flights=%d", c.running, c.waiting, c.flights), func(b *testing.B) {
			s, err := New(Config{BlockSize: 16, Blocks: 10 * c.running, MaxBatchTokens: 2*c.running + 256,
				MaxSequences: c.running, Context: 4096, Vocabulary: 100})
			if err != nil {
				b.Fatal(err)
			}
			r := rand.New(rand.NewPCG(1, 2))
			out := make([]batch.Output, c.running)
			var spent time.Duration
			var flying []*batch.Batch
			step := func() (rows int) {
				for st := s.Stats(); st.Waiting+st.Running < c.running+c.waiting; st.Waiting++ {
					prompt := make([]int32, 20+r.IntN(40))
					for i := range prompt {
						prompt[i] = r.Int32N(100)
					}
					if _, err := s.Add(Request{Prompt: prompt, MaxTokens: 20 + r.IntN(60)}); err != nil {
						b.Fatal(err)
					}
				}
				start := time.Now()
				for len(flying) < c.flights {
					x := s.Next()
					if x == nil {
						break
					}
					rows += len(x.Tokens)
					flying = append(flying, x)
				}
				x := flying[0]
				flying = append(flying[:0], flying[1:]...)
				if _, err := s.Commit(x, out[:x.Outputs()]); err != nil {
					b.Fatal(err)
				}
				spent += time.Since(start)
				return rows
			}
			for range 100 {
				step()
			}
			rows := 0
			spent = 0
			for b.Loop() {
				rows += step()
			}
			b.ReportMetric(float64(rows)/float64(b.N), "rows/step")
			b.ReportMetric(float64(spent.Nanoseconds())/1e3/float64(b.N), "µs/step")
			b.ReportMetric(float64(spent.Nanoseconds())/float64(rows), "ns/row")
		})
	}
}

// TestStepAllocates counts the allocations of a step in which 256 sequences decode and 1,000 wait: batches and events are
// made in the room of earlier ones, so they are far fewer than rows; a new block's tokens are what is left.
func TestStepAllocates(t *testing.T) {
	const running, waiting, steps = 256, 1000, 64
	s, err := New(Config{BlockSize: 16, Blocks: 10 * running, MaxBatchTokens: 32 * running, MaxSequences: running, Context: 256, Vocabulary: 1000})
	require.NoError(t, err)
	for i := range running + waiting {
		_, err := s.Add(Request{Prompt: make([]int32, 1+i%32), MaxTokens: 100, StopTokens: []int32{1}})
		require.NoError(t, err)
	}
	out := make([]batch.Output, running)
	for i := range out {
		out[i].Token = int32(2 + i) // all go on, each with a text of its own
	}
	step := func() {
		b := s.Next()
		_, err := s.Commit(b, out[:b.Outputs()])
		require.NoError(t, err)
	}
	for range 8 {
		step()
	}
	n := testing.AllocsPerRun(steps, step)
	require.Equal(t, waiting, s.Stats().Waiting)
	require.Equal(t, running, s.Stats().Running)
	t.Logf("%v allocations a step of %d rows", n, running)
	require.Less(t, n, running/4.)
}
