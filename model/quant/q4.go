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

func encodeQ4_0(dst []byte, x, w []float32) bool { return putQ4_0(dst, x, fitScale(x, w, -8, 7)) }

// putQ4_0 writes a block with scale d.
func putQ4_0(dst []byte, x []float32, d float32) bool {
	if !putHalf(dst, d) {
		return false
	}
	inv := inverse(half(dst))
	for j := range 16 {
		dst[2+j] = unsigned(nearest(x[j]*inv, -8, 7)+8) | unsigned(nearest(x[j+16]*inv, -8, 7)+8)<<4
	}
	return true
}

func encodeQ4_1(dst []byte, x, w []float32) bool {
	d, m := fitAffine(x, w, 15, false)
	if okD, okM := putHalf(dst, d), putHalf(dst[2:], m); !okD || !okM {
		return false
	}
	inv := inverse(half(dst))
	m = half(dst[2:])
	for j := range 16 {
		dst[4+j] = unsigned(nearest((x[j]-m)*inv, 0, 15)) | unsigned(nearest((x[j+16]-m)*inv, 0, 15))<<4
	}
	return true
}

// unsigned is a whole number of 0..255 as a byte.
func unsigned(x float32) byte { return byte(int32(x)) }
