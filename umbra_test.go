package umbra_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"umbra"
	"umbra/gpu"
	"umbra/model/gguf"
	"umbra/scheduler"
	"umbra/scheduler/sample"
)

const gopher = "testdata/gopher-28m-q8_0.gguf"
const draft = "testdata/gopher-draft-4m-q8_0.gguf"

func open(t testing.TB, path string, o umbra.Options) *umbra.Engine {
	t.Helper()
	e, err := umbra.Open(path, o)
	if errors.Is(err, gpu.ErrNoAdapter) {
		t.Skipf("no adapter: %v", err)
	}
	require.NoError(t, err)
	t.Cleanup(func() { e.Close() })
	return e
}

// answer is all of a continuation, of several answers one behind the other.
type answer struct {
	text   string
	tokens []int32
	umbra.Result
	err error
}

func generate(ctx context.Context, e *umbra.Engine, r umbra.Request) (a answer) {
	texts, tokens := make([]string, max(1, r.N)), make([][]int32, max(1, r.N))
	a.Result, a.err = e.Generate(ctx, r, func(c umbra.Chunk) error {
		texts[c.Answer] += c.Text
		tokens[c.Answer] = append(tokens[c.Answer], c.Tokens...)
		return nil
	})
	a.text, a.tokens = strings.Join(texts, ""), slices.Concat(tokens...)
	return a
}

// all runs requests at the same time.
func all(e *umbra.Engine, requests []umbra.Request) []answer {
	answers := make([]answer, len(requests))
	var wg sync.WaitGroup
	for i, r := range requests {
		wg.Go(func() { answers[i] = generate(context.Background(), e, r) })
	}
	wg.Wait()
	return answers
}

type greedy struct {
	Prompt    string  `json:"prompt"`
	PromptIDs []int32 `json:"prompt_ids"`
	IDs       []int32 `json:"ids"`
}

func oracle(t testing.TB) (list []greedy) {
	raw, err := os.ReadFile("testdata/oracle/gopher-greedy.json")
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(raw, &list))
	require.Len(t, list, 10)
	return list
}

// check compares a continuation with the other engine's, which ends with the end token if it came.
func (g greedy) check(t *testing.T, a answer) {
	t.Helper()
	require.NoError(t, a.err)
	want, reason := g.IDs, scheduler.Length
	if last := want[len(want)-1]; last == 1 {
		want, reason = want[:len(want)-1], scheduler.StopToken
	}
	assert.Equal(t, want, a.tokens, "%q", g.Prompt)
	assert.Equal(t, reason, a.Reason)
	assert.Equal(t, len(g.PromptIDs), a.Usage.Prompt)
	assert.Equal(t, len(g.IDs), a.Usage.Generated)
}

// TestGreedy gives the other engine's tokens alone and in one batch.
func TestGreedy(t *testing.T) {
	list := oracle(t)
	t.Run("one by one", func(t *testing.T) {
		e := open(t, gopher, umbra.Options{Context: 384})
		for i, g := range list {
			if i%3 != 0 && !soak { // of these the first ends; the longest is in the batch
				continue
			}
			a := generate(context.Background(), e, umbra.Request{Prompt: g.Prompt, MaxTokens: 48})
			g.check(t, a)
			assert.True(t, strings.HasPrefix(e.Tokenizer().Decode(append(g.PromptIDs[1:len(g.PromptIDs):len(g.PromptIDs)], a.tokens...)), g.Prompt))
			assert.Equal(t, e.Tokenizer().Decode(a.tokens), a.text)
		}
	})
	t.Run("one batch", func(t *testing.T) {
		var requests []umbra.Request
		var want []greedy
		for i, g := range list {
			if i%2 == 0 || soak { // the longest is the ninth
				requests, want = append(requests, umbra.Request{Prompt: g.Prompt, MaxTokens: 48}), append(want, g)
			}
		}
		for i, a := range all(open(t, gopher, umbra.Options{Context: 384, Sequences: 10}), requests) {
			want[i].check(t, a)
		}
	})
}

