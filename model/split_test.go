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
	"umbra/model/gguf"
	"umbra/scheduler/batch"
	"umbra/shaders"
)

// TestSplitWeights keeps bindings so small that every matrix comes in parts (embeddings, head, q·k·v, attention output,
// gate with up, down) and every layer's KV in four chunks. What is computed does not change by a bit: parts are runs
// of rows, and each row is still one sum. Each part is a kernel to compile: few shapes, so that a cold cache is no hour.
func TestSplitWeights(t *testing.T) {
	for _, c := range []struct {
		arch   string
		kind   gguf.Type
		narrow bool
		limit  uint64 // bytes of 64 rows
		blocks int    // as many as take four chunks
		step   int    // rows
	}{
		{"qwen2", gguf.F32, true, 64 * 512, 30, 3},
		{"llama", gguf.Q8_0, false, 64 * 128, 8, 10},
	} {
		if !c.narrow && !soak {
			continue
		}
		t.Run(fmt.Sprintf("%s %v narrow=%v", c.arch, c.kind, c.narrow), func(t *testing.T) {
			x := build(t, shape{arch: c.arch, layers: 2, embed: 128, feedForward: 128, heads: 4, kvHeads: 1, headDim: 32, vocab: 130, context: 128})
			for _, tensor := range x.tensors {
				if len(tensor.dims) == 2 {
					x.retype(tensor.name, c.kind)
				}
			}
			f := x.file()
			r := rand.New(rand.NewPCG(2, 2))
			ids := randomIDs(r, 120, 130)
			want := newReference(t, f).logits(ids, everywhere)

			d, tuning := gputest.Device(t), shaders.Tuning{Narrow: c.narrow}
			o := model.Options{Sequences: 1, BatchTokens: 10, Outputs: 10, Blocks: c.blocks}
			small := d.Limits()
			small.StorageBindingSize, small.BufferSize = c.limit, c.limit
			split, err := model.NewWithin(d, small, tuning, f, o)
			require.NoError(t, err)
			defer split.Release()
			whole, err := model.NewTuned(d, tuning, f, o)
			require.NoError(t, err)
			defer whole.Release()
			assert.Equal(t, []int{3, 3, 3, 2, 4, 2}, model.Parts(split))
			assert.Equal(t, []int{1, 1, 1, 1, 1, 1}, model.Parts(whole))
			assert.Equal(t, []int{4, 1}, []int{model.Chunks(split), model.Chunks(whole)})
			var blocks []int32
			for _, b := range r.Perm(c.blocks)[:8] {
				blocks = append(blocks, int32(b))
			}
			var all [2][][]float32
			for i, m := range []*model.Model{split, whole} {
				for at := 0; at < len(ids); at += c.step {
					out, err := m.Run(sequence(ids[:at+c.step], at, blocks, batch.WantLogits))
					require.NoError(t, err)
					for _, o := range out {
						all[i] = append(all[i], o.Logits)
					}
				}
			}
			matches(t, all[0], want, 5e-5) // 3e-6 on lavapipe
			if d.Info().Kind == gpu.KindCPU {
				assert.Equal(t, all[1], all[0])
			}
		})
	}
}

// TestFewTilesOverflow decodes more sequences than a binding holds parts of split contexts for: the others go through
// the kernel for many rows.
func TestFewTilesOverflow(t *testing.T) {
	x := contentsOf(t, open(t, "oracle/arch/qwen2.gguf"))
	x.set("qwen2.context_length", uint32(20000)) // parts of 20 KiB a row
	f, d := x.file(), gputest.Device(t)
	small := d.Limits()
	small.StorageBindingSize, small.BufferSize = 64<<10, 64<<10
	for _, narrow := range []bool{true, false} {
		if !narrow && !soak {
			continue
		}
		m, err := model.NewWithin(d, small, shaders.Tuning{Narrow: narrow}, f,
			model.Options{Sequences: 6, BatchTokens: 128, Outputs: 12, Blocks: 20, Context: 20000})
		require.NoError(t, err)
		defer m.Release()
		require.Equal(t, 3, model.FewTiles(m))
		r, reference := rand.New(rand.NewPCG(8, 8)), newReference(t, f)
		prefill, decode := &batch.Batch{}, &batch.Batch{}
		var want [][]float64
		for i := range 6 {
			ids, blocks := randomIDs(r, 22, 256), []int32{int32(3 * i), int32(3*i + 1)}
			n := 1 + i%2 // rows
			rows(prefill, ids, 0, 20, blocks, 0, batch.WantToken)
			rows(decode, ids, 20, 20+n, blocks, n, batch.WantLogits)
			want = append(want, reference.logits(ids[:20+n], func(p int) bool { return p >= 20 })[20:]...)
		}
		_, err = m.Run(prefill)
		require.NoError(t, err)
		out, err := m.Run(decode)
		require.NoError(t, err)
		var got [][]float32
		for _, o := range out {
			got = append(got, o.Logits)
		}
		matches(t, got, want, 5e-5)
	}
}
