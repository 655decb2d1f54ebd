package quant

import (
	"bytes"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"umbra/model/gguf"
)

// block returns 32 values that start with x; the rest are fill.
func block(fill float32, x ...float32) []float32 {
	for len(x) < 32 {
		x = append(x, fill)
	}
	return x
}

// Blocks whose rounding was worked out by hand from ggml-quants.c.
func TestQuantizeByHand(t *testing.T) {
	for _, c := range []struct {
		name string
		t    gguf.Type
		in   []float32
		want []byte // how the block starts
	}{
		{"d is 1, halves go away from zero", gguf.Q8_0, block(0, 127, 0.5, -0.5, 1.5, 2.5, -2.5, 0.49, -126.5),
			[]byte{0x00, 0x3c, 127, 1, 0xff, 2, 3, 0xfd, 0, 0x81}},
		{"d is positive whatever the sign", gguf.Q8_0, block(0, -254, 2), []byte{0x00, 0x40, 0x81, 1, 0}},
		{"d is a tie, rounded down to even", gguf.Q8_0, block(0, 127*(1+0x1p-11)), []byte{0x00, 0x3c, 127, 0}},
		{"d is just above a tie", gguf.Q8_0, block(0, 127*(1+0x1p-11)+0x1p-17), []byte{0x01, 0x3c, 127, 0}}, // by 1/127 it would be the tie
		{"d is a tie, rounded up to even", gguf.Q8_0, block(0, 127*(1+3*0x1p-11)), []byte{0x02, 0x3c, 127, 0}},
		{"zeros", gguf.Q8_0, block(0), make([]byte, 34)},
		{"d too small for a float's inverse", gguf.Q8_0, block(0, 1e-40, -1e-40), make([]byte, 34)},

		{"largest is negative, d is 1", gguf.Q4_0, block(0, -8, 0.5, -0.5, 7.4, 7.6, -7.6),
			[]byte{0x00, 0x3c, 0x80, 0x89, 0x88, 0x8f, 0x8f, 0x80, 0x88}}, // 7.6 would be 16; it is cut to 15
		{"largest is positive, d is -1", gguf.Q4_0, block(0, 8, -7, 1), []byte{0x00, 0xbc, 0x80, 0x8f, 0x87, 0x88}},
		{"the first of equal magnitudes has the say", gguf.Q4_0, block(0, 8, -8), []byte{0x00, 0xbc, 0x80, 0x8f, 0x88}},
		{"zeros have scale -0", gguf.Q4_0, block(0), append([]byte{0x00, 0x80}, bytes.Repeat([]byte{0x88}, 16)...)},
		{"columns 16 and up are high nibbles", gguf.Q4_0, append(block(0)[:16], block(0, -8, 7)[:16]...),
			[]byte{0x00, 0x3c, 0x08, 0xf8, 0x88}},
		{"d too small for a float's inverse", gguf.Q4_0, block(0, -1e-40),
			append([]byte{0x00, 0x00}, bytes.Repeat([]byte{0x88}, 16)...)},

		{"d is 1, minimum 0", gguf.Q4_1, block(0, 15, 0.49, 0.5, 1.5, 14.49, 14.5),
			[]byte{0x00, 0x3c, 0x00, 0x00, 0x0f, 0x00, 0x01, 0x02, 0x0e, 0x0f, 0x00}},
		{"minimum is negative", gguf.Q4_1, block(-16, 14, -14), []byte{0x00, 0x40, 0x00, 0xcc, 0x0f, 0x01, 0x00}},
		{"all the same", gguf.Q4_1, block(2), append([]byte{0x00, 0x00, 0x00, 0x40}, make([]byte, 16)...)},
	} {
		got := mustQuantize(t, c.t, c.in)
		assert.Equal(t, c.want, got[:len(c.want)], "%v: %s", c.t, c.name)
	}
}

