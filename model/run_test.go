package model_test

import (
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"umbra/model"
	"umbra/model/gguf"
	"umbra/scheduler/batch"
)

// TestRunRefuses breaks a good batch in one place at a time. Each error names the value, and afterwards the good batch
// still gives what it gave before.
func TestRunRefuses(t *testing.T) {
	m := load(t, open(t, "oracle/arch/qwen2.gguf"), model.Options{Sequences: 2, BatchTokens: 24, Outputs: 6, Blocks: 8, Context: 64})
	ids := []int32{7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24}
	good := func() *batch.Batch {
		b := &batch.Batch{}
		rows(b, ids, 0, 18, []int32{5, 2}, 2, batch.WantLogits)
		rows(b, ids, 0, 3, []int32{7}, 3, batch.WantLogits)
		return b
	}
	copies := func(all ...batch.Copy) func(b *batch.Batch) { return func(b *batch.Batch) { b.Copies = all } }
	want, err := m.Run(good())
	require.NoError(t, err)
	require.Len(t, want, 5)
	for _, c := range []struct {
		name   string
		change func(b *batch.Batch)
		want   string
	}{
		{"nothing", func(b *batch.Batch) { *b = batch.Batch{} }, "empty batch"},
		{"too many rows", func(b *batch.Batch) { b.Tokens = make([]int32, 25) }, "batch of 25 rows is above the 24 the model was opened for"},
		{"a position less", func(b *batch.Batch) { b.Positions = b.Positions[:20] }, "batch of 21 tokens has 20 positions and 21 slots"},
		{"a slot more", func(b *batch.Batch) { b.Slots = append(b.Slots, 0) }, "batch of 21 tokens has 21 positions and 22 slots"},
		{"too many sequences", func(b *batch.Batch) {
			b.Sequences[1].Rows, b.Sequences[1].Outputs = 2, 2
			b.Sequences = append(b.Sequences, batch.Sequence{Start: 20, Rows: 1, Blocks: []int32{1}})
		}, "batch of 3 sequences is above the 2 the model was opened for"},
		{"too many outputs", func(b *batch.Batch) { b.Sequences[0].Outputs = 4 }, "batch with 7 outputs is above the 6 the model was opened for"},
		{"top-k above what kernels give", func(b *batch.Batch) { b.TopK = 65 }, "top-k of 65 is outside 0..64"},
		{"negative top-k", func(b *batch.Batch) { b.TopK = -1 }, "top-k of -1 is outside 0..64"},

		{"token past the vocabulary", func(b *batch.Batch) { b.Tokens[3] = 256 }, "row 3: token 256 is outside the vocabulary of 256"},
		{"fed by none", func(b *batch.Batch) { b.Tokens[20] = ^5 }, "row 20 is fed by output 5 of the batch before, which has 5"},
		{"negative token", func(b *batch.Batch) { b.Tokens[20] = math.MinInt32 }, "row 20 is fed by output 2147483647 of the batch before, which has 5"},
		{"position past the context", func(b *batch.Batch) { b.Positions[17] = 64 }, "row 17: position 64 is outside the context of 64"},
		{"negative position", func(b *batch.Batch) { b.Positions[0] = -1 }, "row 0: position -1 is outside the context of 64"},
		{"slot past the pool", func(b *batch.Batch) { b.Slots[18] = 128 }, "row 18: slot 128 is outside the pool of 128"},
		{"negative slot", func(b *batch.Batch) { b.Slots[18] = -16 }, "row 18: slot -16 is outside the pool of 128"},

		{"position left out", func(b *batch.Batch) { b.Positions[20] = 3 }, "row 20: position 3 does not follow 1"},
		{"position twice", func(b *batch.Batch) { b.Positions[5] = 4 }, "row 5: position 4 does not follow 4"},
		{"slot of another block", func(b *batch.Batch) { b.Slots[16] = 16 }, "row 16: slot 16 is not slot 32, where its block holds position 16"},
		{"slot of another position", func(b *batch.Batch) { b.Slots[1] = 82 }, "row 1: slot 82 is not slot 81, where its block holds position 1"},

		{"block past the pool", func(b *batch.Batch) { b.Sequences[1].Blocks = []int32{8} }, "sequence 1: block 8 is outside the pool of 8"},
		{"negative block", func(b *batch.Batch) { b.Sequences[0].Blocks = []int32{-1, 2} }, "sequence 0: block -1 is outside the pool of 8"},
		{"too few blocks", func(b *batch.Batch) { b.Sequences[0].Blocks = []int32{5} }, "sequence 0: 1 blocks for positions up to 17"},
		{"no blocks", func(b *batch.Batch) { b.Sequences[1].Blocks = nil }, "sequence 1: 0 blocks for positions up to 2"},
		{"more blocks than a context has", func(b *batch.Batch) { b.Sequences[1].Blocks = make([]int32, 5) }, "sequence 1: 5 blocks for positions up to 2"},

		{"copy past the pool", copies(batch.Copy{From: 1, To: 8}), "copy 0 of block 1 to 8: block 8 is outside the pool of 8"},
		{"copy of a negative block", copies(batch.Copy{From: 0, To: 1}, batch.Copy{From: -1, To: 3}), "copy 1 of block -1 to 3: block -1 is outside the pool of 8"},
		{"two copies to a block", copies(batch.Copy{From: 0, To: 1}, batch.Copy{From: 3, To: 1}), "copy 1 of block 3 to 1: another copy writes block 1 too"},
		{"copy of a copy", copies(batch.Copy{From: 0, To: 1}, batch.Copy{From: 1, To: 3}), "copy 0 of block 0 to 1: one of them is both read and written by copies"},
		{"copy to itself", copies(batch.Copy{From: 4, To: 4}), "copy 0 of block 4 to 4: one of them is both read and written by copies"},

		{"sequence without rows", func(b *batch.Batch) { b.Sequences[1].Rows, b.Sequences[1].Outputs = 0, 0 },
			"sequence 1: rows 18+0 with 0 outputs do not follow row 18 of 21"},
		{"negative rows", func(b *batch.Batch) { b.Sequences[0].Rows = -3 }, "sequence 0: rows 0+-3 with 2 outputs do not follow row 0 of 21"},
		{"rows past the end", func(b *batch.Batch) { b.Sequences[1].Rows = math.MaxInt }, "do not follow row 18 of 21"},
		{"rows of nobody", func(b *batch.Batch) { b.Sequences[1].Rows, b.Sequences[1].Outputs = 2, 2 }, "sequences have 20 rows of 21"},
		{"no sequences", func(b *batch.Batch) { b.Sequences = nil }, "sequences have 0 rows of 21"},
		{"overlap", func(b *batch.Batch) { b.Sequences[1].Start = 17 }, "sequence 1: rows 17+3 with 3 outputs do not follow row 18 of 21"},
		{"gap", func(b *batch.Batch) { b.Sequences[0].Start = 1 }, "sequence 0: rows 1+18 with 2 outputs do not follow row 0 of 21"},
		{"more outputs than rows", func(b *batch.Batch) { b.Sequences[1].Outputs = 4 }, "sequence 1: rows 18+3 with 4 outputs do not follow row 18 of 21"},
		{"too few targets", func(b *batch.Batch) { b.Sequences[1].Want, b.Sequences[1].Targets = batch.WantScore, []int32{1, 2} }, "sequence 1: 2 targets for 3 outputs"},
		{"target past the vocabulary", func(b *batch.Batch) { b.Sequences[0].Want, b.Sequences[0].Targets = batch.WantScore, []int32{1, 256} },
			"sequence 0: target 256 is outside the vocabulary of 256"},
		{"negative target", func(b *batch.Batch) { b.Sequences[0].Want, b.Sequences[0].Targets = batch.WantScore, []int32{-1, 6} },
			"sequence 0: target -1 is outside the vocabulary of 256"},
		{"negative outputs", func(b *batch.Batch) { b.Sequences[0].Outputs = -1 }, "sequence 0: rows 0+18 with -1 outputs do not follow row 0 of 21"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := good()
			c.change(b)
			out, err := m.Run(b)
			assert.Nil(t, out)
			require.ErrorContains(t, err, "model: ")
			assert.ErrorContains(t, err, c.want)
			again, err := m.Run(good())
			require.NoError(t, err)
			assert.Equal(t, want, again)
		})
	}
}

