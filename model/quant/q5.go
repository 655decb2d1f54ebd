package quant

// Block sizes in bytes. 4 low bits of columns j and j+16 share byte j as in Q4; bit j of a u32 is column j's fifth.
const (
	blockBytesQ5_0 = 22 // f16 scale d, u32 of high bits, 32 × u4; ggml block_q5_0. A value is d*(q-16).
	blockBytesQ5_1 = 24 // f16 scale d, f16 minimum m, u32 of high bits, 32 × u4; ggml block_q5_1. A value is d*q + m.
)

func dequantizeQ5_0(dst []float32, src []byte) {
	for ; len(src) > 0; src, dst = src[blockBytesQ5_0:], dst[group:] {
		d, high := half(src), le.Uint32(src[2:])
		for j, q := range src[6:blockBytesQ5_0] {
			dst[j] = d * (quant5(q&15, high>>j) - 16)
			dst[j+16] = d * (quant5(q>>4, high>>(j+16)) - 16)
		}
	}
}

func dequantizeQ5_1(dst []float32, src []byte) {
	for ; len(src) > 0; src, dst = src[blockBytesQ5_1:], dst[group:] {
		d, m, high := half(src), half(src[2:]), le.Uint32(src[4:])
		for j, q := range src[8:blockBytesQ5_1] {
			dst[j] = d*quant5(q&15, high>>j) + m // d*q is exact (11 and 5 bits): fused or not, the same value
			dst[j+16] = d*quant5(q>>4, high>>(j+16)) + m
		}
	}
}

// quant5 joins 4 low bits with the lowest bit of high.
func quant5(low byte, high uint32) float32 { return float32(uint32(low) | high&1<<4) }

func encodeQ5_0(dst []byte, x, w []float32) bool { return putQ5_0(dst, x, fitScale(x, w, -16, 15)) }

// putQ5_0 writes a block with scale d.
func putQ5_0(dst []byte, x []float32, d float32) bool {
	if !putHalf(dst, d) {
		return false
	}
	inv := inverse(half(dst))
	split5(dst[2:], func(j int) byte { return unsigned(nearest(x[j]*inv, -16, 15) + 16) })
	return true
}

func encodeQ5_1(dst []byte, x, w []float32) bool {
	d, m := fitAffine(x, w, 31, false)
	if okD, okM := putHalf(dst, d), putHalf(dst[2:], m); !okD || !okM {
		return false
	}
	inv := inverse(half(dst))
	m = half(dst[2:])
	split5(dst[4:], func(j int) byte { return unsigned(nearest((x[j]-m)*inv, 0, 31)) })
	return true
}

// split5 writes the 4 bytes of high bits and 16 of nibbles of 32 quants.
func split5(dst []byte, quant func(j int) byte) {
	var high uint32
	for j := range 16 {
		a, b := quant(j), quant(j+16)
		high |= uint32(a>>4)<<j | uint32(b>>4)<<(j+16)
		dst[4+j] = a&15 | b<<4
	}
	le.PutUint32(dst, high)
}
