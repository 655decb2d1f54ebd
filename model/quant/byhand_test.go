package quant

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"umbra/model/gguf"
)

// field returns n bits of b from bit at on, the lowest bit of the first byte being bit 0.
func field(b []byte, at, n int) int {
	v := 0
	for i := range n {
		v |= int(b[(at+i)/8]>>((at+i)%8)&1) << i
	}
	return v
}

func halfAt(b []byte, at int) float64 { return halfValue(uint16(field(b, 8*at, 16))) }

// nibble32 is the quant of column c of 32, in 16 bytes of which byte j has columns j (low) and j+16 (high).
func nibble32(b []byte, c int) int { return field(b, 8*(c%16)+c/16*4, 4) }

// pair128 is the 2-bit quant of column c of 256 in 64 bytes, of Q2_K, Q3_K and TQ2_0.
func pair128(b []byte, c int) int { return field(b, 8*(c/128*32+c%32)+c%128/32*2, 2) }

// parity is the eighth sign of seven.
func parity(seven int) int {
	n := 0
	for i := range 7 {
		n += seven >> i & 1
	}
	return n % 2
}

// sign7 is -1 or 1 for column j of 8 whose seven signs are given.
func sign7(seven, j int) float64 {
	if j == 7 {
		return 1 - 2*float64(parity(seven))
	}
	return 1 - 2*float64(seven>>j&1)
}

// scaleK and minK are sub-block s's of Q4_K and Q5_K.
func scaleK(b []byte, s int) int {
	if s < 4 {
		return field(b, 8*s, 6)
	}
	return field(b, 8*(s+4), 4) + 16*field(b, 8*(s-4)+6, 2)
}

func minK(b []byte, s int) int {
	if s < 4 {
		return field(b, 8*(s+4), 6)
	}
	return field(b, 8*(s+4)+4, 4) + 16*field(b, 8*s+6, 2)
}

var (
	codesIQ4  = []float64{-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113}
	codesE2M1 = []float64{0, 0.5, 1, 1.5, 2, 3, 4, 6, 0, -0.5, -1, -1.5, -2, -3, -4, -6} // GGUF knows no -0
)

