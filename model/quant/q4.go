package quant

// Block sizes in bytes. 4-bit quants of columns j and j+16 share byte j: low nibble j, high nibble j+16.
const (
	blockBytesQ4_0 = 18 // f16 scale d + 32 × u4; ggml block_q4_0. A value is d*(q-8).
	blockBytesQ4_1 = 20 // f16 scale d, f16 minimum m + 32 × u4; ggml block_q4_1. A value is d*q + m.
)

func dequantizeQ4_0(dst []float32, src []byte) {
	for ; len(src) > 0; src, dst = src[blockBytesQ4_0:], dst[group:] {
		d := half(src)
		for j, q := range src[2:blockBytesQ4_0] {
			dst[j] = d * (float32(q&15) - 8)
			dst[j+16] = d * (float32(q>>4) - 8)
		}
	}
}

func dequantizeQ4_1(dst []float32, src []byte) {
	for ; len(src) > 0; src, dst = src[blockBytesQ4_1:], dst[group:] {
		d, m := half(src), half(src[2:])
		for j, q := range src[4:blockBytesQ4_1] {
			dst[j] = d*float32(q&15) + m // d*q is exact (11 and 4 bits): fused or not, the same value
			dst[j+16] = d*float32(q>>4) + m
		}
	}
}

// quantizeQ4_0 is ggml's quantize_row_q4_0_ref: the largest magnitude, with its sign, becomes -8.
func quantizeQ4_0(dst []byte, src []float32) int {
	for i := 0; i < len(src); i, dst = i+group, dst[blockBytesQ4_0:] {
		x := src[i : i+group]
		at := largest(x)
		d := x[at] / -8 // of a block of zeros: -0, as in ggml's files
		if !putHalf(dst, d) {
			return i + at
		}
		inv := inverse(d)
		for j := range 16 {
			dst[2+j] = nibble(float32(x[j]*inv)+8.5) | nibble(float32(x[j+16]*inv)+8.5)<<4
		}
	}
	return -1
}

// quantizeQ4_1 is ggml's quantize_row_q4_1_ref: the minimum becomes 0, the maximum 15.
func quantizeQ4_1(dst []byte, src []float32) int {
	for i := 0; i < len(src); i, dst = i+group, dst[blockBytesQ4_1:] {
		x := src[i : i+group]
		lo, hi := x[0], x[0]
		for _, v := range x {
			lo, hi = min(lo, v), max(hi, v)
		}
		d := (hi - lo) / 15
		if okD, okM := putHalf(dst, d), putHalf(dst[2:], lo); !okD || !okM {
			return i + largest(x)
		}
		inv := inverse(d)
		for j := range 16 {
			dst[4+j] = nibble(float32((x[j]-lo)*inv)+0.5) | nibble(float32((x[j+16]-lo)*inv)+0.5)<<4
		}
	}
	return -1
}

// nibble cuts a non-negative x to an integer, at most 15.
func nibble(x float32) byte { return byte(min(15, int(x))) }

// repackQ4_0 takes scales and quants apart: four u32 words and one f16 per group.
func repackQ4_0(quants, scales, src []byte) {
	for len(src) >= blockBytesQ4_0 && len(quants) >= 16 && len(scales) >= 2 {
		*(*[2]byte)(scales) = *(*[2]byte)(src)
		inOrder((*[16]byte)(quants), (*[16]byte)(src[2:blockBytesQ4_0]))
		src, quants, scales = src[blockBytesQ4_0:], quants[16:], scales[2:]
	}
}

// repackQ4_1 is repackQ4_0 with two f16 per group, d then m.
func repackQ4_1(quants, scales, src []byte) {
	for len(src) >= blockBytesQ4_1 && len(quants) >= 16 && len(scales) >= 4 {
		*(*[4]byte)(scales) = *(*[4]byte)(src)
		inOrder((*[16]byte)(quants), (*[16]byte)(src[4:blockBytesQ4_1]))
		src, quants, scales = src[blockBytesQ4_1:], quants[16:], scales[4:]
	}
}

// inOrder writes the block's nibbles in column order: column c in bits 4(c%8)..4(c%8)+3 of word c/8.
func inOrder(dst, block *[16]byte) {
	a, b := le.Uint64(block[:8]), le.Uint64(block[8:])
	le.PutUint64(dst[:8], lowNibbles(a)|lowNibbles(b)<<32)
	le.PutUint64(dst[8:], lowNibbles(a>>4)|lowNibbles(b>>4)<<32)
}

// lowNibbles gathers the low nibbles of 8 bytes in 32 bits, in the same order.
func lowNibbles(x uint64) uint64 {
	x &= 0x0f0f0f0f0f0f0f0f
	x = (x | x>>4) & 0x00ff00ff00ff00ff
	x = (x | x>>8) & 0x0000ffff0000ffff
	return (x | x>>16) & 0x00000000ffffffff
}

func unpackQ4_0(dst []float32, quants, scales []byte) {
	for c := range dst {
		dst[c] = half(scales[2*(c/group):]) * (quant4(quants, c) - 8)
	}
}

func unpackQ4_1(dst []float32, quants, scales []byte) {
	for c := range dst {
		s := scales[4*(c/group):]
		dst[c] = half(s)*quant4(quants, c) + half(s[2:])
	}
}

// quant4 returns the quant of column c of a row of words in column order.
func quant4(quants []byte, c int) float32 {
	word := le.Uint32(quants[c/8*4:])
	return float32(word >> (c % 8 * 4) & 15)
}
