package model_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"umbra/gpu"
	"umbra/gpu/gputest"
	"umbra/model"
	"umbra/scheduler/batch"
	"umbra/shaders"
)

// TestVerify computes rows that all want output, as proposals do, beside other sequences: on narrow kernels each has the logits that it
// has alone, to the bit, or a greedy choice between two tokens that are all but equally likely might change.
func TestVerify(t *testing.T) {
	f := open(t, "gopher-draft-4m-q8_0.gguf")
	d := gputest.Device(t)
	m, err := model.NewTuned(d, shaders.Tuning{Narrow: true}, f, model.Options{Sequences: 3, Proposals: 18, BatchTokens: 200, Blocks: 24, Context: 256})
	require.NoError(t, err)
	defer m.Release()
	r := rand.New(rand.NewPCG(3, 4))
	ids := randomIDs(r, 200, 8192)
	tables := [][]int32{{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}, {13, 14, 15, 16}, {17, 18, 19, 20}}
	starts := []int{150, 20, 31} // the first in parts, as its context is long
	for i, at := range starts {
		b := &batch.Batch{}
		rows(b, ids, 0, at, tables[i], 0, batch.WantToken)
		_, err := m.Run(b)
		require.NoError(t, err)
	}
	for _, n := range [][]int{{2, 1, 1}, {5, 1, 8}, {8, 4, 1}, {1, 16, 3}} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			var want [][]float32
			for i, at := range starts {
				for k := range n[i] {
					b := &batch.Batch{}
					rows(b, ids, at+k, at+k+1, tables[i], 1, batch.WantLogits)
					out, err := m.Run(b)
					require.NoError(t, err)
					want = append(want, out[0].Logits)
				}
			}
			b := &batch.Batch{}
			for i, at := range starts {
				rows(b, ids, at, at+n[i], tables[i], n[i], batch.WantLogits)
			}
			out, err := m.Run(b)
			require.NoError(t, err)
			require.Len(t, out, len(want))
			for i := range want {
				if d.Info().Kind == gpu.KindCPU {
					require.Equal(t, want[i], out[i].Logits, "output %d", i)
				} else {
					require.InDeltaSlice(t, want[i], out[i].Logits, 1e-3, "output %d", i)
				}
			}
		})
	}
}