// TestGreedyTogether gives the tokens of each alone in one batch, chunked, preempted and forked.
func TestGreedyTogether(t *testing.T) {
	list := subjectGreedy(t)
	f, err := gguf.Open(subject())
	require.NoError(t, err)
	defer f.Close()
	plan, err := umbra.PlanFor(f, umbra.Options{Context: 384})
	require.NoError(t, err)
	block := plan.BlockBytes()
	var requests []umbra.Request
	longest := 0
	for i, g := range list {
		requests = append(requests, umbra.Request{Prompt: g.Prompt, MaxTokens: 48})
		if len(g.PromptIDs) > len(list[longest].PromptIDs) {
			longest = i
		}
	}
	for _, c := range []struct {
		name    string
		options umbra.Options
		preempt bool
		swap    bool
	}{
		{"one batch", umbra.Options{Context: 384, Sequences: 10}, false, false},
		{"one batch, within the limits of every device", umbra.Options{Context: 384, Sequences: 10, Limits: gpu.FloorLimits}, false, false},
		{"one batch, no step ahead", umbra.Options{Context: 384, Sequences: 10, Synchronous: true}, false, false},
		{"chunked at 16", umbra.Options{Context: 384, Sequences: 10, BatchTokens: 16}, false, false},
		{"computed again", umbra.Options{Context: 384, Sequences: 10, Blocks: 24, NoPrefixReuse: true}, true, false},
		{"computed again, less what is found", umbra.Options{Context: 384, Sequences: 10, Blocks: 24}, true, false},
		{"swapped", umbra.Options{Context: 384, Sequences: 10, Blocks: 24, Preemption: scheduler.Swap}, true, true},
		{"swapped to disk", umbra.Options{Context: 384, Sequences: 10, Blocks: 24, Preemption: scheduler.Swap, NoPrefixReuse: true,
			SwapBytes: 7 * block, SwapDiskBytes: 30 * block, SwapDir: t.TempDir()}, true, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			var steps []umbra.StepRecord
			c.options.OnStep = func(r umbra.StepRecord) { steps = append(steps, r) }
			c.options.Warn = func(err error) { assert.NoError(t, err) }
			e := open(t, subject(), c.options)
			preemptions := 0
			for i, a := range longestFirst(e, requests, longest) {
				list[i].check(t, a)
				preemptions += a.Usage.Preemptions
			}
			assert.Equal(t, c.preempt, preemptions > 0, "%d preemptions", preemptions)
			require.NoError(t, e.Close()) // the last step has been recorded
			saved, loaded := 0, 0
			for _, r := range steps {
				saved += r.BlocksSaved
				loaded += r.BlocksLoaded
			}
			assert.Equal(t, c.swap, saved > 0, "%d blocks saved", saved)
			assert.Equal(t, c.swap, loaded > 0, "%d blocks loaded", loaded)
			if c.options.SwapDir != "" {
				left, err := os.ReadDir(c.options.SwapDir)
				require.NoError(t, err)
				assert.Empty(t, left, "files are removed")
			}
		})
	}
	t.Run("forked", func(t *testing.T) {
		shared := 0
		e := open(t, subject(), umbra.Options{Context: 384, Sequences: 10, OnStep: func(r umbra.StepRecord) { shared = max(shared, r.BlocksShared) }})
		for i, g := range list {
			if i%2 == 1 && !soak {
				continue // the longest is the ninth
			}
			r := requests[i]
			r.N = 2
			tokens := make([][]int32, 2)
			result, err := e.Generate(context.Background(), r, func(c umbra.Chunk) error {
				tokens[c.Answer] = append(tokens[c.Answer], c.Tokens...)
				return nil
			})
			require.NoError(t, err)
			g.check(t, answer{tokens: tokens[0], Result: result})
			assert.Equal(t, tokens[0], tokens[1])
		}
		require.NoError(t, e.Close()) // the last step has been recorded
		assert.GreaterOrEqual(t, shared, len(list[longest].PromptIDs)/16, "the whole blocks of the longest prompt")
	})
}

