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
