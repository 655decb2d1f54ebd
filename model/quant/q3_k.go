package quant

// blockBytesQ3_K: 32 bytes of high bits, 64 bytes of low bits, 12 bytes of scales, f16 d; ggml block_q3_K. A sub-block is 16
// columns; a value is d*(scale-32)*(q-4). Low bits lie as in Q2_K; bit k of byte j is column 32k+j's high bit.
const blockBytesQ3_K = 110

// scales3 reads 16 scales of 6 bits from 12 bytes: scale i's low bits are nibble i/8 of byte i%8, its top two are bits
// 2(i/4) and up of byte 8 + i%4.
func scales3(packed []byte) (scale [16]int8) {
	for i := range scale {
		low, high := packed[i%8]>>(i/8*4)&15, packed[8+i%4]>>(i/4*2)&3
		scale[i] = int8(low|high<<4) - 32
	}
	return scale
}

func dequantizeQ3_K(dst []float32, src []byte) {
	for ; len(src) > 0; src, dst = src[blockBytesQ3_K:], dst[super:] {
		highs, lows, d := src[:32], src[32:96], half(src[108:])
		for sub, s := range scales3(src[96:108]) {
			scale := d * float32(s)
			at := sub % 2 * 16
			high := highs[at:][:16]
			shift, bit := sub/2%4*2, sub/2
			y := dst[16*sub:][:16]
			for j, q := range lows[sub/8*32+at:][:16] {
				y[j] = scale * (float32(q>>shift&3|high[j]>>bit&1<<2) - 4)
			}
		}
	}
}
