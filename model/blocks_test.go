package model_test

import (
	"encoding/binary"
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

// TestBlocks runs 40 tokens of two sequences, reads the first one's blocks, and writes them to other blocks of the same
// model, whose pool is in chunks, and of another, whose pool is smaller and whole. The sequence goes on there with the
// same logits to the bit, and the other sequence is not disturbed.
func TestBlocks(t *testing.T) {
	f := open(t, "oracle/arch/qwen2.gguf")
	d := gputest.Device(t)
	for _, kv := range []model.KVType{model.F32, model.F16, model.I8} {
		t.Run(kv.String(), func(t *testing.T) {
			tuning := shaders.TuningFor(d.Info())
			m, at := inChunks(t, d, f, tuning, kv)
			other := load(t, f, model.Options{Sequences: 1, BatchTokens: 40, Outputs: 10, Blocks: 5, Context: 48, KVType: kv})
			r := rand.New(rand.NewPCG(7, 7))
			one, two := randomIDs(r, 48, 256), randomIDs(r, 48, 256)
			first, second := []int32{at[11], at[0], at[5]}, []int32{at[2], at[10], at[6]}
			prefill := &batch.Batch{}
			rows(prefill, one, 0, 30, first, 0, batch.WantToken)
			rows(prefill, two, 0, 30, second, 0, batch.WantToken)
			_, err := m.Run(prefill)
			require.NoError(t, err)
			next := func(m *model.Model, ids, blocks []int32) (all [][]float32) {
				b := &batch.Batch{}
				rows(b, ids, 30, 33, blocks, 3, batch.WantLogits)
				out, err := m.Run(b)
				require.NoError(t, err)
				for _, o := range out {
					all = append(all, o.Logits)
				}
				return all
			}
			data, err := m.ReadBlocks(first[:2])
			require.NoError(t, err)
			size := int(m.Plan().BlockBytes())
			require.Len(t, data, 2*size)
			before := d.Memory()
			again, err := m.ReadBlocks(first[:2])
			require.NoError(t, err)
			assert.Equal(t, data, again)
			assert.Equal(t, before, d.Memory(), "staging memory is given back")
			// Whatever the pieces, the bytes are the same.
			twice, err := model.ReadBlocksBy(m, []int32{first[0], first[1], first[0]}, uint64(2*size))
			require.NoError(t, err)
			assert.Equal(t, append(append([]byte{}, data...), data[:size]...), twice)
			single, err := model.ReadBlocksBy(m, first[:2], 1)
			require.NoError(t, err)
			assert.Equal(t, data, single)
			// Blocks that were never written to are zero, and stay so beside what is restored.
			zero, err := m.ReadBlocks([]int32{at[4]})
			require.NoError(t, err)
			assert.Equal(t, make([]byte, size), zero)

			want, company := next(m, one, first), next(m, two, second)
			moved := []int32{at[3], at[9], at[1]}
			require.NoError(t, m.WriteBlocks(moved[:2], data))
			assert.Equal(t, want, next(m, one, moved))
			assert.Equal(t, company, next(m, two, second))
			require.NoError(t, model.WriteBlocksBy(other, []int32{4, 1}, data, uint64(size)))
			assert.Equal(t, want, next(other, one, []int32{4, 1, 0}))
			zero, err = m.ReadBlocks([]int32{at[4]})
			require.NoError(t, err)
			assert.Equal(t, make([]byte, size), zero)
			none, err := m.ReadBlocks(nil)
			require.NoError(t, err)
			assert.Empty(t, none)
			require.NoError(t, m.WriteBlocks(nil, nil))
		})
	}
}

// TestBlockBytes finds one token's value of one layer and head where ReadBlocks says it is.
func TestBlockBytes(t *testing.T) {
	f := open(t, "oracle/arch/llama-mha-tied.gguf")
	const token, head, slot = 9, 2, 5
	var exact []float64 // the value in f32
	for _, kv := range []model.KVType{model.F32, model.I8} {
		m := load(t, f, model.Options{Sequences: 1, BatchTokens: 16, Blocks: 3, Context: 48, KVType: kv})
		ids := make([]int32, 16)
		ids[slot] = token
		b := sequence(ids, 0, []int32{2}, batch.WantToken)
		b.Sequences[0].Outputs = 0
		_, err := m.Run(b)
		require.NoError(t, err)
		data, err := m.ReadBlocks([]int32{2})
		require.NoError(t, err)
		c := m.Plan().Config
		data = data[:len(data)/c.Layers] // layer 0
		row := (c.KVHeads+head)*model.BlockSize + slot
		switch kv {
		case model.F32:
			for i := range c.HeadDim {
				exact = append(exact, float64(math.Float32frombits(binary.LittleEndian.Uint32(data[4*(row*c.HeadDim+i):]))))
			}
			// Layer 0's values depend on the token alone.
			r := newReference(t, f)
			n := r.norm(append([]float64(nil), r.tensors["token_embd.weight"][token]...), r.tensors["blk.0.attn_norm.weight"], nil)
			assert.InDeltaSlice(t, product(r.tensors["blk.0.attn_v.weight"], n, nil)[head*c.HeadDim:][:c.HeadDim], exact, 1e-5)
		case model.I8:
			scale := float64(math.Float32frombits(binary.LittleEndian.Uint32(data[2*c.KVHeads*model.BlockSize*c.HeadDim+4*row:])))
			for i, x := range exact {
				assert.InDelta(t, x, float64(int8(data[row*c.HeadDim+i]))*scale, 0.501*scale, "element %d", i)
			}
		}
	}
}

func TestBlocksRefuse(t *testing.T) {
	m := load(t, open(t, "oracle/arch/qwen2.gguf"), model.Options{Sequences: 1, BatchTokens: 16, Blocks: 4, Context: 48})
	size := int(m.Plan().BlockBytes())
	for _, block := range []int32{-1, 4} {
		_, err := m.ReadBlocks([]int32{0, block})
		assert.EqualError(t, err, fmt.Sprintf("model: kv block %d is outside the pool of 4", block))
		assert.EqualError(t, m.WriteBlocks([]int32{block}, make([]byte, size)), fmt.Sprintf("model: kv block %d is outside the pool of 4", block))
	}
	assert.EqualError(t, m.WriteBlocks([]int32{3, 3}, make([]byte, 2*size)), "model: kv block 3 is to be written twice")
	assert.EqualError(t, m.WriteBlocks([]int32{3, 1}, make([]byte, size)), fmt.Sprintf("model: 2 kv blocks in f32 take %d bytes, not %d", 2*size, size))
}
