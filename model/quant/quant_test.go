package quant

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"umbra/model/gguf"
)

// oracle is testdata/oracle/quant.json: blocks that llama.cpp's own quantiser wrote, the values its
// reference Python implementation reads from them, and that quantiser's error on seeded weights.
type oracle struct {
	Error map[string]struct {
		Gaussian float64 `json:"gaussian"`
		Heavy    float64 `json:"heavy_tailed"`
	} `json:"relative_rms_error"`
	Blocks map[string]struct {
		Rows, Cols    int
		Bytes, Values []byte
	}
}

func readOracle(t testing.TB) (o oracle) {
	text, err := os.ReadFile("../../testdata/oracle/quant.json")
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &o))
	return o
}

func typeNamed(t testing.TB, name string) gguf.Type {
	for _, typ := range Types() {
		if typ.String() == name {
			return typ
		}
	}
	t.Fatalf("no format %s", name)
	return 0
}

// bits compares floats as a file would: NaN equals itself, 0 differs from -0.
func bits(values []float32) []uint32 {
	out := make([]uint32, len(values))
	for i, v := range values {
		out[i] = math.Float32bits(v)
	}
	return out
}

func mustDequantize(t testing.TB, typ gguf.Type, src []byte) []float32 {
	t.Helper()
	dst := make([]float32, len(src)/typ.BlockBytes()*typ.BlockSize())
	require.NoError(t, Dequantize(typ, src, dst))
	return dst
}

func mustQuantize(t testing.TB, typ gguf.Type, src []float32) []byte {
	t.Helper()
	dst := make([]byte, len(src)/typ.BlockSize()*typ.BlockBytes())
	require.NoError(t, Quantize(typ, src, dst))
	return dst
}

func TestDequantizeOracle(t *testing.T) {
	blocks := readOracle(t).Blocks
	require.Len(t, blocks, 25)
	for name, b := range blocks {
		typ := typeNamed(t, name)
		require.Len(t, b.Values, 4*b.Rows*b.Cols, name)
		want := mustDequantize(t, gguf.F32, b.Values)
		assert.Equal(t, bits(want), bits(mustDequantize(t, typ, b.Bytes)), name)
	}
}

// halfValue decodes a binary16 by its definition.
func halfValue(h uint16) float64 {
	sign, exp, frac := 1-2*float64(h>>15), int(h>>10&31), float64(h&1023)
	switch {
	case exp == 31 && frac != 0:
		return math.NaN()
	case exp == 31:
		return sign * math.Inf(1)
	case exp == 0:
		return math.Copysign(math.Ldexp(frac, -24), sign)
	}
	return sign * math.Ldexp(1024+frac, exp-25)
}

// scales are the corners of an f16 scale.
var scales = []uint16{
	0x0000, 0x8000, // zeros
	0x3c00, 0xbc00, // ±1
	0x0001, 0x8001, 0x03ff, // subnormal
	0x0400, 0x8400, // smallest normal
	0x7bff, 0xfbff, // largest
	0x2e66, 0xae66, // about ±0.1
	0x7c00, 0xfc00, 0x7e00, // infinite, NaN
}

// Blocks made by hand: every quant with every corner of a scale.
func TestDequantizeByHand(t *testing.T) {
	same := func(want float64, got float32, msg string) {
		t.Helper()
		if math.IsNaN(want) {
			assert.True(t, got != got, "%s: got %v, want NaN", msg, got)
			return
		}
		assert.Equal(t, math.Float32bits(float32(want)), math.Float32bits(got), "%s: got %v, want %v", msg, got, want)
	}
	for _, d := range scales {
		for base := 0; base < 256; base += 32 { // 8 blocks hold every i8
			block := le.AppendUint16(nil, d)
			for j := range 32 {
				block = append(block, byte(base+j))
			}
			for j, got := range mustDequantize(t, gguf.Q8_0, block) {
				q := int8(base + j)
				same(halfValue(d)*float64(q), got, fmt.Sprintf("Q8_0 scale %#04x quant %d", d, q))
			}
		}
		for turn := range 16 { // low nibbles go up, high nibbles down
			var nibbles []byte
			for j := range 16 {
				nibbles = append(nibbles, byte((j+turn)%16|(15-j)<<4))
			}
			quant := func(j int) float64 {
				if j < 16 {
					return float64((j + turn) % 16)
				}
				return float64(15 - (j - 16))
			}
			for j, got := range mustDequantize(t, gguf.Q4_0, append(le.AppendUint16(nil, d), nibbles...)) {
				same(halfValue(d)*(quant(j)-8), got, fmt.Sprintf("Q4_0 scale %#04x column %d", d, j))
			}
			for _, m := range scales {
				block := append(le.AppendUint16(le.AppendUint16(nil, d), m), nibbles...)
				for j, got := range mustDequantize(t, gguf.Q4_1, block) {
					same(halfValue(d)*quant(j)+halfValue(m), got, fmt.Sprintf("Q4_1 scale %#04x minimum %#04x column %d", d, m, j))
				}
			}
		}
	}
}

