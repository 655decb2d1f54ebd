package model_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"umbra/gpu/gputest"
	"umbra/model"
	"umbra/model/gguf"
	"umbra/model/klfile"
	"umbra/model/score"
	"umbra/scheduler/batch"
	"umbra/shaders"
)

// scorer opens a model for windows.
func scorer(t testing.TB, src model.Source, tokens, rows int, tuning shaders.Tuning) *model.Model {
	t.Helper()
	d := gputest.Device(t)
	o, err := score.Sizes(src, tokens, rows, d.Limits())
	require.NoError(t, err)
	m, err := model.NewTuned(d, tuning, src, o)
	require.NoError(t, err)
	t.Cleanup(m.Release)
	return m
}

// logSoftmax is a distribution's logarithms.
func logSoftmax(logits []float64) []float64 {
	highest, sum := math.Inf(-1), 0.0
	for _, v := range logits {
		highest = max(highest, v)
	}
	for _, v := range logits {
		sum += math.Exp(v - highest)
	}
	out := make([]float64, len(logits))
	for i, v := range logits {
		out[i] = v - highest - math.Log(sum)
	}
	return out
}

// TestScoreReference: perplexity by both ways of counting, as loops over the plain forward pass have it.
func TestScoreReference(t *testing.T) {
	const bos, window = 3, 20
	ids := randomIDs(rand.New(rand.NewPCG(9, 1)), 130, 256)
	for _, name := range []string{"qwen2", "llama3-scaled"} {
		f := open(t, "oracle/arch/"+name+".gguf")
		r := newReference(t, f)
		for _, stride := range []int{0, 7} {
			var all []float64
			if stride == 0 {
				for start := 0; start+window <= len(ids); start += window {
					text := append([]int32{bos}, ids[start+1:start+window]...)
					for p, row := range r.logits(text, everywhere) {
						if p >= window/2 && p+1 < window {
							all = append(all, -logSoftmax(row)[text[p+1]])
						}
					}
				}
				require.Len(t, all, 6*9)
			} else {
				for start := 0; start+window < len(ids); start += stride {
					text := ids[start : start+window]
					for p, row := range r.logits(text, everywhere) {
						if p+1 >= window-stride && p+1 < window {
							all = append(all, -logSoftmax(row)[text[p+1]])
						}
					}
				}
				require.Len(t, all, 16*7)
			}
			mean, square := 0.0, 0.0
			for _, v := range all {
				mean += v / float64(len(all))
			}
			for _, v := range all {
				square += (v - mean) * (v - mean) / float64(len(all))
			}
			windows, err := score.Counting{Context: window, Stride: stride}.Windows(ids, bos)
			require.NoError(t, err)
			for _, narrow := range []bool{true, false} {
				if !narrow && !soak {
					continue
				}
				m := scorer(t, f, window, 0, shaders.Tuning{Narrow: narrow})
				nll, err := score.Perplexity(context.Background(), m, windows, nil)
				require.NoError(t, err)
				require.Equal(t, len(all), nll.Count())
				perplexity, e := nll.Perplexity()
				assert.InEpsilon(t, math.Exp(mean), perplexity, 1e-5, "%s, stride %d, narrow %v", name, stride, narrow)
				assert.InEpsilon(t, math.Exp(mean)*math.Sqrt(square/float64(len(all)-1)), e, 1e-4)
			}
		}
	}
}

// TestScoreBatches: whatever the sizes of steps, outputs come in order, each once, and are what each window gives alone.
func TestScoreBatches(t *testing.T) {
	f := open(t, "oracle/arch/llama3-scaled.gguf")
	ids := randomIDs(rand.New(rand.NewPCG(9, 2)), 400, 256)
	windows, err := score.Counting{Context: 30}.Windows(ids, 1)
	require.NoError(t, err)
	more, err := score.Counting{Context: 24, Stride: 11}.Windows(ids[:90], 1)
	require.NoError(t, err)
	windows = append(windows, more...)
	type place struct{ window, at int }
	of := map[*int32]int{}
	for i, w := range windows {
		of[&w.Tokens[1]] = i
	}
	run := func(m *model.Model, windows []score.Window) (places []place, scores []float64) {
		err := score.Run(context.Background(), m, windows, batch.WantScore, func(w score.Window, at int, out []batch.Output) error {
			for i, o := range out {
				places = append(places, place{of[&w.Tokens[1]], at + i})
				scores = append(scores, o.Score)
			}
			return nil
		})
		require.NoError(t, err)
		return places, scores
	}
	alone := scorer(t, f, 30, 0, shaders.Tuning{Narrow: true})
	var want []float64
	var order []place
	for i := range windows {
		_, scores := run(alone, windows[i:i+1])
		want = append(want, scores...)
		for at := windows[i].First; at < len(windows[i].Tokens); at++ {
			order = append(order, place{i, at})
		}
	}
	sizes, wanted := []int{1, 16, 31, 200}, []int{0, 5}
	if soak {
		sizes, wanted = []int{1, 3, 16, 29, 31, 64, 200, 512}, []int{0, 1, 5, 16}
	}
	for _, rows := range sizes {
		for _, outputs := range wanted {
			o, err := score.Sizes(f, 30, rows, gputest.Device(t).Limits())
			require.NoError(t, err)
			if outputs > 0 {
				o.Outputs = outputs // the plan allows one for each sequence at least
			}
			m, err := model.NewTuned(gputest.Device(t), shaders.Tuning{Narrow: true}, f, o)
			require.NoError(t, err)
			places, got := run(m, windows)
			m.Release()
			require.Equal(t, order, places, "%d rows, %d outputs", rows, outputs)
			for i := range want {
				require.InDelta(t, want[i], got[i], 1e-5, "%d rows, %d outputs: %v", rows, outputs, places[i])
			}
		}
	}
}