// No value may end farther from itself than half a step, and the rounding of the scale, allow.
func TestQuantizeStaysClose(t *testing.T) {
	// Error over largest magnitude. Q8_0: half a step of 1/127, and 127 times the f16 rounding of d (2^-11).
	// Q4_0: a step of 1/8, since +8 is cut to 7. Q4_1: half a step of 2/15. Both with 2^-11 or 2^-10 of f16.
	bound := map[gguf.Type]float64{gguf.Q8_0: 0.5/127 + 0x1p-11, gguf.Q4_0: 1./8 + 0x1p-11, gguf.Q4_1: 1./15 + 0x1p-10 + 0x1p-11}
	r := rand.New(rand.NewPCG(3, 4))
	for range 2000 {
		scale := math.Exp2(float64(r.IntN(58) - 45)) // from subnormal scales to a minimum that still fits a half
		x := make([]float32, 32)
		var amax float64
		for i := range x {
			x[i] = float32(r.NormFloat64() * scale)
			amax = max(amax, math.Abs(float64(x[i])))
		}
		for typ, rel := range bound {
			for i, y := range mustDequantize(t, typ, mustQuantize(t, typ, x)) {
				most := amax*rel*1.0001 + 128*0x1p-25 // subnormal d is rounded by up to 2^-25
				require.LessOrEqual(t, math.Abs(float64(y)-float64(x[i])), most, "%v: %v read back as %v, largest %v", typ, x[i], y, amax)
			}
		}
	}
}

func TestQuantizeRefusesValues(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	for _, c := range []struct {
		name  string
		in    []float32
		index int
	}{
		{"NaN", block(1, 0, 0, nan), 2},
		{"NaN after infinity", block(nan, inf), 1},
		{"infinity", block(0, 5, -inf), 1},
		{"scale too large for a half", block(0, 1, 3e7), 1},
		{"difference too large for a float", block(0, 3e38, -3e38), 0},
		{"in the second block", append(block(1), block(1, 1, 1, 1, -1e30)...), 35},
	} {
		for _, typ := range []gguf.Type{gguf.Q8_0, gguf.Q4_0, gguf.Q4_1} {
			err := Quantize(typ, c.in, make([]byte, len(c.in)/32*typ.BlockBytes()))
			var bad *ValueError
			require.ErrorAs(t, err, &bad, "%v: %s", typ, c.name)
			assert.Equal(t, c.index, bad.Index, "%v: %s", typ, c.name)
			assert.ErrorContains(t, err, typ.String())
		}
	}
}

func TestRefusesTypesAndSizes(t *testing.T) {
	for _, typ := range []gguf.Type{gguf.Q8_1, gguf.I32, 99} {
		var bad *TypeError
		assert.ErrorAs(t, Dequantize(typ, nil, nil), &bad)
		assert.ErrorAs(t, Quantize(typ, nil, nil), &bad)
		assert.Equal(t, typ, bad.Type)
		assert.ErrorContains(t, bad, "quant: "+typ.String()+" is not a type that can be made (F32, F16, BF16, ")
	}
	var bad *TypeError
	_, err := LayoutOf(gguf.IQ1_S, 256)
	require.ErrorAs(t, err, &bad)
	assert.Equal(t, gguf.IQ1_S, bad.Type)
	assert.ErrorContains(t, err, "quant: IQ1_S is not supported on the GPU (F32, F16, BF16, ")
	for _, c := range []struct {
		t             gguf.Type
		bytes, values int
	}{
		{gguf.Q8_0, 33, 32}, {gguf.Q8_0, 35, 32}, {gguf.Q8_0, 34, 31}, {gguf.Q8_0, 34, 33}, {gguf.Q8_0, 34, 64},
		{gguf.Q4_0, 0, 32}, {gguf.Q4_1, 20, 0}, {gguf.F32, 5, 1}, {gguf.F16, 3, 1}, {gguf.BF16, 2, 2},
	} {
		var bad *SizeError
		assert.ErrorAs(t, Dequantize(c.t, make([]byte, c.bytes), make([]float32, c.values)), &bad, "%v", c)
		assert.ErrorAs(t, Quantize(c.t, make([]float32, c.values), make([]byte, c.bytes)), &bad, "%v", c)
	}
	assert.NoError(t, Dequantize(gguf.Q4_0, nil, nil))
	assert.EqualError(t, Dequantize(gguf.Q8_0, make([]byte, 33), make([]float32, 32)), "quant: got 33 bytes of Q8_0 for 32 values, want 34")
}
