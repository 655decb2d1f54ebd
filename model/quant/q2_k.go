package quant

// blockBytesQ2_K: 16 bytes of sub-block scale (low nibble) and minimum (high), 64 bytes of quants, f16 d, f16 dmin; ggml block_q2_K.
// A sub-block is 16 columns; a value is d*scale*q - dmin*min. Quants lie in two halves of 32 bytes for 128 columns each: bits 2k and
// 2k+1 of byte j are column 32k+j.
const blockBytesQ2_K = 84

func dequantizeQ2_K(dst []float32, src []byte) {
	for ; len(src) > 0; src, dst = src[blockBytesQ2_K:], dst[super:] {
		scales, quants := src[:16], src[16:80]
		d, dmin := half(src[80:]), half(src[82:])
		for sub, s := range scales {
			scale, min := d*float32(s&15), dmin*float32(s>>4)
			shift := sub / 2 % 4 * 2
			y := dst[16*sub:][:16]
			for j, q := range quants[sub/8*32+sub%2*16:][:16] {
				y[j] = scale*float32(q>>shift&3) - min
			}
		}
	}
}

func encodeQ2_K(dst []byte, x, w []float32) bool {
	d, dmin, scales, mins, ok := affineBlock{sub: 16, hi: 3, top: 15}.fit(x, w)
	if !ok {
		return false
	}
	putHalf(dst[80:], d)
	putHalf(dst[82:], dmin)
	clear(dst[16:80])
	for sub := range scales {
		dst[sub] = unsigned(scales[sub]) | unsigned(mins[sub])<<4
		inv, m := inverse(d*scales[sub]), dmin*mins[sub]
		shift := sub / 2 % 4 * 2
		quants := dst[16+sub/8*32+sub%2*16:][:16]
		for j, v := range x[16*sub:][:16] {
			quants[j] |= unsigned(nearest((v+m)*inv, 0, 3)) << shift
		}
	}
	return true
}