// TestGreedyChunks computes prompts one token at a time, seven at a time, and all but what an earlier request has left in the
// cache: the tokens are those of each alone.
func TestGreedyChunks(t *testing.T) {
	list := subjectGreedy(t)
	for _, c := range []struct {
		name    string
		options umbra.Options
		longest int // prompts above it are left out, for the time they take
		rounds  int
	}{
		{"one by one", umbra.Options{Context: 384, Sequences: 1, BatchTokens: 1}, 20, 1},
		{"seven by seven", umbra.Options{Context: 384, Sequences: 7, BatchTokens: 7}, 100, 1},
		{"with prefix hits", umbra.Options{Context: 384, Sequences: 10}, 384, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			if soak {
				c.longest = 384
			}
			e := open(t, subject(), c.options)
			var want []greedy
			var ask []umbra.Request
			for _, g := range list {
				if len(g.PromptIDs) <= c.longest {
					want, ask = append(want, g), append(ask, umbra.Request{Tokens: g.PromptIDs, MaxTokens: 48})
				}
			}
			require.GreaterOrEqual(t, len(want), 5)
			for round := range c.rounds {
				cached := 0
				for i, a := range all(e, ask) {
					want[i].check(t, a)
					cached += a.Usage.Cached
				}
				assert.Equal(t, round > 0, cached > 250, "round %d: %d tokens found in the cache", round, cached)
			}
		})
	}
}

// longestFirst runs requests at the same time, the longest some steps before the others: in a small pool it takes most of
// the blocks, those that it leaves are too few for the others to grow in, and so the newest must give way.
func longestFirst(e *umbra.Engine, requests []umbra.Request, longest int) []answer {
	answers := make([]answer, len(requests))
	running := make(chan struct{})
	others := sync.OnceFunc(func() { close(running) })
	var wg sync.WaitGroup
	for i, r := range requests {
		wg.Go(func() {
			if i != longest {
				<-running
				answers[i] = generate(context.Background(), e, r)
				return
			}
			a := &answers[i]
			a.Result, a.err = e.Generate(context.Background(), r, func(c umbra.Chunk) error {
				others()
				a.tokens = append(a.tokens, c.Tokens...)
				return nil
			})
			others() // if it failed
		})
	}
	wg.Wait()
	return answers
}

// TestSamplingIsReproducible samples with every filter; company must not change a sequence's tokens.
func TestSamplingIsReproducible(t *testing.T) {
	e := open(t, draft, umbra.Options{Context: 128, Sequences: 8})
	var requests []umbra.Request
	for i, p := range []sample.Params{
		{Temperature: 0.9, TopP: 1, Seed: 1},
		{Temperature: 1.2, TopK: 40, TopP: 0.9, MinP: 0.02, Seed: 2},
		{Temperature: 0.7, TopK: 5, TopP: 1, Seed: 3},
		{Temperature: 1, TopP: 0.95, Penalty: 1.2, PenaltyLast: 32, Seed: 4},
		{Penalty: 1.3, PenaltyLast: 64, TopP: 1},
		{},
	} {
		requests = append(requests, umbra.Request{Prompt: oracle(t)[i].Prompt, MaxTokens: 24, Sampling: p})
	}
	together := all(e, requests)
	for i, r := range requests {
		alone := generate(context.Background(), e, r)
		require.NoError(t, alone.err)
		assert.Equal(t, alone.tokens, together[i].tokens, "request %d", i)
	}
	r := requests[0]
	r.Sampling.Seed = 99
	assert.NotEqual(t, together[0].tokens, generate(context.Background(), e, r).tokens, "another seed")
}

