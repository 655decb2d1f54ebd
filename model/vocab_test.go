package model_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"umbra/gpu"
	"umbra/gpu/gputest"
	"umbra/model"
	"umbra/model/gguf"
	"umbra/scheduler/batch"
	"umbra/shaders"
)

// TestLargeVocabulary asks a model whose vocabulary is cut into slices for candidates and all logits of the same rows, and feeds
// the next batch from what is left. What the plan says of memory is still what the device counts.
func TestLargeVocabulary(t *testing.T) {
	src := model.Synthetic(model.Shape{Name: "wordy", Architecture: "llama", Layers: 1, Embed: 32, FeedForward: 32, Heads: 2, KV: 1,
		HeadDim: 16, Vocab: 20_001, Context: 64, Base: 10000, Tied: true}, gguf.F16)
	for _, narrow := range []bool{true, false} {
		if !narrow && !soak {
			continue
		}
		for _, k := range []int{0, 5, 64} {
			t.Run(fmt.Sprintf("narrow=%v, top %d", narrow, k), func(t *testing.T) {
				d := gputest.Device(t)
				require.NoError(t, d.Flush()) // the device's own buffers are made with its first submission
				before := d.Memory()
				m, err := model.NewTuned(d, shaders.Tuning{Narrow: narrow}, src, model.Options{Sequences: 3, BatchTokens: 8, Outputs: 8, Blocks: 4, Context: 16})
				require.NoError(t, err)
				defer m.Release()
				assert.Equal(t, m.Plan().Scratch, d.Memory()[gpu.Scratch]-before[gpu.Scratch])

				ids := []int32{1, 20_000, 3, 16_384}
				b := &batch.Batch{TopK: k}
				rows(b, ids, 0, 4, []int32{0}, 3, batch.WantTop)
				rows(b, ids, 0, 4, []int32{1}, 3, batch.WantLogits)
				out, err := m.Run(b)
				require.NoError(t, err)
				for i := range 3 {
					want := shaders.TopKRef(out[3+i].Logits, max(1, k))
					assert.Equal(t, want, out[i].TopIDs)
					assert.Equal(t, want[0], out[i].Token)
				}
				fed, told := &batch.Batch{}, &batch.Batch{}
				rows(fed, append(ids, ^int32(2)), 4, 5, []int32{0}, 1, batch.WantLogits) // by the last row of the first sequence
				rows(told, append(ids, out[2].Token), 4, 5, []int32{1}, 1, batch.WantLogits)
				got, err := m.Run(fed)
				require.NoError(t, err)
				want, err := m.Run(told)
				require.NoError(t, err)
				assert.Equal(t, want[0].Logits, got[0].Logits)
			})
		}
	}
}
