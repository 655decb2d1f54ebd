package quant

// Block sizes in bytes. Quants lie in column order, the first in the lowest bits.
const (
	blockBytesQ1_0 = 18 // f16 scale d, 128 × 1 bit; ggml block_q1_0. A value is d where the bit is set, else -d.
	blockBytesQ2_0 = 18 // f16 scale d, 64 × 2 bits; ggml block_q2_0. A value is d*(q-1).
)

func dequantizeQ1_0(dst []float32, src []byte) {
	for ; len(src) > 0; src, dst = src[blockBytesQ1_0:], dst[128:] {
		d := half(src)
		for j := range 128 {
			dst[j] = d
			if src[2+j/8]>>(j%8)&1 == 0 {
				dst[j] = -d
			}
		}
	}
}

func dequantizeQ2_0(dst []float32, src []byte) {
	for ; len(src) > 0; src, dst = src[blockBytesQ2_0:], dst[64:] {
		d := half(src)
		for j := range 64 {
			dst[j] = d * (float32(src[2+j/4]>>(j%4*2)&3) - 1)
		}
	}
}
