package umbra_test

import (
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"umbra"
	"umbra/gpu"
	"umbra/model"
	"umbra/model/gguf"
	"umbra/scheduler"
	"umbra/scheduler/sample"
)

// most keeps how many blocks were held at once, and adds up what was preempted and found.
type most struct{ held, preempted, saved, hits int }

func (m *most) step(r umbra.StepRecord) {
	m.held = max(m.held, r.Blocks-r.BlocksFree)
	m.preempted, m.saved, m.hits = m.preempted+r.Preemptions, m.saved+r.BlocksSaved, m.hits+r.PrefixHits
}

// TestWindowsFree has models whose layers have windows of 16 tokens, in some layers or in all, go far beyond: tokens are those of each request
// alone, together, in chunks, with answers and beams that fork, preempted, with what is found of earlier requests, and with proposals. The blocks held
// are far fewer than all layers would take, and a pool does that holds less than one request of full blocks.
func TestWindowsFree(t *testing.T) {
	const context, longest = 256, 240
	r := rand.New(rand.NewPCG(1, 1))
	ids := func(n int) []int32 {
		ids := make([]int32, n)
		for i := range ids {
			ids[i] = r.Int32N(200) + 3
		}
		return ids
	}
	random := ids(164)
	requests := []umbra.Request{
		{Tokens: ids(40), MaxTokens: longest - 40},
		{Tokens: ids(45), MaxTokens: longest - 45},
		{Tokens: random, MaxTokens: 30, N: 2, Sampling: sample.Params{Temperature: 1, TopP: 1, Seed: 3}},
		{Tokens: random[:90], MaxTokens: 20, N: 2, Beams: 2},
	}
	if soak {
		requests = append(requests, umbra.Request{Tokens: ids(41), MaxTokens: longest - 41})
	}
	for i := range requests {
		requests[i].IgnoreEnd = true
	}
	swapped := umbra.Options{Preemption: scheduler.Swap, Speculation: umbra.Speculation{By: umbra.ByText, Always: true, Most: 5}}
	for _, c := range []struct {
		name    string
		options umbra.Options
		soak    bool
	}{
		{"gemma2", umbra.Options{}, true}, {"gemma2", swapped, true},
		{"gemma3", umbra.Options{}, true}, {"gemma3", swapped, false},
		{"cohere2", umbra.Options{}, true}, {"cohere2", swapped, true},
	} {
		t.Run(c.name+", "+c.options.Preemption.String(), func(t *testing.T) {
			if c.soak && !soak {
				t.Skip("with UMBRA_SOAK=1")
			}
			f, err := gguf.Open("testdata/oracle/arch/" + c.name + ".gguf")
			require.NoError(t, err)
			t.Cleanup(func() { f.Close() })
			openWith := func(o umbra.Options) (*umbra.Engine, *most) {
				m := &most{}
				o.Context, o.Sequences, o.OnStep, o.Lazy = context, 6, m.step, true
				e, err := umbra.OpenSource(f, o)
				if errors.Is(err, gpu.ErrNoAdapter) {
					t.Skipf("no adapter: %v", err)
				}
				require.NoError(t, err)
				t.Cleanup(func() { e.Close() })
				return e, m
			}
			requests := slices.Clone(requests)
			if c.options.Speculation.By != umbra.NoProposals {
				requests[2].Sampling.TopP = 0 // drawn without a choice: with proposals draws are only as likely
			}
			roomy, alone := openWith(umbra.Options{NoPrefixReuse: true, BatchTokens: 512})
			p := roomy.Info().Plan
			whole := p.Lanes() * (longest / model.BlockSize)
			var want [][][]int32
			for _, q := range requests {
				tokens, _ := allAnswers(t, roomy, q, nil)
				want = append(want, tokens)
				require.NoError(t, roomy.Check())
			}
			assert.Less(t, alone.held, whole)
			assert.LessOrEqual(t, alone.held, p.Need(longest, len(random))+2*p.Need(64, 1), "a prompt in one step, and two answers")
			together := func(e *umbra.Engine) {
				t.Helper()
				got := make([][][]int32, len(requests))
				var wg sync.WaitGroup
				for i, q := range requests {
					wg.Go(func() { got[i], _ = allAnswers(t, e, q, nil) })
				}
				wg.Wait()
				assert.Equal(t, want, got)
				require.NoError(t, e.Check())
				st, ok := e.Stats()
				require.True(t, ok)
				require.Equal(t, st.Blocks, st.BlocksFree)
				require.Len(t, st.Groups, len(p.Groups))
			}
			together(roomy)

			blocks := max(p.Need(context, 1), 2*(p.Need(48, 1)+p.Lanes())+4) // to begin two, and to end one
			require.Less(t, blocks, whole)
			c.options.KVBytes, c.options.BatchTokens = uint64(blocks)*p.BlockBytes(), 24
			tight, m := openWith(c.options)
			require.Equal(t, blocks, tight.Info().Plan.Blocks)
			together(tight)
			windowsOnly := p.Groups[0].Window > 0                                            // they hold no more as they go on, so nobody gives way
			for tries := 0; !windowsOnly && tries < 8 && preempted(t, tight) == 0; tries++ { // it depends on who comes first
				together(tight)
			}
			tokens, _ := allAnswers(t, tight, requests[2], nil)
			assert.Equal(t, want[2], tokens)
			short := requests[2] // whose answer takes no block that the end of the prompt is in
			short.N, short.MaxTokens = 1, 1
			first, _ := allAnswers(t, tight, short, nil)
			again, result := allAnswers(t, tight, short, nil)
			assert.Equal(t, first, again)
			assert.Equal(t, (len(random)-1)/model.BlockSize*model.BlockSize, result.Usage.Cached)
			tokens, _ = allAnswers(t, tight, requests[2], nil)
			assert.Equal(t, want[2], tokens, "after what was found")
			if c.options.Speculation.By != umbra.NoProposals {
				accepted := 0
				for _, n := range tight.Speculated().Accepted {
					accepted += n
				}
				assert.Positive(t, accepted)
			}
			require.NoError(t, tight.Close()) // the last step has been recorded
			t.Logf("%d blocks held, %d preemptions, %d blocks saved, %d tokens found", m.held, m.preempted, m.saved, m.hits)
			if !windowsOnly {
				assert.Positive(t, m.preempted)
				assert.Equal(t, c.options.Preemption == scheduler.Swap, m.saved > 0)
			}
		})
	}
}

// preempted is how many requests have given way so far.
func preempted(t *testing.T, e *umbra.Engine) int {
	t.Helper()
	s, ok := e.Stats()
	require.True(t, ok)
	return s.Preemptions
}