// definitions give the value of column c of one block, straight from the format's description: bit by bit, no table of the
// package but the codebooks, which TestCodebooks checks by themselves and the oracle's blocks in place.
var definitions = map[gguf.Type]func(b []byte, c int) float64{
	gguf.Q4_0: func(b []byte, c int) float64 { return halfAt(b, 0) * float64(nibble32(b[2:], c)-8) },
	gguf.Q4_1: func(b []byte, c int) float64 { return halfAt(b, 0)*float64(nibble32(b[4:], c)) + halfAt(b, 2) },
	gguf.Q5_0: func(b []byte, c int) float64 {
		return halfAt(b, 0) * float64(nibble32(b[6:], c)+16*field(b, 16+c, 1)-16)
	},
	gguf.Q5_1: func(b []byte, c int) float64 {
		return halfAt(b, 0)*float64(nibble32(b[8:], c)+16*field(b, 32+c, 1)) + halfAt(b, 2)
	},
	gguf.Q8_0: func(b []byte, c int) float64 { return halfAt(b, 0) * float64(int8(b[2+c])) },
	gguf.Q2_K: func(b []byte, c int) float64 {
		scale, min := field(b, c/16*8, 4), field(b, c/16*8+4, 4)
		return halfAt(b, 80)*float64(scale)*float64(pair128(b[16:], c)) - halfAt(b, 82)*float64(min)
	},
	gguf.Q3_K: func(b []byte, c int) float64 {
		s := c / 16
		scale := field(b[96:], s%8*8+s/8*4, 4) + 16*field(b[104:], s%4*8+s/4*2, 2)
		q := pair128(b[32:], c) + 4*field(b, c%32*8+c/32, 1)
		return halfAt(b, 108) * float64(scale-32) * float64(q-4)
	},
	gguf.Q4_K: func(b []byte, c int) float64 {
		s := c / 32
		q := field(b[16:], 8*(c/64*32+c%32)+c/32%2*4, 4)
		return halfAt(b, 0)*float64(scaleK(b[4:], s))*float64(q) - halfAt(b, 2)*float64(minK(b[4:], s))
	},
	gguf.Q5_K: func(b []byte, c int) float64 {
		s := c / 32
		q := field(b[48:], 8*(c/64*32+c%32)+c/32%2*4, 4) + 16*field(b[16:], c%32*8+s, 1)
		return halfAt(b, 0)*float64(scaleK(b[4:], s))*float64(q) - halfAt(b, 2)*float64(minK(b[4:], s))
	},
	gguf.Q6_K: func(b []byte, c int) float64 {
		q := field(b, 8*(c/128*64+c%64)+c%128/64*4, 4) + 16*field(b[128:], 8*(c/128*32+c%32)+c%128/32*2, 2)
		return halfAt(b, 208) * float64(int8(b[192+c/16])) * float64(q-32)
	},
	gguf.IQ4_NL: func(b []byte, c int) float64 { return halfAt(b, 0) * codesIQ4[nibble32(b[2:], c)] },
	gguf.IQ4_XS: func(b []byte, c int) float64 {
		s := c / 32
		scale := field(b[4:], 4*s, 4) + 16*field(b[2:], 2*s, 2)
		return halfAt(b, 0) * float64(scale-32) * codesIQ4[nibble32(b[8+16*s:], c%32)]
	},
	gguf.MXFP4: func(b []byte, c int) float64 {
		return math.Ldexp(1, int(b[0])-127) * codesE2M1[nibble32(b[1:], c)]
	},
	gguf.NVFP4: func(b []byte, c int) float64 {
		e := b[c/16]
		scale := math.Ldexp(float64(8+e&7), int(e>>3&15)-10)
		switch {
		case e == 127:
			scale = 0
		case e>>3&15 == 0:
			scale = math.Ldexp(float64(e&7), -9)
		}
		return scale * codesE2M1[field(b[4:], 8*(c/16*8+c%8)+c/8%2*4, 4)]
	},
	gguf.Q1_0: func(b []byte, c int) float64 { return halfAt(b, 0) * float64(2*field(b, 16+c, 1)-1) },
	gguf.Q2_0: func(b []byte, c int) float64 { return halfAt(b, 0) * float64(field(b, 16+2*c, 2)-1) },
	gguf.TQ1_0: func(b []byte, c int) float64 {
		at, digit := c%32, c/32 // 160 columns in 32 bytes, 80 in 16, 16 in 4
		switch {
		case c >= 240:
			at, digit = 48+c%4, c%16/4
		case c >= 160:
			at, digit = 32+c%16, (c-160)/16
		}
		f := float64(b[at]) / 256 // the digits after the point, in base 3
		for range digit {
			f = 3*f - math.Floor(3*f)
		}
		return halfAt(b, 52) * (math.Floor(3*f) - 1)
	},
	gguf.TQ2_0: func(b []byte, c int) float64 { return halfAt(b, 64) * float64(pair128(b, c)-1) },
	gguf.IQ2_XXS: func(b []byte, c int) float64 {
		s, i := b[2+c/32*8:], c%32/8
		level := gridIQ2XXS()[8*field(s, 8*i, 8)+c%8]
		return halfAt(b, 0) * (0.5 + float64(field(s, 60, 4))) / 4 * float64(level) * sign7(field(s, 32+7*i, 7), c%8)
	},
	gguf.IQ2_XS: func(b []byte, c int) float64 {
		level := gridIQ2XS()[8*field(b, 16+c/8*16, 9)+c%8]
		return halfAt(b, 0) * (0.5 + float64(field(b[66:], c/16*4, 4))) / 4 * float64(level) * sign7(field(b, 25+c/8*16, 7), c%8)
	},
	gguf.IQ2_S: func(b []byte, c int) float64 {
		level := gridIQ2S()[8*(int(b[2+c/8])+256*field(b[66:], c/8*2, 2))+c%8]
		return halfAt(b, 0) * (0.5 + float64(field(b[74:], c/16*4, 4))) / 4 * float64(level) * float64(1-2*field(b[34:], c, 1))
	},
	gguf.IQ3_XXS: func(b []byte, c int) float64 {
		level := gridIQ3XXS()[4*int(b[2+c/4])+c%4]
		s := b[66+c/32*4:]
		return halfAt(b, 0) * (0.5 + float64(field(s, 28, 4))) / 2 * float64(level) * sign7(field(s, c%32/8*7, 7), c%8)
	},
	gguf.IQ3_S: func(b []byte, c int) float64 {
		level := gridIQ3S()[4*(int(b[2+c/4])+256*field(b[66:], c/4, 1))+c%4]
		return halfAt(b, 0) * float64(1+2*field(b[106:], c/32*4, 4)) * float64(level) * float64(1-2*field(b[74:], c, 1))
	},
	gguf.IQ1_S: func(b []byte, c int) float64 {
		h := b[34+c/32*2:]
		level := gridIQ1S()[8*(int(b[2+c/8])+256*field(h, c%32/8*3, 3))+c%8]
		return halfAt(b, 0) * float64(1+2*field(h, 12, 3)) * (float64(level) + 0.125*float64(1-2*field(h, 15, 1)))
	},
	gguf.IQ1_M: func(b []byte, c int) float64 {
		level := gridIQ1S()[8*(int(b[c/8])+256*field(b[32:], c/8*4, 3))+c%8]
		d := 0
		for i := range 4 {
			d |= field(b[48+2*i:], 12, 4) << (4 * i)
		}
		return halfValue(uint16(d)) * float64(1+2*field(b[48+c/64*2:], c%64/16*3, 3)) * (float64(level) + 0.125*float64(1-2*field(b[32:], c/8*4+3, 1)))
	},
}