// TestWants asks for tokens, the top and all logits of the same rows, together.
func TestWants(t *testing.T) {
	m := load(t, open(t, "oracle/arch/qwen2.gguf"), model.Options{Sequences: 3, BatchTokens: 24, Outputs: 8, Blocks: 8, Context: 64})
	b := &batch.Batch{TopK: 5}
	ids := []int32{1, 2, 3, 4}
	rows(b, ids, 0, 4, []int32{0}, 2, batch.WantToken)
	rows(b, ids, 0, 4, []int32{1}, 2, batch.WantTop)
	rows(b, ids, 0, 4, []int32{2}, 2, batch.WantLogits)
	out, err := m.Run(b)
	require.NoError(t, err)
	require.Len(t, out, 6)
	for i := range 2 {
		token, top, all := out[i], out[2+i], out[4+i]
		require.Len(t, all.Logits, 256)
		order := make([]int32, 256)
		for j := range order {
			order[j] = int32(j)
		}
		slices.SortStableFunc(order, func(a, b int32) int {
			if all.Logits[a] > all.Logits[b] {
				return -1
			}
			return 1
		})
		assert.Equal(t, batch.Output{Token: order[0]}, token)
		assert.Equal(t, order[:5], top.TopIDs)
		assert.Nil(t, top.Logits)
		assert.Nil(t, all.TopIDs)
		for j, id := range top.TopIDs {
			assert.InDelta(t, all.Logits[id], top.TopLogits[j], 1e-5)
		}
		assert.Equal(t, order[0], top.Token)
		assert.Equal(t, order[0], all.Token)
	}
	b.Sequences[0].Outputs, b.Sequences[1].Outputs, b.Sequences[2].Outputs = 0, 0, 0
	out, err = m.Run(b)
	require.NoError(t, err)
	assert.Empty(t, out)
}

