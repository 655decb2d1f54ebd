package shaders_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"umbra/shaders"
)

func TestQuantizeKV(t *testing.T) {
	for _, c := range []struct {
		v     []float32
		q     []int8
		scale float32
	}{
		{[]float32{127, -127, 0.5, 1.5, 2.5, -0.5, -1.5, 0.51}, []int8{127, -127, 0, 2, 2, 0, -2, 1}, 1},
		{[]float32{0, 0, -2}, []int8{0, 0, -127}, 2.0 / 127},
		{[]float32{0, 0}, []int8{0, 0}, 0},
		{[]float32{1e4, 1}, []int8{127, 0}, 1e4 / 127},
	} {
		q, scale := shaders.QuantizeKV(c.v)
		assert.Equal(t, c.q, q)
		assert.InEpsilon(t, 1+c.scale, 1+scale, 1e-6)
	}
}

// TestKVShapeBytes counts a block's bytes by hand, and what a pool takes in buffers.
func TestKVShapeBytes(t *testing.T) {
	for kind, want := range map[shaders.KVType]int{
		shaders.KVF32: 2 * 3 * 16 * 64 * 4, shaders.KVF16: 2 * 3 * 16 * 64 * 2, shaders.KVInt8: 2*3*16*64 + 2*3*16*4,
	} {
		s, err := shaders.KVShape{KVHeads: 3, HeadDim: 64, Slots: 16, Type: kind, Blocks: 10}.Fit(uint64(3*want + 1))
		assert.NoError(t, err)
		assert.Equal(t, want, s.BlockBytes())
		assert.Equal(t, []int{4, 3 * want, want}, []int{s.Chunks(), s.ChunkBytes(0), s.ChunkBytes(3)})
		s.Blocks = 13
		_, err = s.Fit(uint64(3*want + 1))
		assert.ErrorContains(t, err, "use at most 12 blocks (192 tokens)")
	}
}
