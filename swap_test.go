package umbra_test

import (
	"context"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"umbra"
	"umbra/gpu"
	"umbra/scheduler"
	"umbra/scheduler/sample"
)

// TestSwapped puts one sequence, a group of sampled answers and a beam search in a pool that is too small for them: whoever
// is last in order goes to the host and comes back, and all tokens are what each request has alone, in the same KV type. By
// priority it is the first that came that has to go.
func TestSwapped(t *testing.T) {
	requests := []umbra.Request{
		{Tokens: make([]int32, 20), MaxTokens: 100, Priority: -1},
		{Tokens: make([]int32, 21), MaxTokens: 40, N: 3, Sampling: sample.Params{Temperature: 1, TopP: 1, Seed: 5}},
		{Tokens: make([]int32, 22), MaxTokens: 36, N: 2, Beams: 2},
	}
	for i := range requests {
		requests[i].Tokens[0] = int32(i) // no beginning in common
		requests[i].IgnoreEnd = true
	}
	for _, c := range []struct {
		kv         string
		policy     scheduler.Policy
		preemption scheduler.Preemption
		soak       bool
	}{
		{"f32", scheduler.FCFS, scheduler.Swap, true},
		{"f32", scheduler.Priority, scheduler.Swap, false},
		{"f16", scheduler.FCFS, scheduler.Auto, false},
		{"int8", scheduler.FCFS, scheduler.Swap, false},
		{"int8", scheduler.Priority, scheduler.Auto, true},
	} {
		if c.soak && !soak {
			continue
		}
		policy := map[scheduler.Policy]string{scheduler.FCFS: "first come", scheduler.Priority: "priority"}[c.policy]
		t.Run(c.kv+", "+policy+", "+c.preemption.String(), func(t *testing.T) {
			o := umbra.Options{Context: 128, Sequences: 6, KVType: c.kv, NoPrefixReuse: true, Policy: c.policy}
			roomy := open(t, draft, o)
			if kind := roomy.Info().Adapter.Kind; c.kv != "f32" && kind != gpu.KindCPU {
				t.Skipf("on an adapter of kind %v sums are rounded by the batch, and %s KV once more", kind, c.kv)
			}
			var want [][][]int32
			for _, r := range requests {
				tokens, result := allAnswers(t, roomy, r, nil)
				assert.Zero(t, result.Usage.Preemptions)
				want = append(want, tokens)
			}
			saved, loaded := 0, 0
			o.Blocks, o.Preemption = 14, c.preemption
			o.OnStep = func(r umbra.StepRecord) { saved, loaded = saved+r.BlocksSaved, loaded+r.BlocksLoaded }
			tight := open(t, draft, o)
			got, results := make([][][]int32, len(requests)), make([]umbra.Result, len(requests))
			running := make(chan struct{})
			var wg sync.WaitGroup
			for i, r := range requests {
				wg.Go(func() {
					begun := func() {}
					if i == 0 {
						begun = sync.OnceFunc(func() { close(running) })
					} else {
						<-running
					}
					got[i], results[i] = allAnswers(t, tight, r, begun)
				})
			}
			wg.Wait()
			assert.Equal(t, want, got)
			require.NoError(t, tight.Close()) // the last step has been recorded
			assert.Positive(t, saved)
			assert.Positive(t, loaded)
			first, others := results[0].Usage.Preemptions, results[1].Usage.Preemptions+results[2].Usage.Preemptions
			assert.Equal(t, c.policy == scheduler.Priority, first > 0, "preemptions of the first")
			assert.True(t, c.policy == scheduler.Priority || others > 0, "preemptions of the others")
		})
	}
}

// allAnswers returns the tokens of each answer to a request. begun is called with every chunk.
func allAnswers(t *testing.T, e *umbra.Engine, r umbra.Request, begun func()) ([][]int32, umbra.Result) {
	tokens := make([][]int32, max(1, r.N))
	result, err := e.Generate(context.Background(), r, func(c umbra.Chunk) error {
		tokens[c.Answer] = append(tokens[c.Answer], c.Tokens...)
		if begun != nil {
			begun()
		}
		return nil
	})
	assert.NoError(t, err)
	return tokens, result
}