// halves lists where a block has its f16.
var halves = map[gguf.Type][]int{
	gguf.Q4_0: {0}, gguf.Q4_1: {0, 2}, gguf.Q5_0: {0}, gguf.Q5_1: {0, 2}, gguf.Q8_0: {0}, gguf.Q2_K: {80, 82}, gguf.Q3_K: {108}, gguf.Q4_K: {0, 2},
	gguf.Q5_K: {0, 2}, gguf.Q6_K: {208}, gguf.IQ4_NL: {0}, gguf.IQ4_XS: {0}, gguf.Q1_0: {0}, gguf.Q2_0: {0}, gguf.TQ1_0: {52}, gguf.TQ2_0: {64},
	gguf.IQ2_XXS: {0}, gguf.IQ2_XS: {0}, gguf.IQ2_S: {0}, gguf.IQ3_XXS: {0}, gguf.IQ3_S: {0}, gguf.IQ1_S: {0},
	gguf.MXFP4: {}, gguf.NVFP4: {}, gguf.IQ1_M: {}, // scales of bits that every byte below takes
}

// Blocks of every byte at every place, and of every corner of each f16 scale, stand for what the definitions say. A NaN is a NaN.
func TestDefinitions(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 12))
	for _, f := range formats {
		define := definitions[f.t]
		if f.t.BlockSize() == 1 {
			continue // TestHalvesExhaustively
		}
		require.NotNil(t, define, "%v has no definition", f.t)
		n := f.t.BlockBytes()
		check := func(b []byte) {
			for c, got := range mustDequantize(t, f.t, b) {
				want := float32(define(b, c))
				if math.Float32bits(want) != math.Float32bits(got) && (want == want || got == got) {
					require.Failf(t, "wrong value", "%v column %d of %x: got %v, want %v", f.t, c, b, got, want)
				}
			}
		}
		b := make([]byte, n)
		put := func(at int, h uint16) { b[at], b[at+1] = byte(h), byte(h>>8) }
		for turn := range 256 { // byte i takes every value: 37 is odd
			for i := range b {
				b[i] = byte(turn + 37*i)
			}
			for _, at := range halves[f.t] {
				put(at, 0x3c00)
			}
			check(b)
		}
		for _, first := range scales {
			for _, second := range scales[:max(1, len(scales)*(len(halves[f.t])-1))] {
				for _, fill := range []byte{0x00, 0xff, 0x0f, 0xf0, 0xaa, 0x55, 1} { // 1: any
					for i := range b {
						b[i] = fill
						if fill == 1 {
							b[i] = byte(r.Uint32())
						}
					}
					for i, at := range halves[f.t] {
						put(at, []uint16{first, second}[i])
					}
					check(b)
				}
			}
		}
	}
}

