package umbra_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"umbra"
	"umbra/gpu"
	"umbra/model"
	"umbra/model/gguf"
	"umbra/scheduler"
	"umbra/scheduler/batch"
)

func TestRecordStep(t *testing.T) {
	positions := func(from, n int) (p []int32) {
		for i := range n {
			p = append(p, int32(from+i))
		}
		return p
	}
	// One sequence decodes at position 20, one prefills 17..36; both share block 5, full.
	b := &batch.Batch{Tokens: make([]int32, 21), Positions: append([]int32{20}, positions(17, 20)...)}
	b.Sequences = []batch.Sequence{
		{ID: 1, Start: 0, Rows: 1, Blocks: []int32{5, 64}, Outputs: 1},
		{ID: 2, Start: 1, Rows: 20, Blocks: []int32{5, 1, 2}},
	}
	r := umbra.RecordStep(b, scheduler.Stats{Running: 9, Preemptions: 4, PrefixHits: 16, PrefixQueries: 20},
		scheduler.Stats{Running: 2, Waiting: 3, Blocks: 70, BlocksFree: 65, Preemptions: 5, PrefixHits: 32, PrefixQueries: 57})
	assert.Equal(t, umbra.StepRecord{
		Rows: 21, PrefillRows: 20, DecodeRows: 1, Outputs: 1, Running: 2, Waiting: 3, Blocks: 70, BlocksFree: 65,
		BlocksShared: 1, Written: 16 + 5 + 16 + 5, Preemptions: 1, PrefixHits: 16, PrefixQueries: 37,
	}, r)
	assert.Equal(t, 5*16, r.Reserved(), "one block is reserved and not in a table yet")
}

// TestOnStep sums what an engine records, with a pool so small that sequences are preempted.
func TestOnStep(t *testing.T) {
	start := time.Now()
	var steps []umbra.StepRecord
	e := open(t, draft, umbra.Options{Context: 64, Sequences: 4, Blocks: 5, BatchTokens: 16,
		OnStep: func(r umbra.StepRecord) { steps = append(steps, r) }})
	var requests []umbra.Request
	for i := range 4 {
		ids := make([]int32, 20+i)
		ids[0] = int32(i) // no prefix in common
		requests = append(requests, umbra.Request{Tokens: ids, MaxTokens: 20, IgnoreEnd: true})
	}
	preempted, generated := 0, 0
	for _, a := range all(e, requests) {
		require.NoError(t, a.err)
		assert.Len(t, a.tokens, 20, "IgnoreEnd: the end token does not end it")
		preempted += a.Usage.Preemptions
		generated += a.Usage.Generated
	}
	require.NoError(t, e.Close()) // the last step has been recorded
	outputs, preemptions, spent := 0, 0, time.Duration(0)
	for i, r := range steps {
		assert.Equal(t, i+1, r.Number)
		assert.Equal(t, r.Rows, r.PrefillRows+r.DecodeRows)
		assert.LessOrEqual(t, r.Rows, 16)
		assert.Equal(t, 5, r.Blocks)
		assert.LessOrEqual(t, r.Written, r.Reserved())
		assert.Greater(t, r.Written, 0)
		assert.Greater(t, r.Running, 0)
		assert.Positive(t, r.Host)
		assert.Positive(t, r.Device)
		assert.Equal(t, r.Idle+r.Device, r.Time())
		spent += r.Time()
		assert.NoError(t, r.Err)
		outputs += r.Outputs
		preemptions += r.Preemptions
	}
	assert.Equal(t, generated, outputs, "every output row gave a token")
	assert.Equal(t, preempted, preemptions)
	assert.LessOrEqual(t, spent, time.Since(start), "no time is counted twice")
	assert.Positive(t, preemptions, "or the test tests too little")
}

