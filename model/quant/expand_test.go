package quant

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"umbra/model/gguf"
)

// randomBlocks returns n blocks of random quants and sub-block scales, with f16 scales of about 0.1.
func randomBlocks(r *rand.Rand, t gguf.Type, n int) []byte {
	size := t.BlockBytes()
	raw := make([]byte, n*size)
	for i := range raw {
		raw[i] = byte(r.Uint32())
	}
	for at := 0; at < len(raw); at += size {
		b := raw[at:][:size]
		for _, h := range halves[t] {
			le.PutUint16(b[h:], uint16(0x2e00+r.IntN(256)))
		}
		switch t {
		case gguf.MXFP4:
			b[0] = byte(120 + r.IntN(8))
		case gguf.IQ1_M:
			d := uint16(0x2e00 + r.IntN(256))
			for i := range 4 {
				le.PutUint16(b[48+2*i:], le.Uint16(b[48+2*i:])&0xfff|d>>(4*i)<<12)
			}
		}
	}
	return raw
}

// What a type without planes is expanded to keeps its values: exactly where one f16 scale says all, within the rounding of an
// f16 (2^-12) where it multiplies a sub-block's scale, and else within half a step of Q8_0.
func TestExpand(t *testing.T) {
	const rounding = 2.5e-4
	bounds := map[gguf.Type]float64{
		gguf.TQ1_0: 0, gguf.TQ2_0: 0, gguf.Q1_0: 0, gguf.Q2_0: 0,
		gguf.IQ1_S: rounding, gguf.IQ2_XXS: rounding, gguf.IQ3_XXS: rounding, gguf.IQ3_S: rounding,
	}
	r := rand.New(rand.NewPCG(21, 22))
	const rows, cols = 5, 1024
	for _, f := range formats {
		if f.t.BlockSize() == 1 {
			continue
		}
		e := expansion{from: f.t, to: gguf.Q8_0}
		for _, x := range expansions {
			if x.from == f.t {
				e = x
			}
		}
		raw := randomBlocks(r, f.t, rows*cols/f.t.BlockSize())
		want := mustDequantize(t, f.t, raw)
		dst := make([]byte, rows*cols/group*e.to.BlockBytes())
		require.Equal(t, -1, e.encode(dst, want), "%v", f.t)
		got := relativeError(want, mustDequantize(t, e.to, dst))
		bound, ok := bounds[f.t]
		if !ok {
			bound = 0.007
		}
		t.Logf("%-7v -> %v: %.2e", f.t, e.to, got)
		assert.LessOrEqual(t, got, bound, "%v", f.t)

		// The public way gives the same for what has no planes, and refuses what has.
		again := make([]byte, len(dst))
		if hasPlanes(&f) {
			_, ok := Expansion(f.t)
			assert.False(t, ok)
			assert.ErrorContains(t, Expand(f.t, raw, cols, 0, again), "is not a type to be expanded")
			continue
		}
		to, ok := Expansion(f.t)
		assert.True(t, ok)
		assert.Contains(t, PlaneTypes(), to)
		if to != e.to {
			continue // the smaller one has no planes
		}
		require.NoError(t, Expand(f.t, raw, cols, 3, again))
		assert.Equal(t, dst, again)
		var size *SizeError
		assert.ErrorAs(t, Expand(f.t, raw, cols, 0, again[1:]), &size)
		assert.ErrorAs(t, Expand(f.t, raw[1:], cols, 0, again), &size)
		assert.ErrorAs(t, Expand(f.t, raw, f.t.BlockSize()-1, 0, again), &size)
		assert.ErrorAs(t, Expand(f.t, raw, 0, 0, again), &size)
	}
	_, ok := Expansion(gguf.Q8_1)
	assert.False(t, ok)
	for _, e := range expansions {
		assert.Contains(t, []gguf.Type{gguf.Q4_0, gguf.Q5_0, gguf.Q8_0}, e.to, "%v", e.from)
	}
}

// A NaN or infinite scale is refused with its value's place.
func TestExpandRefusesNaN(t *testing.T) {
	raw := randomBlocks(rand.New(rand.NewPCG(1, 1)), gguf.IQ2_S, 4)
	le.PutUint16(raw[3*82:], 0x7e00)
	var bad *ValueError
	require.ErrorAs(t, Expand(gguf.IQ2_S, raw, 512, 0, make([]byte, 1024/32*34)), &bad)
	assert.Equal(t, gguf.Q8_0, bad.Type)
	assert.Equal(t, 3*256, bad.Index)
}