// Blocks written down by hand.
func TestBlocksByHand(t *testing.T) {
	fill := func(n int, v byte) []byte {
		b := make([]byte, n)
		for i := range b {
			b[i] = v
		}
		return b
	}
	one := []byte{0x00, 0x3c}
	minusTwo := []byte{0x00, 0xc0}
	for _, c := range []struct {
		name  string
		t     gguf.Type
		block []byte
		want  map[int]float32 // by column
	}{
		{"fifth bits are columns 0 and 31", gguf.Q5_0, join(one, []byte{1, 0, 0, 0x80}, fill(16, 0x21)), map[int]float32{0: 1, 1: -15, 16: -14, 31: 2}},
		{"minimum is added", gguf.Q5_1, join(one, minusTwo, []byte{1, 0, 0, 0x80}, fill(16, 0x21)), map[int]float32{0: 15, 1: -1, 16: 0, 31: 16}},
		{"scale 3, minimum 2", gguf.Q2_K, join(fill(16, 0x23), fill(64, 0b11100100), one, one), map[int]float32{0: -2, 32: 1, 64: 4, 96: 7, 255: 7}},
		{"scale 0 is -32, high bit off is -4", gguf.Q3_K, join(fill(32, 2), fill(64, 0xff), fill(12, 0), one), map[int]float32{0: 32, 32: -96, 64: 32}},
		{"scale 5, minimum 3", gguf.Q4_K, join(one, one, fill(4, 5), fill(4, 3), fill(4, 0x35), fill(128, 0xf1)), map[int]float32{0: 2, 32: 72, 128: 2, 255: 72}},
		{"scale 63 and minimum 63", gguf.Q4_K, join(one, one, fill(12, 0xff), fill(128, 0x20)), map[int]float32{0: -63, 32: 63, 224: 63}},
		{"high bit of sub-block 7", gguf.Q5_K, join(one, one, fill(8, 1), fill(4, 0x11), fill(32, 0x80), fill(128, 0)), map[int]float32{0: -1, 223: -1, 224: 15}},
		{"scale -128", gguf.Q6_K, join(fill(128, 0), fill(64, 0), fill(16, 0x80), one), map[int]float32{0: 4096, 255: 4096}},
		{"scale 127", gguf.Q6_K, join(fill(128, 0xff), fill(64, 0xff), fill(16, 0x7f), one), map[int]float32{0: 31 * 127}},
		{"ends of the levels", gguf.IQ4_NL, join(one, fill(16, 0xf0)), map[int]float32{0: -127, 15: -127, 16: 113}},
		{"scale 0 is -32", gguf.IQ4_XS, join(one, fill(6, 0), fill(128, 0x80)), map[int]float32{0: 127 * 32, 16: -32}},
		{"2^-1 × 6", gguf.MXFP4, join([]byte{126}, fill(16, 0xf7)), map[int]float32{0: 3, 16: -3}},
		{"the smallest exponent", gguf.MXFP4, join([]byte{0}, fill(16, 0x01)), map[int]float32{0: 0x1p-128, 16: 0}},
		{"the largest exponent is no NaN", gguf.MXFP4, join([]byte{255}, fill(16, 0x91)), map[int]float32{0: 0x1p127, 16: -0x1p127}},
		{"448 × 6, and 127 is 0", gguf.NVFP4, join([]byte{0x7e, 0x7f, 0x01, 0x38}, fill(32, 0xf7)), map[int]float32{0: 2688, 8: -2688, 16: 0, 32: 6 * 0x1p-9, 48: 6}},
		{"0 is -1", gguf.TQ1_0, join(fill(52, 0), one), map[int]float32{0: -1, 255: -1}},
		{"255 is all twos", gguf.TQ1_0, join(fill(52, 255), one), map[int]float32{0: 1, 159: 1, 160: 1, 239: 1, 240: 1, 255: 1}},
		{"ternary pairs", gguf.TQ2_0, join(fill(64, 0b100100), one), map[int]float32{0: -1, 32: 0, 64: 1, 96: -1}},
	} {
		require.Len(t, c.block, c.t.BlockBytes(), c.name)
		got := mustDequantize(t, c.t, c.block)
		for col, want := range c.want {
			if want == 0 {
				require.Zero(t, got[col], "%v: %s, column %d", c.t, c.name, col)
				continue
			}
			require.Equal(t, want, got[col], "%v: %s, column %d", c.t, c.name, col)
		}
	}
}

// The codebooks have the points they must have, in order, each once, of the levels they may have.
func TestCodebooks(t *testing.T) {
	for _, c := range []struct {
		name        string
		points      []float32
		dim, want   int
		first, last []float32
		levels      int
	}{
		{"IQ1_S", gridIQ1S(), 8, 2048, []float32{-1, -1, -1, -1, -1, -1, -1, -1}, []float32{1, 1, 1, 1, 1, 1, 1, 1}, 3},
		{"IQ2_XXS", gridIQ2XXS(), 8, 256, []float32{8, 8, 8, 8, 8, 8, 8, 8}, nil, 3},
		{"IQ2_XS", gridIQ2XS(), 8, 512, []float32{8, 8, 8, 8, 8, 8, 8, 8}, nil, 3},
		{"IQ2_S", gridIQ2S(), 8, 1024, []float32{8, 8, 8, 8, 8, 8, 8, 8}, []float32{43, 43, 43, 43, 43, 43, 43, 43}, 3},
		{"IQ3_XXS", gridIQ3XXS(), 4, 256, []float32{4, 4, 4, 4}, nil, 8},
		{"IQ3_S", gridIQ3S(), 4, 512, []float32{1, 1, 1, 1}, nil, 8},
	} {
		require.Len(t, c.points, c.dim*c.want, c.name)
		levels := map[float32]bool{}
		seen := map[string]bool{}
		for i := 0; i < len(c.points); i += c.dim {
			p := c.points[i:][:c.dim]
			require.False(t, seen[fmt.Sprint(p)], "%s: %v twice", c.name, p)
			seen[fmt.Sprint(p)] = true
			for _, v := range p {
				levels[v] = true
			}
		}
		require.Len(t, levels, c.levels, c.name)
		require.Equal(t, c.first, c.points[:c.dim], c.name)
		if c.last != nil {
			require.Equal(t, c.last, c.points[len(c.points)-c.dim:], c.name)
		}
	}
}
