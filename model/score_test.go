package model_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"umbra/model"
	"umbra/model/gguf"
	"umbra/scheduler/batch"
)

// TestScores asks for scores beside tokens and logits of other sequences: each is what the same rows' logits say.
func TestScores(t *testing.T) {
	for _, name := range []string{"oracle/arch/qwen2.gguf", "gopher-draft-4m-q8_0.gguf"} {
		m := load(t, open(t, name), model.Options{Sequences: 4, BatchTokens: 64, Outputs: 64, Blocks: 8, Context: 64})
		r := rand.New(rand.NewPCG(2, 2))
		vocab := m.Plan().Config.Vocab
		ids, targets := randomIDs(r, 20, vocab), randomIDs(r, 7, vocab)
		all := &batch.Batch{}
		rows(all, ids, 0, 20, []int32{0, 1}, 20, batch.WantLogits)
		want, err := m.Run(all)
		require.NoError(t, err)

		b := &batch.Batch{}
		rows(b, ids, 0, 5, []int32{2}, 3, batch.WantToken)
		rows(b, ids, 0, 20, []int32{3, 4}, 7, batch.WantScore)
		rows(b, ids, 0, 6, []int32{5}, 2, batch.WantLogits)
		rows(b, ids, 0, 12, []int32{6}, 4, batch.WantScore)
		b.Sequences[1].Targets, b.Sequences[3].Targets = targets, targets[:4]
		got, err := m.Run(b)
		require.NoError(t, err)
		require.Len(t, got, 16)
		score := func(row, target int) float64 {
			return float64(want[row].Logits[targets[target]]) - lse(want[row].Logits)
		}
		for i := range 7 {
			assert.InDelta(t, score(13+i, i), got[3+i].Score, 2e-5)
			assert.Equal(t, want[13+i].Token, got[3+i].Token)
		}
		for i := range 4 {
			assert.InDelta(t, score(8+i, i), got[12+i].Score, 2e-5)
		}
		for _, i := range []int{0, 10} {
			assert.Zero(t, got[i].Score)
		}
		assert.Len(t, got[11].Logits, vocab)
	}
}

// TestScoreNaN: where there are no logits there is no score.
func TestScoreNaN(t *testing.T) {
	x := contentsOf(t, open(t, "oracle/arch/llama3-scaled.gguf"))
	v, was := x.values("output.weight")
	v[64*7] = float32(math.NaN())
	x.put("output.weight", gguf.F32, v, was.dims...)
	m := load(t, x.file(), model.Options{Sequences: 1, BatchTokens: 8, Blocks: 4, Context: 64})
	b := sequence([]int32{1, 2, 3}, 0, []int32{0}, batch.WantScore)
	b.Sequences[0].Outputs, b.Sequences[0].Targets = 1, []int32{9}
	out, err := m.Run(b)
	require.NoError(t, err)
	assert.True(t, math.IsNaN(out[0].Score), "%v", out[0].Score)
	assert.GreaterOrEqual(t, out[0].Token, int32(0))
}
