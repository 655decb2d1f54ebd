package quant

// blockBytesQ6_K: 128 bytes of low nibbles, 64 bytes of high bits, 16 × i8 scales, f16 d; ggml block_q6_K. A sub-block is 16
// columns; a value is d*scale*(q-32). Of each half of 128 columns, columns 0..63 are the low and 64..127 the high nibbles of 64
// bytes; bits 2k and 2k+1 of byte j of its 32 bytes of high bits belong to column 32k+j.
const blockBytesQ6_K = 210

func dequantizeQ6_K(dst []float32, src []byte) {
	for ; len(src) > 0; src, dst = src[blockBytesQ6_K:], dst[super:] {
		lows, highs, d := src[:128], src[128:192], half(src[208:])
		for sub, s := range src[192:208] {
			scale := d * float32(int8(s))
			low := lows[sub/8*64+sub%4*16:][:16]
			lowShift, highShift := sub/4%2*4, sub/2%4*2
			y := dst[16*sub:][:16]
			for j, h := range highs[sub/8*32+sub%2*16:][:16] {
				y[j] = scale * (float32(low[j]>>lowShift&15|h>>highShift&3<<4) - 32)
			}
		}
	}
}

var blockQ6_K = lineBlock{
	sub: 16, sums: lineSums(-32, 31), scaleLo: -128, scaleHi: 127,
	fit: func(x, w []float32) float32 { return fitScale(x, w, -32, 31) },
}

func encodeQ6_K(dst []byte, x, w []float32) bool {
	d, scales, ok := blockQ6_K.scale(x, w)
	if !ok {
		return false
	}
	clear(dst)
	putHalf(dst[208:], d)
	for sub, s := range scales {
		dst[192+sub] = byte(int8(s))
		inv := inverse(d * s)
		lows, highs := dst[sub/8*64+sub%4*16:][:16], dst[128+sub/8*32+sub%2*16:][:16]
		for j, v := range x[16*sub:][:16] {
			q := unsigned(nearest(v*inv, -32, 31) + 32)
			lows[j] |= q & 15 << (sub / 4 % 2 * 4)
			highs[j] |= q >> 4 << (sub / 2 % 4 * 2)
		}
	}
	return true
}
