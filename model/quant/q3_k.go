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

var blockQ3_K = lineBlock{
	sub: 16, sums: lineSums(-4, 3), scaleLo: -32, scaleHi: 31,
	fit: func(x, w []float32) float32 { return fitScale(x, w, -4, 3) },
}

func encodeQ3_K(dst []byte, x, w []float32) bool {
	d, scales, ok := blockQ3_K.scale(x, w)
	if !ok {
		return false
	}
	clear(dst)
	putHalf(dst[108:], d)
	for sub, s := range scales {
		packed := unsigned(s + 32)
		dst[96+sub%8] |= packed & 15 << (sub / 8 * 4)
		dst[104+sub%4] |= packed >> 4 << (sub / 4 * 2)
		inv := inverse(d * s)
		at := sub % 2 * 16
		highs, lows := dst[at:][:16], dst[32+sub/8*32+at:][:16]
		for j, v := range x[16*sub:][:16] {
			q := unsigned(nearest(v*inv, -4, 3) + 4)
			highs[j] |= q >> 2 << (sub / 2)
			lows[j] |= q & 3 << (sub / 2 % 4 * 2)
		}
	}
	return true
}
