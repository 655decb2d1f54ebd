package scheduler

import (
	"math/rand/v2"
	"testing"

	"umbra/scheduler/batch"
)

// BenchmarkSaturated runs 400 requests of random lengths, all there from the start, through a cache that holds a few
// at a time, and reports the steps they take, the rows computed again after preemptions, and the scheduler's own time.
func BenchmarkSaturated(b *testing.B) {
	c := Config{BlockSize: 16, Blocks: 256, MaxBatchTokens: 512, MaxSequences: 32, Context: 4096, Vocabulary: 100}
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
