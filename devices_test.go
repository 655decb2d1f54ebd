package umbra_test

import (
	"context"
	"errors"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"umbra"
	"umbra/gpu"
	"umbra/model/gguf"
	"umbra/model/tokenizer"
	"umbra/scheduler"
	"umbra/scheduler/sample"
)

// twice names the adapter that tests run on n times.
func twice(t testing.TB, n int) string {
	chosen, err := gpu.Chosen(gpu.Options{})
	if err != nil {
		t.Skipf("no adapter: %v", err)
	}
	return strings.TrimSuffix(strings.Repeat(strconv.Itoa(chosen[0].Index)+",", n), ",")
}

// TestDevices: two devices give the tokens of one, greedy and sampled: in one batch, in chunks, found in the cache, computed
// again, swapped, with proposals from the text. A session of either goes on in the other, embeddings are the same, and Close leaves nothing.
func TestDevices(t *testing.T) {
	goroutines := runtime.NumGoroutine()
	adapters := twice(t, 2)
	var requests []umbra.Request
	for i, g := range oracle(t)[4:8] {
		requests = append(requests, umbra.Request{Prompt: g.Prompt, MaxTokens: 24, IgnoreEnd: true})
		if i%2 == 1 {
			requests[i].Sampling = sample.Params{Temperature: 0.9, Seed: uint64(i)}
		}
	}
	requests[0].Prompt = strings.Repeat(requests[0].Prompt+"\n", 9)
	o := umbra.Options{Context: 160, Sequences: 4, BatchTokens: 64}
	one := open(t, draft, o)
	var want [][]int32
	for _, r := range requests {
		a := generate(context.Background(), one, r)
		require.NoError(t, a.err)
		want = append(want, a.tokens)
	}
	same := func(t *testing.T, answers []answer) (preemptions, cached int) {
		t.Helper()
		for i, a := range answers {
			require.NoError(t, a.err)
			assert.Equal(t, want[i], a.tokens, "request %d", i)
			preemptions, cached = preemptions+a.Usage.Preemptions, cached+a.Usage.Cached
		}
		return preemptions, cached
	}
	o.Adapter = adapters
	t.Run("one batch", func(t *testing.T) {
		o := o
		o.MicroBatch = 16
		e := open(t, draft, o)
		info := e.Info()
		require.Len(t, info.Devices, 2)
		assert.Equal(t, "layer 0", info.Devices[0].Stage.String())
		assert.Equal(t, info.Memory.Total(), info.Devices[0].Memory.Total()+info.Devices[1].Memory.Total())
		require.Len(t, e.Placed(), 2)
		assert.Contains(t, e.Placed()[1], "device 2: layer 1 of 2 on adapter "+adapters[:1])
		_, cached := same(t, all(e, requests))
		assert.Zero(t, cached)
		_, cached = same(t, all(e, requests))
		assert.Positive(t, cached)
		require.NoError(t, e.Check())

		// A session of each in the other.
		from, to := e, open(t, draft, umbra.Options{Context: 160})
		for range 2 {
			path := filepath.Join(t.TempDir(), "session.umbra-kv")
			ids := append(from.Tokenizer().Encode(requests[0].Prompt, tokenizer.EncodeOptions{AddSpecial: true, ParseSpecial: true}), want[0]...)
			saved, err := from.SaveSession(path, ids[:len(ids)-1])
			require.NoError(t, err)
			loaded, err := to.LoadSession(path)
			require.NoError(t, err)
			require.Len(t, loaded, saved)
			a := generate(context.Background(), to, requests[0])
			require.NoError(t, a.err)
			assert.Equal(t, want[0], a.tokens)
			assert.GreaterOrEqual(t, a.Usage.Cached, a.Usage.Prompt-16)
			from, to = one, open(t, draft, o)
		}
		x, err := one.Embed(context.Background(), umbra.EmbedRequest{Text: requests[0].Prompt})
		require.NoError(t, err)
		y, err := e.Embed(context.Background(), umbra.EmbedRequest{Text: requests[0].Prompt})
		require.NoError(t, err)
		assert.Equal(t, x, y)
	})
	for _, how := range []scheduler.Preemption{scheduler.Swap, scheduler.Recompute} {
		t.Run("chunks, few blocks, "+how.String(), func(t *testing.T) {
			o := o
			o.BatchTokens, o.MicroBatch, o.Blocks, o.Preemption, o.NoPrefixReuse = 24, 8, 10, how, true
			e := open(t, draft, o)
			preemptions := 0
			for tries := 0; tries < 8 && preemptions == 0; tries++ { // it depends on who comes first
				preemptions, _ = same(t, all(e, requests))
			}
			if one.Info().Adapter.Kind == gpu.KindCPU { // a fast device may have done with the first before the last comes
				assert.Positive(t, preemptions)
			}
		})
	}
	t.Run("with proposals", func(t *testing.T) {
		o := o
		o.Blocks, o.Speculation = 12, umbra.Speculation{By: umbra.ByText, Always: true}
		o.Split = []float64{1, 1}
		e := open(t, draft, o)
		greedy := []umbra.Request{requests[0], requests[2], requests[2]}
		for i, a := range all(e, greedy) {
			require.NoError(t, a.err)
			assert.Equal(t, want[[]int{0, 2, 2}[i]], a.tokens)
		}
		assert.Positive(t, e.Speculated().Proposed[0])
		require.NoError(t, e.Check())
	})
	require.NoError(t, one.Close())
	defer func() { assert.LessOrEqual(t, runtime.NumGoroutine(), goroutines) }()
	for range 100 { // those that end on their own
		if runtime.NumGoroutine() <= goroutines {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// TestThreeDevices: with a draft model, three devices give another engine's tokens, and so they do without.
func TestThreeDevices(t *testing.T) {
	if !soak {
		t.Skip("package model has three devices, this all of an engine: UMBRA_SOAK=1 runs it")
	}
	g := oracle(t)[6]
	small, err := gguf.Open(draft)
	require.NoError(t, err)
	defer small.Close()
	e := open(t, gopher, umbra.Options{Adapter: twice(t, 3), Split: []float64{3, 3, 2}, Context: 96, Sequences: 1, BatchTokens: 32, MicroBatch: 8,
		Speculation: umbra.Speculation{By: umbra.ByDraft, Draft: small, Always: true}})
	g.check(t, generate(context.Background(), e, umbra.Request{Prompt: g.Prompt, MaxTokens: 48}))
	assert.Positive(t, e.Speculated().Proposed[0])
	info := e.Info()
	assert.Equal(t, []string{"layers 0 to 2", "layers 3 to 5", "layers 6 to 7"},
		[]string{info.Devices[0].Stage.String(), info.Devices[1].Stage.String(), info.Devices[2].Stage.String()})
}

// TestDevicesRefused: what cannot be is said before weights are on their way.
func TestDevicesRefused(t *testing.T) {
	two, three := twice(t, 2), twice(t, 3)
	for _, c := range []struct {
		o    umbra.Options
		want string
	}{
		{umbra.Options{Adapter: three}, "model: 3 devices for 2 layers: each needs one at least; name fewer adapters"},
		{umbra.Options{Adapter: two, Split: []float64{1, 2, 3}}, "model: a split in 3 shares for 2 devices; give one for each"},
		{umbra.Options{Adapter: two, Split: []float64{1, 0}}, "model: share 2 of the split is 0"},
		{umbra.Options{Split: []float64{1, 1}}, "umbra: a split in shares is for several adapters; name them, say as 0,1"},
		{umbra.Options{Adapter: two, MicroBatch: -1}, "model: micro-batches of -1 rows"},
		{umbra.Options{Adapter: two + ",99"}, `nothing is left that matches "99"`},
	} {
		_, err := umbra.Open(draft, c.o)
		assert.ErrorContains(t, err, c.want)
	}
}

// TestDevicesShare: a share of memory is one of both devices' room, which on one adapter is that of one device.
func TestDevicesShare(t *testing.T) {
	f, err := gguf.Open(draft)
	require.NoError(t, err)
	defer f.Close()
	o := umbra.Options{Context: 64, KVShare: 0.002}
	one, err := umbra.PlanFor(f, o)
	if errors.Is(err, gpu.ErrMemoryUnknown) {
		t.Skip(err)
	}
	require.NoError(t, err)
	o.Adapter, o.Split = twice(t, 2), []float64{1, 1}
	two, err := umbra.PlanFor(f, o)
	require.NoError(t, err)
	assert.InEpsilon(t, one.KV, two.KV, 0.05)
	assert.Equal(t, two.KV, 2*two.Stages[1].KV)
}