// TestScoreEnds: an error of the receiver, and the end of the context, end a run, and the model goes on.
func TestScoreEnds(t *testing.T) {
	f := open(t, "oracle/arch/llama3-scaled.gguf")
	windows, err := score.Counting{Context: 16}.Windows(randomIDs(rand.New(rand.NewPCG(9, 3)), 320, 256), -1)
	require.NoError(t, err)
	m := scorer(t, f, 16, 32, shaders.Tuning{Narrow: true})
	stop := errors.New("stop")
	assert.ErrorIs(t, score.Run(context.Background(), m, windows, batch.WantScore, func(score.Window, int, []batch.Output) error { return stop }), stop)
	ctx, cancel := context.WithCancel(context.Background())
	steps := 0
	err = score.Run(ctx, m, windows, batch.WantScore, func(score.Window, int, []batch.Output) error {
		steps++
		cancel()
		return nil
	})
	assert.ErrorIs(t, err, context.Canceled)
	assert.LessOrEqual(t, steps, 4)
	_, err = score.Perplexity(context.Background(), m, windows, nil)
	assert.NoError(t, err)
	windows[3].Tokens[2] = 256
	_, err = score.Perplexity(context.Background(), m, windows, nil)
	assert.ErrorContains(t, err, "token 256 is outside the vocabulary")
}

// TestCompare saves one model's rows and compares others with them: the figures are those of the two models' own logits.
func TestCompare(t *testing.T) {
	x := contentsOf(t, open(t, "oracle/arch/llama3-scaled.gguf"))
	base := x.file()
	for _, name := range []string{"blk.0.ffn_down.weight", "blk.1.attn_q.weight", "output.weight"} {
		x.retype(name, gguf.Q4_0)
	}
	other := x.file()
	ids := randomIDs(rand.New(rand.NewPCG(9, 4)), 200, 256)
	windows, err := score.Counting{Context: 32}.Windows(ids, 1)
	require.NoError(t, err)
	ctx := context.Background()
	path := filepath.Join(t.TempDir(), "base.umbra-kl")
	h := klfile.Header{Model: "base", Vocab: 256, Context: 32, Rows: score.Scored(windows)}
	w, err := klfile.Create(path, h, ids)
	require.NoError(t, err)
	m := scorer(t, base, 32, 0, shaders.Tuning{Narrow: true})
	nll, err := score.Save(ctx, m, windows, w, nil)
	require.NoError(t, err)
	compare := func(m *model.Model) score.Comparison {
		r, err := klfile.Open(path)
		require.NoError(t, err)
		defer r.Close()
		assert.Equal(t, ids, r.Tokens)
		c, err := score.Compare(ctx, m, windows, r, nil)
		require.NoError(t, err)
		return c
	}

	same := compare(m)
	r := same.Result()
	assert.InDelta(t, 0, r.KL.Value, 1e-7)
	assert.InDelta(t, 0, r.MaxKL, 1e-7)
	assert.InDelta(t, 0, r.Largest, 1e-6)
	assert.InDelta(t, 1, r.Ratio.Value, 1e-6)
	assert.Equal(t, 1.0, r.SameBest.Value)
	perplexity, _ := nll.Perplexity()
	assert.InEpsilon(t, perplexity, r.Base.Value, 1e-6)

	n := scorer(t, other, 32, 0, shaders.Tuning{Narrow: true})
	changed := compare(n)
	r = changed.Result()
	kl, agree, rows := 0.0, 0.0, 0.0
	for _, w := range windows {
		a, b := logits(t, m, w.Tokens, 32), logits(t, n, w.Tokens, 32)
		for at := w.First; at < len(w.Tokens); at++ {
			p, q := logSoftmax(doubles(a[at-1])), logSoftmax(doubles(b[at-1]))
			best, found := 0, 0
			for i := range p {
				kl += math.Exp(p[i]) * (p[i] - q[i])
				if p[i] > p[best] {
					best = i
				}
				if q[i] > q[found] {
					found = i
				}
			}
			rows++
			if best == found {
				agree++
			}
		}
	}
	assert.InEpsilon(t, kl/rows, r.KL.Value, 1e-3)
	assert.Equal(t, agree/rows, r.SameBest.Value)
	assert.Greater(t, r.KL.Value, 1e-4)
	nll, err = score.Perplexity(ctx, n, windows, nil)
	require.NoError(t, err)
	perplexity, _ = nll.Perplexity()
	assert.InEpsilon(t, perplexity/r.Base.Value, r.Ratio.Value, 1e-5)

	// Rows for other windows.
	f, err := klfile.Open(path)
	require.NoError(t, err)
	defer f.Close()
	_, err = score.Compare(ctx, n, windows[1:], f, nil)
	assert.ErrorContains(t, err, fmt.Sprintf("the file has %d rows of 256 tokens, not %d of 256", h.Rows, h.Rows-15))
}

func doubles(v []float32) []float64 {
	out := make([]float64, len(v))
	for i, x := range v {
		out[i] = float64(x)
	}
	return out
}
