package quant

// Block sizes in bytes. A sub-block is 32 columns; a value is d*scale*q - dmin*min. Sub-blocks 2k and 2k+1 share 32 bytes: low
// nibbles and high nibbles. In Q5_K bit s of byte j of the high bits belongs to column j of sub-block s.
const (
	blockBytesQ4_K = 144 // f16 d, f16 dmin, 12 bytes of scales, 128 of quants; ggml block_q4_K
	blockBytesQ5_K = 176 // f16 d, f16 dmin, 12 bytes of scales, 32 of high bits, 128 of quants; ggml block_q5_K
)

func dequantizeQ4_K(dst []float32, src []byte) {
	for ; len(src) > 0; src, dst = src[blockBytesQ4_K:], dst[super:] {
		d, dmin := half(src), half(src[2:])
		scales, mins := scales6(src[4:16])
		for sub := range scales {
			scale, min := d*float32(scales[sub]), dmin*float32(mins[sub])
			shift := sub % 2 * 4
			y := dst[32*sub:][:32]
			for j, q := range src[16+sub/2*32:][:32] {
				y[j] = scale*float32(q>>shift&15) - min
			}
		}
	}
}

func dequantizeQ5_K(dst []float32, src []byte) {
	for ; len(src) > 0; src, dst = src[blockBytesQ5_K:], dst[super:] {
		d, dmin := half(src), half(src[2:])
		scales, mins := scales6(src[4:16])
		high := src[16:48]
		for sub := range scales {
			scale, min := d*float32(scales[sub]), dmin*float32(mins[sub])
			shift := sub % 2 * 4
			y := dst[32*sub:][:32]
			for j, q := range src[48+sub/2*32:][:32] {
				y[j] = scale*float32(q>>shift&15|high[j]>>sub&1<<4) - min
			}
		}
	}
}

func encodeQ4_K(dst []byte, x, w []float32) bool {
	return encodeK(dst, x, w, 15, func(sub, j int, q byte) { dst[16+sub/2*32+j] |= q << (sub % 2 * 4) })
}

func encodeQ5_K(dst []byte, x, w []float32) bool {
	return encodeK(dst, x, w, 31, func(sub, j int, q byte) {
		dst[16+j] |= q >> 4 << sub
		dst[48+sub/2*32+j] |= q & 15 << (sub % 2 * 4)
	})
}

// encodeK writes the scales and calls put for each quant of 0..hi, into zeros.
func encodeK(dst []byte, x, w []float32, hi float32, put func(sub, j int, q byte)) bool {
	d, dmin, scales, mins, ok := affineBlock{sub: 32, hi: hi, top: 63}.fit(x, w)
	if !ok {
		return false
	}
	clear(dst)
	putHalf(dst, d)
	putHalf(dst[2:], dmin)
	putScales6(dst[4:16], &scales, &mins)
	for sub := range 8 {
		inv, m := inverse(d*scales[sub]), dmin*mins[sub]
		for j, v := range x[32*sub:][:32] {
			put(sub, j, unsigned(nearest((v+m)*inv, 0, hi)))
		}
	}
	return true
}
