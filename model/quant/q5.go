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
