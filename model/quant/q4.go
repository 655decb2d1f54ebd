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