// Every f16 and bf16 decodes by the definition and encodes to itself; NaN stays NaN, quiet, with its sign.
func TestHalvesExhaustively(t *testing.T) {
	all := make([]byte, 0, 2<<16)
	for h := range 1 << 16 {
		all = le.AppendUint16(all, uint16(h))
	}
	f16, bf16 := mustDequantize(t, gguf.F16, all), mustDequantize(t, gguf.BF16, all)
	backF16, backBF16 := mustQuantize(t, gguf.F16, f16), mustQuantize(t, gguf.BF16, bf16)
	for h := range 1 << 16 {
		if want := halfValue(uint16(h)); want == want {
			require.Equal(t, math.Float32bits(float32(want)), math.Float32bits(f16[h]), "f16 %#04x", h)
			require.Equal(t, uint16(h), le.Uint16(backF16[2*h:]), "f16 %#04x", h)
		} else {
			require.True(t, f16[h] != f16[h], "f16 %#04x", h)
			require.Equal(t, uint16(h|0x0200), le.Uint16(backF16[2*h:]), "f16 %#04x", h)
		}
		require.Equal(t, uint32(h)<<16, math.Float32bits(bf16[h]), "bf16 %#04x", h)
		want := uint16(h)
		if bf16[h] != bf16[h] {
			want |= 0x40
		}
		require.Equal(t, want, le.Uint16(backBF16[2*h:]), "bf16 %#04x", h)
	}
}

func TestHalvesRound(t *testing.T) {
	for _, c := range []struct {
		name      string
		in        uint32 // bits of a float32
		f16, bf16 uint16
	}{
		{"1", 0x3f800000, 0x3c00, 0x3f80},
		{"f16 tie to even, down", 0x3f801000, 0x3c00, 0x3f80},
		{"f16 tie to even, up", 0x3f803000, 0x3c02, 0x3f80},
		{"f16 above a tie", 0x3f801001, 0x3c01, 0x3f80},
		{"bf16 tie to even, down", 0x3f808000, 0x3c04, 0x3f80},
		{"bf16 tie to even, up", 0x3f818000, 0x3c0c, 0x3f82},
		{"bf16 above a tie", 0x3f808001, 0x3c04, 0x3f81},
		{"carry into the exponent", 0x3fffffff, 0x4000, 0x4000},
		{"largest half", 0x477fe000, 0x7bff, 0x4780},
		{"tie to infinity", 0x477ff000, 0x7c00, 0x4780},
		{"below that tie", 0x477fefff, 0x7bff, 0x4780},
		{"largest float32", 0x7f7fffff, 0x7c00, 0x7f80},
		{"half of the smallest subnormal half", 0x33000000, 0x0000, 0x3300},
		{"a little more", 0x33000001, 0x0001, 0x3300},
		{"smallest float32", 0x00000001, 0x0000, 0x0000},
		{"-0", 0x80000000, 0x8000, 0x8000},
		{"-infinity", 0xff800000, 0xfc00, 0xff80},
		{"NaN with only low bits", 0x7f800001, 0x7e00, 0x7fc0},
		{"negative NaN", 0xffc00000, 0xfe00, 0xffc0},
	} {
		in := []float32{math.Float32frombits(c.in)}
		assert.Equal(t, c.f16, le.Uint16(mustQuantize(t, gguf.F16, in)), "f16: %s", c.name)
		assert.Equal(t, c.bf16, le.Uint16(mustQuantize(t, gguf.BF16, in)), "bf16: %s", c.name)
		assert.Equal(t, c.in, le.Uint32(mustQuantize(t, gguf.F32, in)), "f32: %s", c.name)
	}
}
