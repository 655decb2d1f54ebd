package model_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"umbra/gpu/gputest"
	"umbra/model"
	"umbra/model/gguf"
	"umbra/scheduler/batch"
	"umbra/shaders"
)

// TestSquares compares sums of squared inputs with those the plain forward pass has, over two texts in several steps, where q, k and v, and gate
// and up, are in one matrix and where they are not, with a head of its own and a tied one, and of each expert alone, in one tensor and many, with a
// shared one and without.
func TestSquares(t *testing.T) {
	mixed := contentsOf(t, open(t, "oracle/arch/llama3-scaled.gguf"))
	mixed.retype("blk.1.ffn_up.weight", gguf.F16)
	mixed.retype("blk.0.attn_k.weight", gguf.Q8_0)
	texts := [][]int32{randomIDs(rand.New(rand.NewPCG(5, 1)), 40, 256), randomIDs(rand.New(rand.NewPCG(5, 2)), 21, 256)}
	type piece struct{ text, first, to, outputs int }
	steps := [][]piece{{{0, 0, 10, 0}, {1, 0, 10, 0}}, {{0, 10, 20, 10}}, {{1, 10, 20, 10}}, {{0, 20, 39, 0}}, {{0, 39, 40, 1}, {1, 20, 21, 1}}}
	split := contentsOf(t, open(t, "oracle/arch/mixtral.gguf"))
	split.split()
	types := contentsOf(t, open(t, "oracle/arch/qwen2moe.gguf"))
	types.retypeAll("up_exps", gguf.F16)
	for name, f := range map[string]*gguf.File{
		"qwen2": open(t, "oracle/arch/qwen2.gguf"), "mixed": mixed.file(), "tied": open(t, "oracle/arch/llama-mha-tied.gguf"),
		"experts": open(t, "oracle/arch/qwen3moe.gguf"), "a tensor for each expert": split.file(), "shared expert": types.file(),
	} {
		if !soak && name != "mixed" && name != "experts" {
			continue
		}
		r := newReference(t, f)
		want, counts := map[string][]float64{}, map[string]int{}
		r.seen = func(tensor string, x []float64) {
			if want[tensor] == nil {
				want[tensor] = make([]float64, len(x))
			}
			for i, v := range x {
				want[tensor][i] += v * v
			}
			counts[tensor]++
		}
		for _, ids := range texts {
			r.logits(ids, func(p int) bool { return p >= 10 && p < 20 || p == len(ids)-1 })
		}
		for _, narrow := range []bool{true, false} {
			if !narrow && !soak {
				continue
			}
			m, err := model.NewTuned(gputest.Device(t), shaders.Tuning{Narrow: narrow}, f,
				model.Options{Sequences: 2, BatchTokens: 32, Outputs: 10, Blocks: 8, Context: 64, Squares: true})
			require.NoError(t, err)
			run := func() {
				for _, step := range steps {
					b := &batch.Batch{}
					for _, p := range step {
						rows(b, texts[p.text], p.first, p.to, [][]int32{{0, 1, 2}, {4, 5}}[p.text], p.outputs, batch.WantToken)
					}
					_, err := m.Run(b)
					require.NoError(t, err)
				}
			}
			for range 2 { // the second time from nothing again
				run()
				all, err := m.TakeSquares()
				require.NoError(t, err)
				seen := map[string]bool{}
				for _, s := range all {
					for _, tensor := range s.Tensors {
						cols := len(s.Sums) / len(s.Rows)
						for e, n := range s.Rows {
							of := tensor
							if len(s.Rows) > 1 {
								of = fmt.Sprintf("%s.%d.weight", strings.TrimSuffix(tensor, ".weight"), e)
							}
							assert.Equal(t, counts[of], n, of)
							seen[of] = true
							if n == 0 {
								require.Equal(t, make([]float32, cols), s.Sums[e*cols:][:cols], of)
								delete(seen, of)
								continue
							}
							require.Len(t, want[of], cols, of)
							for i, v := range want[of] {
								require.InEpsilon(t, v, s.Sums[e*cols+i], 1e-4, "%s %s, column %d", name, of, i)
							}
						}
					}
				}
				assert.Len(t, seen, len(want), "%s: each matrix", name)
			}
			none, err := m.TakeSquares()
			require.NoError(t, err)
			for _, s := range none {
				assert.Equal(t, make([]int, len(s.Rows)), s.Rows)
				assert.Zero(t, s.Sums[0])
			}
			m.Release()
		}
	}
	_, err := load(t, open(t, "oracle/arch/qwen2.gguf"), model.Options{Sequences: 1}).TakeSquares()
	assert.ErrorContains(t, err, "not made to sum squares")
}
