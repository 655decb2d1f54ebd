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
	"umbra/shaders"
)

// expandable is a tied llama of 256 columns whose matrices are ternary, but for v: gate and up are interleaved, q and k end to end.
func expandable(t testing.TB) *gguf.File {
	x := build(t, shape{arch: "llama", layers: 1, embed: 256, feedForward: 256, heads: 4, kvHeads: 2, headDim: 16, vocab: 259, context: 64, tied: true})
	for _, y := range x.tensors {
		if len(y.dims) == 2 && y.dims[0]%256 == 0 && y.name != "blk.0.attn_v.weight" {
			x.retype(y.name, gguf.TQ2_0)
		}
	}
	x.retype("blk.0.ffn_down.weight", gguf.TQ1_0)
	return x.file()
}

// What ternary types are expanded to has their values, so the logits, of up to 61, are those of the file's, to rounding: 1e-4 on
// lavapipe. It is 1e-5 with the same values in F32; sums of Q4_0 with quants of 7 to 9 have 8 times the sum of the row taken off. Wide
// kernels see no more than weights in Q4_0: with UMBRA_SOAK=1 only.
func TestExpandedTypes(t *testing.T) {
	f := expandable(t)
	ids := randomIDs(rand.New(rand.NewPCG(4, 4)), 21, 259)
	want := newReference(t, f).logits(ids, everywhere)
	for _, narrow := range []bool{true, false} {
		if !narrow && !soak {
			continue
		}
		t.Run(fmt.Sprintf("narrow=%v", narrow), func(t *testing.T) {
			m, err := model.NewTuned(gputest.Device(t), shaders.Tuning{Narrow: narrow}, f,
				model.Options{Sequences: 1, BatchTokens: 21, Outputs: 21, Blocks: 3, Context: 48})
			require.NoError(t, err)
			defer m.Release()
			matches(t, logits(t, m, ids, 21), want, 3e-4)
		})
	}
}

// The plan counts what the weights become, and says so once per type.
func TestPlanExpands(t *testing.T) {
	f := expandable(t)
	p, err := model.PlanFor(f, model.Options{Sequences: 1}, gpu.Limits{BufferSize: 1 << 40, StorageBindingSize: 4<<30 - 4})
	require.NoError(t, err)
	require.Len(t, p.Expanded, 2)
	values := map[gguf.Type]uint64{}
	for _, x := range f.Tensors {
		values[x.Type] += x.Elements()
	}
	for i, from := range []gguf.Type{gguf.TQ2_0, gguf.TQ1_0} {
		e := p.Expanded[i]
		n := values[from]
		assert.Equal(t, from, e.From)
		assert.Equal(t, gguf.Q4_0, e.To)
		assert.Equal(t, n/256*uint64(from.BlockBytes()), e.Bytes)
		assert.Equal(t, n/32*18, e.Expanded)
	}
	assert.Greater(t, p.Weights, p.Expanded[0].Expanded+p.Expanded[1].Expanded)
	assert.Equal(t, 1, p.Expanded[1].Tensors)
	assert.Equal(t, "tensor type TQ1_0 is expanded to Q4_0 at load (0.0 MB -> 0.0 MB)", p.Expanded[1].String())
}

// A scale that is no number ends the load with the tensor's name.
func TestExpandNaN(t *testing.T) {
	f := expandable(t)
	x, _ := f.Tensor("blk.0.attn_k.weight")
	data := f.Data(x)
	data[64], data[65] = 0x00, 0x7e // the first block's scale
	_, err := model.New(gputest.Device(t), f, model.Options{Sequences: 1, BatchTokens: 1, Blocks: 3, Context: 48})
	assert.ErrorContains(t, err, `tensor "blk.0.attn_k.weight", rows from 0 on: quant: value 0 is NaN, which Q4_0 cannot hold`)
}
