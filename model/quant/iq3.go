package quant

// Block sizes in bytes. 4 columns are a point of a codebook, 8 columns share a byte of signs, 32 columns a scale of 4 bits.
const (
	blockBytesIQ3_XXS = 98  // f16 d; 64 bytes of points; 8 × u32 of 4 × 7 signs and a scale; ggml block_iq3_xxs. A value is d*(scale+½)/2*level.
	blockBytesIQ3_S   = 110 // f16 d; 64 bytes of points, 8 of their high bits, 32 of signs, 4 of scales; ggml block_iq3_s. A value is d*(2*scale+1)*level.
)

func dequantizeIQ3_XXS(dst []float32, src []byte) {
	grid := gridIQ3XXS()
	for ; len(src) > 0; src, dst = src[blockBytesIQ3_XXS:], dst[super:] {
		d := half(src)
		for i, point := range src[2:66] {
			rest := le.Uint32(src[66+i/8*4:])
			scale := d * (0.5 + float32(rest>>28)) * 0.5
			signs := evenSigns(rest >> (i / 2 % 4 * 7))
			signed(dst[4*i:], grid[4*int(point):][:4], scale, signs>>(i%2*4))
		}
	}
}

func dequantizeIQ3_S(dst []float32, src []byte) {
	grid := gridIQ3S()
	for ; len(src) > 0; src, dst = src[blockBytesIQ3_S:], dst[super:] {
		d, highs, signs, scales := half(src), src[66:74], src[74:106], src[106:blockBytesIQ3_S]
		for i, low := range src[2:66] {
			point := int(low) | int(highs[i/8]>>(i%8)&1)<<8
			scale := d * float32(1+2*(scales[i/16]>>(i/8%2*4)&15))
			signed(dst[4*i:], grid[4*point:][:4], scale, signs[i/2]>>(i%2*4))
		}
	}
}