// TestAnswers makes several answers of one prompt: each is what a request for one with its seed gives, and the best of
// several are the likeliest of those.
func TestAnswers(t *testing.T) {
	e := open(t, draft, umbra.Options{Context: 128, Sequences: 6})
	g := oracle(t)[7]
	r := umbra.Request{Prompt: g.Prompt, MaxTokens: 20, Sampling: sample.Params{Temperature: 1, TopP: 1, Seed: 7}}
	several := func(n, bestOf int) (umbra.Result, [][]int32, []string) {
		q := r
		q.N, q.BestOf = n, bestOf
		tokens, texts := make([][]int32, n), make([]string, n)
		result, err := e.Generate(context.Background(), q, func(c umbra.Chunk) error {
			tokens[c.Answer] = append(tokens[c.Answer], c.Tokens...)
			texts[c.Answer] += c.Text
			return nil
		})
		require.NoError(t, err)
		require.Len(t, result.Answers, n)
		return result, tokens, texts
	}
	_, tokens, texts := several(5, 0)
	different := 0
	for i := range tokens {
		q := r
		q.Sampling.Seed += uint64(i)
		alone := generate(context.Background(), e, q)
		require.NoError(t, alone.err)
		assert.Equal(t, alone.tokens, tokens[i], "answer %d", i)
		assert.Equal(t, alone.text, texts[i])
		if texts[i] != texts[0] {
			different++
		}
	}
	assert.Positive(t, different)
	result, best, _ := several(2, 5)
	assert.GreaterOrEqual(t, result.Answers[0].LogProb, result.Answers[1].LogProb)
	assert.Less(t, result.Answers[0].LogProb, 0.0)
	assert.Contains(t, tokens, best[0])
	assert.Contains(t, tokens, best[1])

	ctx, cancel := context.WithCancel(context.Background())
	q := r
	q.N = 3
	q.MaxTokens = 100
	_, err := e.Generate(ctx, q, func(umbra.Chunk) error { cancel(); return nil })
	assert.ErrorIs(t, err, context.Canceled)
	q.N = 7
	_, err = e.Generate(context.Background(), q, nil)
	assert.ErrorContains(t, err, "7", "more answers than run at once")
	require.NoError(t, generate(context.Background(), e, r).err, "others go on")
}

// TestKVShare: the KV pool as a share of the memory that weights and scratch leave.
func TestKVShare(t *testing.T) {
	e := open(t, draft, umbra.Options{Context: 64, KVShare: 0.002})
	info := e.Info()
	total, err := info.Adapter.Memory()
	if err != nil {
		t.Skip(err)
	}
	got, want := float64(info.Plan.KV), 0.002*float64(total-info.Plan.Weights-info.Plan.Scratch)
	assert.LessOrEqual(t, got, want)
	assert.InDelta(t, 1, got/want, 0.02, "whole blocks")
	f, err := gguf.Open(draft)
	require.NoError(t, err)
	defer f.Close()
	plan, err := umbra.PlanFor(f, umbra.Options{Context: 64, KVShare: 0.002, Adapter: strconv.Itoa(info.Adapter.Index)})
	require.NoError(t, err)
	assert.Equal(t, info.Plan.Blocks, plan.Blocks)
	for share, want := range map[float64]string{-1: "a share of -1 of the memory", 1.5: "is outside 0..1", 1e-9: "not a context of 64"} {
		_, err := umbra.PlanFor(f, umbra.Options{Context: 64, KVShare: share})
		assert.ErrorContains(t, err, want)
	}
	_, err = umbra.PlanFor(f, umbra.Options{KVShare: 0.1, Blocks: 4})
	assert.ErrorContains(t, err, "give one of them")
}

// TestPlanAtFloor: a plan for the smallest device has no room for a KV pool that a larger one takes.
func TestPlanAtFloor(t *testing.T) {
	f, err := gguf.Open(gopher)
	require.NoError(t, err)
	defer f.Close()
	o := umbra.Options{Blocks: 4*4096 + 1} // of 32 KiB a layer, in up to 4 bindings of 128 MiB
	_, err = umbra.PlanFor(f, o)
	require.NoError(t, err)
	o.Limits = gpu.FloorLimits
	_, err = umbra.PlanFor(f, o)
	require.ErrorContains(t, err, "use at most 16384 blocks")
	o.Blocks--
	_, err = umbra.PlanFor(f, o)
	require.NoError(t, err)
	o.Limits = "ceiling"
	_, err = umbra.PlanFor(f, o)
	require.ErrorContains(t, err, `limits "ceiling" are not known`)
}

