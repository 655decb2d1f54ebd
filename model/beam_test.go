package model_test

import (
	"cmp"
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"umbra/model"
	"umbra/scheduler"
)

// TestBeams: a beam search on the device gives the hypotheses of one on the reference, where every beam is its tokens,
// computed anew from the first, and all candidates are listed and sorted.
func TestBeams(t *testing.T) {
	f := open(t, "oracle/arch/qwen2.gguf")
	m := load(t, f, model.Options{Sequences: 4, BatchTokens: 24, Blocks: 24, Context: 64})
	ref := newReference(t, f)
	config := scheduler.Config{BlockSize: model.BlockSize, Blocks: 24, MaxBatchTokens: 24, MaxSequences: 4, Context: 64,
		Vocabulary: m.Plan().Config.Vocab}
	prompts := [][]int32{{5, 6, 7}, make([]int32, 30)}
	for i := range prompts[1] {
		prompts[1][i] = int32(i * 7 % 256)
	}
	ended, widths := 0, 2
	if soak {
		widths = 5
	}
	for _, c := range []struct {
		width   int
		penalty float64
		early   bool
	}{{2, 1, true}, {4, -0.5, true}, {1, 0, false}, {3, 0, false}, {4, 1, false}}[:widths] {
		for _, prompt := range prompts {
			var ends []int32
			for id := range int32(40) { // many, so that some hypotheses end
				ends = append(ends, id*6)
			}
			want := bruteBeams(ref, prompt, c.width, c.penalty, c.early, 6, ends)
			s, err := scheduler.New(config)
			require.NoError(t, err)
			_, err = s.Add(scheduler.Request{Prompt: prompt, Beams: c.width, N: c.width, LengthPenalty: c.penalty, EarlyStopping: c.early,
				MaxTokens: 6, StopTokens: ends})
			require.NoError(t, err)
			var got []scheduler.Event
			for b := s.Next(); b != nil; b = s.Next() {
				out, err := m.Run(b)
				require.NoError(t, err)
				events, err := s.Commit(b, out)
				require.NoError(t, err)
				require.NoError(t, s.Check())
				got = append(got, events...)
			}
			require.Len(t, got, len(want), "%+v", c)
			for i, h := range want {
				tokens, reason := h.tokens, scheduler.Length
				if slices.Contains(ends, tokens[len(tokens)-1]) {
					tokens, reason = tokens[:len(tokens)-1], scheduler.StopToken
					ended++
				}
				require.Equal(t, slices.Clip(tokens), slices.Clip(got[i].Tokens), "%+v, prompt of %d, hypothesis %d", c, len(prompt), i)
				require.Equal(t, reason, got[i].Reason)
				require.InDelta(t, h.sum, got[i].LogProb, 1e-3)
				require.InDelta(t, h.score, got[i].Score, 1e-3)
			}
		}
	}
	require.NotZero(t, ended, "or the test tests too little")
}

type hypothesis struct {
	tokens     []int32
	sum, score float64
}

// bruteBeams searches on the reference.
func bruteBeams(ref *reference, prompt []int32, width int, penalty float64, early bool, longest int, ends []int32) (done []hypothesis) {
	finish := func(h hypothesis) {
		h.score = h.sum / math.Pow(float64(len(h.tokens)), penalty)
		done = append(done, h)
		slices.SortStableFunc(done, func(a, b hypothesis) int { return cmp.Compare(b.score, a.score) })
		done = done[:min(len(done), width)]
	}
	beams := []hypothesis{{}}
	for range longest {
		var all []hypothesis
		for _, b := range beams {
			text := slices.Concat(prompt, b.tokens)
			logits := ref.logits(text, func(p int) bool { return p == len(text)-1 })
			row := logits[len(logits)-1]
			sum := 0.0
			for _, l := range row {
				sum += math.Exp(l)
			}
			for id, l := range row {
				all = append(all, hypothesis{tokens: append(slices.Clone(b.tokens), int32(id)), sum: b.sum + l - math.Log(sum)})
			}
		}
		slices.SortStableFunc(all, func(a, b hypothesis) int { return cmp.Compare(b.sum, a.sum) })
		beams = nil
		for rank, h := range all {
			if !slices.Contains(ends, h.tokens[len(h.tokens)-1]) {
				beams = append(beams, h)
			} else if rank < width {
				finish(h)
			}
			if len(beams) == width {
				break
			}
		}
		if early && len(done) == width {
			return done
		}
	}
	for _, b := range beams {
		finish(b)
	}
	return done
}