// TestNaN gives models weights that are no numbers: a token is then -1, a top empty, and nothing crashes.
func TestNaN(t *testing.T) {
	nan := float32(math.NaN())
	spoil := func(t *testing.T, base, tensor string, from, to int) *model.Model {
		x := contentsOf(t, open(t, "oracle/arch/"+base+".gguf"))
		v, was := x.values(tensor)
		for i := from; i < min(to, len(v)); i++ {
			v[i] = nan
		}
		x.put(tensor, gguf.F32, v, was.dims...)
		return load(t, x.file(), model.Options{Sequences: 3, BatchTokens: 24, Outputs: 24, Blocks: 8, Context: 64})
	}
	three := func(ids []int32) *batch.Batch {
		b := &batch.Batch{TopK: 3}
		for i, want := range []batch.Want{batch.WantToken, batch.WantTop, batch.WantLogits} {
			rows(b, ids, 0, len(ids), []int32{int32(i)}, len(ids), want)
		}
		return b
	}
	for _, c := range []struct{ base, tensor string }{
		{"qwen2", "output_norm.weight"}, {"qwen2", "blk.0.attn_q.bias"}, {"llama3-scaled", "blk.0.attn_v.weight"},
		{"llama3-scaled", "blk.1.ffn_down.weight"}, {"llama3-scaled", "token_embd.weight"}, {"llama3-scaled", "output.weight"},
	} {
		t.Run(c.tensor, func(t *testing.T) {
			out, err := spoil(t, c.base, c.tensor, 0, math.MaxInt).Run(three([]int32{5, 4, 3, 2, 1, 0}))
			require.NoError(t, err)
			require.Len(t, out, 18)
			for i, o := range out {
				assert.Equal(t, int32(-1), o.Token, "output %d", i)
				assert.Empty(t, o.TopIDs, "output %d", i)
				assert.False(t, slices.ContainsFunc(o.Logits, func(v float32) bool { return v == v }), "output %d", i)
			}
		})
	}
	// One row of the head: one logit, which never wins.
	t.Run("one logit", func(t *testing.T) {
		good, err := load(t, open(t, "oracle/arch/llama3-scaled.gguf"), model.Options{Sequences: 3, BatchTokens: 24, Outputs: 24}).Run(three([]int32{1}))
		require.NoError(t, err)
		best := int(good[0].Token)
		out, err := spoil(t, "llama3-scaled", "output.weight", best*64, best*64+1).Run(three([]int32{1}))
		require.NoError(t, err)
		assert.Equal(t, good[1].TopIDs[1], out[0].Token)
		assert.Equal(t, good[1].TopIDs[1:], out[1].TopIDs[:2])
		assert.NotEqual(t, out[2].Logits[best], out[2].Logits[best])
	})
	// One row of the embeddings: only sequences with that token, and none that takes their pages over.
	t.Run("one token", func(t *testing.T) {
		m := spoil(t, "llama3-scaled", "token_embd.weight", 3*64, 3*64+1)
		alone := &batch.Batch{}
		rows(alone, []int32{9, 8, 7, 6, 5}, 0, 5, []int32{0}, 5, batch.WantLogits)
		want, err := m.Run(alone)
		require.NoError(t, err)
		both := &batch.Batch{}
		rows(both, []int32{1, 3, 2, 3, 4, 3, 3, 3}, 0, 8, []int32{1}, 1, batch.WantToken)
		rows(both, []int32{9, 8, 7, 6, 5}, 0, 5, []int32{2}, 5, batch.WantLogits)
		got, err := m.Run(both)
		require.NoError(t, err)
		assert.Equal(t, int32(-1), got[0].Token)
		after := &batch.Batch{}
		rows(after, []int32{9, 8, 7, 6, 5}, 0, 5, []int32{1}, 5, batch.WantLogits)
		again, err := m.Run(after)
		require.NoError(t, err)
		for i, o := range want {
			for j, v := range o.Logits {
				require.InDelta(t, v, got[1+i].Logits[j], 5e-5, "beside it: position %d, token %d", i, j)
				require.InDelta(t, v, again[i].Logits[j], 5e-5, "in its page: position %d, token %d", i, j)
			}
		}
	})
}