// TestBeams: one beam is greedy; several find answers at least as likely, best first.
func TestBeams(t *testing.T) {
	e := open(t, gopher, umbra.Options{Context: 128, Sequences: 4})
	for _, g := range oracle(t)[:3] {
		search := func(beams, n int) ([]string, umbra.Result) {
			texts := make([]string, n)
			result, err := e.Generate(context.Background(), umbra.Request{Prompt: g.Prompt, MaxTokens: 12, Beams: beams, N: n}, func(c umbra.Chunk) error {
				texts[c.Answer] += c.Text
				return nil
			})
			require.NoError(t, err)
			require.Len(t, result.Answers, n)
			return texts, result
		}
		want, got := search(1, 1)
		assert.Equal(t, e.Tokenizer().Decode(g.IDs[:12]), want[0])
		texts, best := search(4, 3)
		assert.GreaterOrEqual(t, best.Answers[0].LogProb, got.Answers[0].LogProb-1e-3, "but for the rounding of sums")
		for i := range 2 {
			assert.GreaterOrEqual(t, best.Answers[i].Score, best.Answers[i+1].Score)
			assert.NotEqual(t, texts[i], texts[i+1])
		}
	}
	_, err := e.Generate(context.Background(), umbra.Request{Prompt: "x", Beams: 5}, nil)
	assert.ErrorContains(t, err, "5 answers are asked for; at most 4 sequences run at once")
}

// TestPriority queues three requests behind one that runs; the most urgent is served first.
func TestPriority(t *testing.T) {
	e := open(t, draft, umbra.Options{Context: 128, Sequences: 1, Policy: scheduler.Priority})
	running := make(chan struct{})
	first := sync.OnceFunc(func() { close(running) })
	var mu sync.Mutex
	var ended []int
	var wg sync.WaitGroup
	ask := func(priority int, emit func(umbra.Chunk) error) {
		wg.Go(func() {
			_, err := e.Generate(context.Background(), umbra.Request{Tokens: []int32{0, 337, 745}, MaxTokens: 100, IgnoreEnd: true, Priority: priority}, emit)
			assert.NoError(t, err)
			mu.Lock()
			defer mu.Unlock()
			ended = append(ended, priority)
		})
	}
	ask(0, func(umbra.Chunk) error { first(); return nil })
	<-running
	for _, p := range []int{1, 3, 2} {
		ask(p, func(umbra.Chunk) error { return nil })
	}
	wg.Wait()
	assert.Equal(t, []int{0, 3, 2, 1}, ended)
}

func TestStopStrings(t *testing.T) {
	e := open(t, subject(), umbra.Options{Context: 384})
	g := oracle(t)[3] // ends with "return nil, err"-like lines
	whole := generate(context.Background(), e, umbra.Request{Prompt: g.Prompt, MaxTokens: 20})
	stop := whole.text[5:9]
	a := generate(context.Background(), e, umbra.Request{Prompt: g.Prompt, MaxTokens: 20, Stop: []string{stop}})
	require.NoError(t, a.err)
	assert.Equal(t, scheduler.StopString, a.Reason)
	assert.Equal(t, whole.text[:strings.Index(whole.text, stop)], a.text)
}

