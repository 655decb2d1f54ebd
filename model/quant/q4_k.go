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