// TestPrefixOption has two requests with the same 40 tokens, one after the other.
func TestPrefixOption(t *testing.T) {
	for _, off := range []bool{false, true} {
		hits, queries := 0, 0
		e := open(t, draft, umbra.Options{Context: 64, Sequences: 2, NoPrefixReuse: off, OnStep: func(r umbra.StepRecord) {
			hits += r.PrefixHits
			queries += r.PrefixQueries
		}})
		var tokens [2][]int32
		for i := range tokens {
			a := generate(context.Background(), e, umbra.Request{Tokens: append(make([]int32, 40), 7), MaxTokens: 5, IgnoreEnd: true})
			require.NoError(t, a.err)
			tokens[i] = a.tokens
		}
		require.NoError(t, e.Close())
		assert.Equal(t, tokens[0], tokens[1])
		if off {
			assert.Zero(t, hits+queries)
		} else {
			assert.Equal(t, 32, hits, "two whole blocks")
			assert.Equal(t, 82, queries)
		}
	}
}

// TestLongPrefix has two prompts that begin with the same 1,000 tokens: of the second the tail alone is computed.
func TestLongPrefix(t *testing.T) {
	rows := 0
	e := open(t, draft, umbra.Options{Context: 1024, Sequences: 2, OnStep: func(r umbra.StepRecord) { rows += r.Rows }})
	prompt := make([]int32, 1010)
	for i := range prompt {
		prompt[i] = int32(i * i % 997)
	}
	alone := generate(context.Background(), e, umbra.Request{Tokens: prompt[:1000], MaxTokens: 1, IgnoreEnd: true})
	require.NoError(t, alone.err)
	a := generate(context.Background(), e, umbra.Request{Tokens: prompt, MaxTokens: 1, IgnoreEnd: true})
	require.NoError(t, a.err)
	assert.Equal(t, 1000/16*16, a.Usage.Cached)
	require.NoError(t, e.Close())
	assert.Equal(t, 1000+1010-1000/16*16, rows)
}

func TestOpenSource(t *testing.T) {
	shape, err := model.ShapeOf("gopher-28m")
	require.NoError(t, err)
	shape.Layers = 1
	src := model.Synthetic(shape, gguf.Q4_0)
	o := umbra.Options{Context: 64, Sequences: 2, KVBytes: 1 << 20}
	plan, err := umbra.PlanFor(src, o)
	require.NoError(t, err)
	assert.Equal(t, 1<<20/(16*2*4*64*4), plan.Blocks, "a MiB of blocks of 16 tokens, keys and values of 4 heads of 64 in f32")
	e, err := umbra.OpenSource(src, o)
	if errors.Is(err, gpu.ErrNoAdapter) {
		t.Skipf("no adapter: %v", err)
	}
	require.NoError(t, err)
	defer e.Close()
	assert.Nil(t, e.Tokenizer())
	assert.Equal(t, plan.Blocks, e.Info().Plan.Blocks)

	before := time.Now()
	var last time.Time
	a := answer{}
	a.Result, a.err = e.Generate(context.Background(), umbra.Request{Tokens: []int32{1, 2, 3}, MaxTokens: 5}, func(c umbra.Chunk) error {
		assert.Empty(t, c.Text)
		assert.True(t, c.At.After(before) && !c.At.Before(last))
		last = c.At
		a.tokens = append(a.tokens, c.Tokens...)
		return nil
	})
	require.NoError(t, a.err)
	assert.Len(t, a.tokens, 5)
	assert.Equal(t, scheduler.Length, a.Reason)

	_, err = e.Generate(context.Background(), umbra.Request{Prompt: "x"}, nil)
	assert.ErrorContains(t, err, "give Request.Tokens")
	_, err = e.Generate(context.Background(), umbra.Request{Tokens: []int32{1}, Stop: []string{"x"}}, nil)
	assert.ErrorContains(t, err, "stop strings")
	_, err = umbra.OpenSource(src, umbra.Options{Context: 64, KVBytes: 100})
	assert.ErrorContains(t, err, "give at least 131072 bytes")
	_, err = umbra.OpenSource(src, umbra.Options{Context: 64, KVBytes: 1 << 20, Blocks: 4})
	assert.ErrorContains(t, err, "give one of them")
}