func TestErrorsAndCancelling(t *testing.T) {
	before := runtime.NumGoroutine()
	e := open(t, draft, umbra.Options{Context: 64, Sequences: 2})
	_, err := e.Generate(context.Background(), umbra.Request{Prompt: strings.Repeat("x ", 100)}, nil)
	assert.ErrorContains(t, err, "64", "a prompt longer than the context")
	_, err = e.Generate(context.Background(), umbra.Request{Tokens: []int32{1 << 20}}, nil)
	assert.ErrorContains(t, err, "1048576")
	_, err = e.Generate(context.Background(), umbra.Request{Prompt: "a", Sampling: sample.Params{Temperature: -1}}, nil)
	assert.ErrorContains(t, err, "temperature")

	ctx, cancel := context.WithCancel(context.Background())
	n := 0
	_, err = e.Generate(ctx, umbra.Request{Prompt: "package main\n"}, func(umbra.Chunk) error {
		if n++; n == 3 {
			cancel()
		}
		return nil
	})
	assert.ErrorIs(t, err, context.Canceled)
	_, err = e.Generate(ctx, umbra.Request{Prompt: "x"}, nil)
	assert.ErrorIs(t, err, context.Canceled)
	_, err = e.Generate(context.Background(), umbra.Request{Prompt: "package main\n"}, func(umbra.Chunk) error { return assert.AnError })
	assert.ErrorIs(t, err, assert.AnError, "an error of emit ends it")

	a := generate(context.Background(), e, umbra.Request{Prompt: "package main\n"})
	require.NoError(t, a.err)
	assert.Contains(t, []scheduler.Reason{scheduler.ContextFull, scheduler.StopToken}, a.Reason, "others go on")

	started := make(chan struct{})
	ended := make(chan error)
	go func() {
		var once sync.Once
		_, err := e.Generate(context.Background(), umbra.Request{Prompt: "func main() {\n"}, func(umbra.Chunk) error {
			once.Do(func() { close(started) })
			return nil
		})
		ended <- err
	}()
	<-started
	require.NoError(t, e.Close())
	if err := <-ended; err != nil { // it may just have been done
		assert.ErrorIs(t, err, umbra.ErrClosed)
	}
	require.NoError(t, e.Close())
	_, err = e.Generate(context.Background(), umbra.Request{Prompt: "x"}, nil)
	assert.ErrorIs(t, err, umbra.ErrClosed)
	for i := 0; runtime.NumGoroutine() > before && i < 100; i++ {
		time.Sleep(10 * time.Millisecond)
	}
	assert.LessOrEqual(t, runtime.NumGoroutine(), before, "no goroutine is left")
}

func TestOpenErrors(t *testing.T) {
	_, err := umbra.Open("testdata/none.gguf", umbra.Options{})
	assert.ErrorIs(t, err, os.ErrNotExist)
	_, err = umbra.OpenBytes("junk", []byte("not a model at all, but long enough"), umbra.Options{})
	assert.ErrorContains(t, err, "junk")
	_, err = umbra.Open(draft, umbra.Options{KVType: "q3"})
	assert.ErrorContains(t, err, `"q3"`)
	_, err = umbra.Open(draft, umbra.Options{Adapter: "no such card"})
	assert.ErrorIs(t, err, gpu.ErrNoAdapter)
	for _, o := range []umbra.Options{{Context: 5000}, {Sequences: 100, BatchTokens: 10}, {Blocks: 1 << 30}, {BatchTokens: 1 << 24}} {
		_, err = umbra.Open(draft, o)
		if !errors.Is(err, gpu.ErrNoAdapter) {
			assert.ErrorContains(t, err, "model:", "%+v", o)
		}
	}
}

// TestAccount compares the plan, and the textbook formula, with the bytes the device accounts for.
func TestAccount(t *testing.T) {
	for _, kv := range []string{"f32", "f16"} {
		e := open(t, gopher, umbra.Options{Context: 256, Sequences: 4, KVType: kv, Lazy: true})
		i := e.Info()
		bytes := map[string]uint64{"f32": 4, "f16": 2}[kv]
		assert.Equal(t, 2*8*4*64*bytes*uint64(i.Plan.Blocks)*16, i.Memory[gpu.KV])
		assert.Equal(t, i.Plan.KV, i.Memory[gpu.KV])
		assert.Equal(t, i.Plan.Weights, i.Memory[gpu.Weights])
		assert.LessOrEqual(t, i.Plan.Scratch, i.Memory[gpu.Scratch])
		assert.Less(t, i.Memory[gpu.Scratch]-i.Plan.Scratch, uint64(1<<16), "staging")
	}
}
