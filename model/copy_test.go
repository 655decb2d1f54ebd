package model_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"umbra/gpu"
	"umbra/gpu/gputest"
	"umbra/model"
	"umbra/scheduler/batch"
	"umbra/shaders"
)

// TestFork runs 20 tokens and forks the sequence in three: all share its full block, and two get copies of the last one,
// which the first goes on writing to in the same step. Each then gives what it gives alone; to the bit with narrow kernels
// on a CPU. The pool is in chunks, and copies go within and between them.
func TestFork(t *testing.T) {
	f := open(t, "oracle/arch/qwen2.gguf")
	d := gputest.Device(t)
	for _, kv := range []model.KVType{model.F32, model.F16, model.I8} {
		for _, narrow := range []bool{true, false} {
			if !narrow && !soak {
				continue
			}
			t.Run(fmt.Sprintf("%v narrow=%v", kv, narrow), func(t *testing.T) {
				m, at := inChunks(t, d, f, shaders.Tuning{Narrow: narrow}, kv)
				ids := randomIDs(rand.New(rand.NewPCG(9, 9)), 20, 256)
				var all [3][]int32
				for i := range all {
					all[i] = append(append(all[i], ids...), randomIDs(rand.New(rand.NewPCG(10, uint64(i))), 20, 256)...)
				}
				// alone runs a sequence without forks, in the same steps.
				alone := func(ids []int32) (all [][]float32) {
					blocks := []int32{at[3], at[4], at[5]}
					for _, step := range [][2]int{{0, 20}, {20, 21}, {21, 36}, {36, 40}} {
						out, err := m.Run(sequence(ids[:step[1]], step[0], blocks, batch.WantLogits))
						require.NoError(t, err)
						if step[0] > 0 {
							for _, o := range out {
								all = append(all, o.Logits)
							}
						}
					}
					return all
				}
				var want [3][][]float32
				for i := range all {
					want[i] = alone(all[i])
				}
				tables := [3][]int32{{at[11], at[2], at[6]}, {at[11], at[0], at[7]}, {at[11], at[9], at[8]}}
				_, err := m.Run(sequence(ids, 0, tables[0], batch.WantToken))
				require.NoError(t, err)
				var got [3][][]float32
				for _, step := range [][2]int{{20, 21}, {21, 36}, {36, 40}} {
					b := &batch.Batch{}
					if step[0] == 20 {
						b.Copies = []batch.Copy{{From: at[2], To: at[0]}, {From: at[2], To: at[9]}}
					}
					for i := range all {
						rows(b, all[i], step[0], step[1], tables[i], step[1]-step[0], batch.WantLogits)
					}
					out, err := m.Run(b)
					require.NoError(t, err)
					for i := range all {
						for _, o := range out[i*len(out)/3:][:len(out)/3] {
							got[i] = append(got[i], o.Logits)
						}
					}
				}
				for i := range all {
					require.Len(t, got[i], 20)
					if narrow && d.Info().Kind == gpu.KindCPU {
						assert.Equal(t, want[i], got[i], "sequence %d", i)
					}
					for p := range got[i] {
						assert.InDeltaSlice(t, want[i][p], got[i][p], roundTrip(kv), "sequence %d, position %d", i, 20+p)
					}
				}
			})
		}
	}
}

// roundTrip is how far logits may be apart because sums in another order were rounded to pages: a key at a tie may become
// either neighbour.
func roundTrip(kv model.KVType) float64 {
	return map[model.KVType]float64{model.F32: 1e-4, model.F16: 5e-3, model.I8: 5e-2}[kv]
}

// inChunks opens a model with a layer's KV in three buffers, and returns twelve blocks spread over them.
func inChunks(t *testing.T, d *gpu.Device, src model.Source, tuning shaders.Tuning, kv model.KVType) (*model.Model, []int32) {
	o := model.Options{Sequences: 3, BatchTokens: 60, Outputs: 60, Context: 48, KVType: kv}
	small := d.Limits()
	small.StorageBindingSize, small.BufferSize = 64<<10, 64<<10
	p, err := model.PlanFor(src, o, small)
	require.NoError(t, err)
	o.Blocks = int(5 * small.StorageBindingSize / 2 / (p.Config.KVBytesPerToken(kv) / uint64(p.Config.Layers) * model.BlockSize))
	m, err := model.NewWithin(d, small, tuning, src, o)
	require.NoError(t, err)
	t.Cleanup(m.Release)
	require.Equal(t, 3, model.Chunks(m))
	blocks := make([]int32, 12)
	for i := range blocks {
		blocks[i] = int32(i * (o.Blocks - 1) / 11)
	}
	return m, blocks
}
