package model_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"umbra/gpu/gputest"
	"umbra/model"
	"umbra/scheduler/batch"
	"umbra/shaders"
)

// rows appends rows first..to-1 of a sequence to a batch.
func rows(b *batch.Batch, ids []int32, first, to int, blocks []int32, outputs int, want batch.Want) {
	s := sequence(ids[:to], first, blocks, want)
	s.Sequences[0].Start, s.Sequences[0].Outputs, s.Sequences[0].ID = len(b.Tokens), outputs, uint64(len(b.Sequences))
	b.Tokens = append(b.Tokens, s.Tokens...)
	b.Positions = append(b.Positions, s.Positions...)
	b.Slots = append(b.Slots, s.Slots...)
	b.Sequences = append(b.Sequences, s.Sequences...)
}

func randomIDs(r *rand.Rand, n, vocab int) []int32 {
	ids := make([]int32, n)
	for i := range ids {
		ids[i] = int32(r.IntN(vocab))
	}
	return ids
}

// TestDeepContexts decodes sequences around 8,192 tokens, where parts of a split context become longer, so that a longer
// context may have fewer: together they must be what they are alone. Their tables name a few pages many times over.
func TestDeepContexts(t *testing.T) {
	c := contentsOf(t, open(t, "oracle/arch/qwen2.gguf"))
	c.set("qwen2.context_length", uint32(20000))
	f := c.file()
	r := rand.New(rand.NewPCG(1, 1))
	ids := randomIDs(r, 20000, 256)
	for _, narrow := range []bool{true, false} {
		t.Run(fmt.Sprintf("narrow=%v", narrow), func(t *testing.T) {
			m, err := model.NewTuned(gputest.Device(t), shaders.Tuning{Narrow: narrow}, f,
				model.Options{Sequences: 4, BatchTokens: 112, Outputs: 8, Blocks: 20, Context: 20000})
			require.NoError(t, err)
			defer m.Release()
			prefill := make([]int32, 7)
			for i := range prefill {
				prefill[i] = int32(i)
			}
			b := &batch.Batch{}
			rows(b, ids, 0, 112, prefill, 0, batch.WantToken)
			_, err = m.Run(b)
			require.NoError(t, err)

			parts := [][2]int{{8199, 8200}, {4998, 5000}, {8190, 8194}, {16500, 16501}}
			var tables [][]int32
			for i, p := range parts {
				table := make([]int32, p[1]/model.BlockSize+1)
				for j := range table {
					table[j] = int32(r.IntN(7))
				}
				for j := p[0] / model.BlockSize; j < len(table); j++ { // written to, so its own
					table[j] = int32(7 + 2*i + j - p[0]/model.BlockSize)
				}
				tables = append(tables, table)
			}
			var alone [][]float32
			together := &batch.Batch{}
			for i, p := range parts {
				b := &batch.Batch{}
				rows(b, ids, p[0], p[1], tables[i], p[1]-p[0], batch.WantLogits)
				out, err := m.Run(b)
				require.NoError(t, err)
				for _, o := range out {
					alone = append(alone, o.Logits)
				}
				rows(together, ids, p[0], p[1], tables[i], p[1]-p[0], batch.WantLogits)
			}
			out, err := m.Run(together)
			require.NoError(t, err)
			require.Len(t, out, len(alone))
			for i, o := range out {
				worst := 0.0
				for j, v := range o.Logits {
					worst = max(worst, math.Abs(float64(v-alone[i][j])))
				}
				assert.Zero(t, worst, "output %d", i)
			}
		})
	}
}
