package quant

import (
	"bytes"
	"math"
	"math/rand/v2"
	"slices"
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

// Blocks whose values lie on the format's grid, or on the way to nothing.
func TestQuantizeByHand(t *testing.T) {
	for _, c := range []struct {
		name string
		t    gguf.Type
		in   []float32
		want []byte // how the block starts
	}{
		{"d is 1", gguf.Q8_0, block(0, 127, 1, -1, 2, -2, -126), []byte{0x00, 0x3c, 127, 1, 0xff, 2, 0xfe, 0x82}},
		{"zeros", gguf.Q8_0, block(0), make([]byte, 34)},
		{"d too small for a half", gguf.Q8_0, block(0, 1e-40, -1e-40), make([]byte, 34)},

		{"largest is negative, d is 1", gguf.Q4_0, block(0, -8, 1, -1, 7), []byte{0x00, 0x3c, 0x80, 0x89, 0x87, 0x8f, 0x88}},
		{"largest is positive, d is -1", gguf.Q4_0, block(0, 8, -7, 1), []byte{0x00, 0xbc, 0x80, 0x8f, 0x87, 0x88}},
		{"zeros", gguf.Q4_0, block(0), append([]byte{0, 0}, bytes.Repeat([]byte{0x88}, 16)...)},
		{"columns 16 and up are high nibbles", gguf.Q4_0, append(block(0)[:16], block(0, -8, 7)[:16]...),
			[]byte{0x00, 0x3c, 0x08, 0xf8, 0x88}},
		{"d too small for a half", gguf.Q4_0, block(0, -1e-40), append([]byte{0, 0}, bytes.Repeat([]byte{0x88}, 16)...)},

		{"d is 1, minimum 0", gguf.Q4_1, block(0, 15, 1, 2, 14), []byte{0x00, 0x3c, 0x00, 0x00, 0x0f, 0x01, 0x02, 0x0e, 0x00}},
		{"minimum is negative", gguf.Q4_1, block(-16, 14, -14), []byte{0x00, 0x40, 0x00, 0xcc, 0x0f, 0x01, 0x00}},
		{"all the same", gguf.Q4_1, block(2), append([]byte{0x00, 0x00, 0x00, 0x40}, make([]byte, 16)...)},

		{"fifth bits", gguf.Q5_0, append(block(0, -16, 15)[:16], block(0, 15, -16)[:16]...),
			[]byte{0x00, 0x3c, 0xfe, 0xff, 0xfd, 0xff, 0xf0, 0x0f, 0x00}},
		{"fifth bits", gguf.Q5_1, append(block(0, 31, 16)[:16], block(0, 1, 17)[:16]...),
			[]byte{0x00, 0x3c, 0x00, 0x00, 0x03, 0x00, 0x02, 0x00, 0x1f, 0x10, 0x00}},
		{"2^-2 × 6", gguf.MXFP4, block(0, 1.5, -1.5, 0.125, -1), []byte{125, 0x07, 0x0f, 0x01, 0x0e, 0x00}},
		{"the levels' ends", gguf.IQ4_NL, block(-10, -127, 113, 1), []byte{0x00, 0x3c, 0x70, 0x7f, 0x78, 0x77}},
	} {
		got := mustQuantize(t, c.t, c.in)
		assert.Equal(t, c.want, got[:len(c.want)], "%v: %s", c.t, c.name)
	}
}

// A search is no worse than rounding to the scale that just reaches the largest value, in blocks of any size of value.
func TestSearchBeatsRounding(t *testing.T) {
	square := func(x, y float32) float64 { return math.Pow(float64(x)-float64(y), 2) }
	r := rand.New(rand.NewPCG(3, 4))
	for range 2000 {
		scale := math.Exp2(float64(r.IntN(44) - 30)) // so small that an f16 has few bits for it, up to the largest
		x := make([]float32, 32)
		for i := range x {
			x[i] = float32(r.NormFloat64() * scale)
		}
		lo, hi, top := slices.Min(x), slices.Max(x), x[largest(x)]
		for _, c := range []struct {
			t        gguf.Type
			d, m     float32
			min, max float32
		}{
			{gguf.Q8_0, abs(top) / 127, 0, -127, 127}, {gguf.Q4_0, top / -8, 0, -8, 7}, {gguf.Q5_0, top / -16, 0, -16, 15},
			{gguf.Q4_1, (hi - lo) / 15, lo, 0, 15}, {gguf.Q5_1, (hi - lo) / 31, lo, 0, 31},
		} {
			var plain, ours, size float64
			for i, y := range mustDequantize(t, c.t, mustQuantize(t, c.t, x)) {
				q := min(max(float32(math.Round(float64((x[i]-c.m)/c.d))), c.min), c.max)
				plain += square(x[i], c.d*q+c.m)
				ours += square(x[i], y)
				size += square(x[i], 0)
			}
			// The plain scales are no f16: they are off by nothing, ours by 2^-11 or, below 2^-14, by 2^-25 times a quant.
			most := 1.01*plain + size*0x1p-20 + 32*math.Pow(127*0x1p-25, 2)
			require.LessOrEqual(t, ours, most, "%v at %g", c.t, scale)
		}
	}
}

// What a format has made it makes again: exactly where the scale of a block is all it has to find.
func TestQuantizeAgain(t *testing.T) {
	for name, b := range readOracle(t).Blocks {
		typ := typeNamed(t, name)
		if f, _ := formatOf(typ); !canQuantize(f) {
			continue
		}
		want := mustDequantize(t, typ, b.Bytes)
		got := relativeError(want, mustDequantize(t, typ, mustQuantize(t, typ, want)))
		switch typ {
		case gguf.Q2_K, gguf.Q3_K, gguf.Q4_K, gguf.Q5_K, gguf.Q6_K, gguf.IQ4_XS:
			// Sub-blocks' scales are rounded again. Of what the format loses on weights, a part.
			assert.Less(t, got, 0.4*readOracle(t).Error[name].Gaussian, name)
		default:
			assert.Zero(t, got, name)
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
		{"scale too large for a half", block(0, 1, 3e10), 1},
		{"difference too large for a float", block(0, 3e38, -3e38), 0},
		{"in the second block", append(block(1), block(1, 1, 1, 1, -1e30)...), 35},
	} {
		for _, typ := range Quantizable() {
			if typ.BlockSize() == 1 {
				continue
			}
			in := slices.Clone(c.in)
			for len(in)%typ.BlockSize() != 0 {
				in = append(in, 1)
			}
			err := Quantize(typ, in, make([]byte, len(in)/typ.BlockSize()*typ.BlockBytes()))
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
