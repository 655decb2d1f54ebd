package model_test

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"umbra/model"
	"umbra/scheduler/batch"
)

// TestHidden compares hidden states with the reference, in one batch and in several, over blocks in any order.
func TestHidden(t *testing.T) {
	for _, name := range []string{"oracle/arch/qwen2.gguf", "oracle/arch/llama-mha-tied.gguf"} {
		f := open(t, name)
		ids := randomIDs(rand.New(rand.NewPCG(3, 3)), 37, 256)
		want := newReference(t, f).hidden(ids)
		for _, rows := range []int{7, 64} {
			m := load(t, f, model.Options{Sequences: 1, BatchTokens: rows, Blocks: 5, Context: 48})
			n := 0
			rows = min(rows, len(ids))
			each := func(p int, h []float32) {
				require.Equal(t, n, p)
				n++
				require.Len(t, h, len(want[p]))
				for i := range h {
					assert.InDelta(t, want[p][i], h[i], 2e-3, "%s, %d rows, position %d, element %d", name, rows, p, i)
				}
			}
			for at := 0; at < len(ids); at += rows {
				require.NoError(t, m.Hidden(ids[at:min(at+rows, len(ids))], at, batch.Sequence{Blocks: []int32{3, 0, 4}}, each))
			}
			require.Equal(t, len(ids), n)
			require.ErrorContains(t, m.Hidden(ids[30:], 30, batch.Sequence{Blocks: []int32{3, 0}}, each), "2 blocks for positions up to 36")
		}
	}
}
