package quant

// Block sizes in bytes. 8 columns are a point of a codebook with signs of their own; a value is d*(scale+½)/4*level. Scales have 4 bits.
const (
	blockBytesIQ2_XXS = 66 // f16 d; per 32 columns 4 bytes of points, u32 of 4 × 7 signs and the scale; ggml block_iq2_xxs
	blockBytesIQ2_XS  = 74 // f16 d; 32 × u16 of a point's 9 bits and 7 signs; 16 scales in nibbles; ggml block_iq2_xs
	blockBytesIQ2_S   = 82 // f16 d; 32 bytes of points, 32 bytes of signs, 8 bytes of points' 2 high bits; 16 scales in nibbles; ggml block_iq2_s
)

// scaleIQ2 is the scale of a run of columns; exact.
func scaleIQ2(d float32, scale uint32) float32 { return d * (0.5 + float32(scale)) * 0.25 }

func dequantizeIQ2_XXS(dst []float32, src []byte) {
	grid := gridIQ2XXS()
	for ; len(src) > 0; src, dst = src[blockBytesIQ2_XXS:], dst[super:] {
		d := half(src)
		for sub := range 8 {
			at := src[2+8*sub:][:8]
			rest := le.Uint32(at[4:])
			scale := scaleIQ2(d, rest>>28)
			for i, point := range at[:4] {
				signed(dst[32*sub+8*i:], grid[8*int(point):][:8], scale, evenSigns(rest>>(7*i)))
			}
		}
	}
}

func dequantizeIQ2_XS(dst []float32, src []byte) {
	grid := gridIQ2XS()
	for ; len(src) > 0; src, dst = src[blockBytesIQ2_XS:], dst[super:] {
		d, scales := half(src), src[66:blockBytesIQ2_XS]
		for i := range 32 {
			q := le.Uint16(src[2+2*i:])
			scale := scaleIQ2(d, uint32(scales[i/4]>>(i/2%2*4)&15))
			signed(dst[8*i:], grid[8*int(q&511):][:8], scale, evenSigns(uint32(q>>9)))
		}
	}
}

func dequantizeIQ2_S(dst []float32, src []byte) {
	grid := gridIQ2S()
	for ; len(src) > 0; src, dst = src[blockBytesIQ2_S:], dst[super:] {
		d, signs, highs, scales := half(src), src[34:66], src[66:74], src[74:blockBytesIQ2_S]
		for i, low := range src[2:34] {
			point := int(low) | int(highs[i/4]>>(i%4*2)&3)<<8
			scale := scaleIQ2(d, uint32(scales[i/4]>>(i/2%2*4)&15))
			signed(dst[8*i:], grid[8*point:][:8], scale, signs[i])
		}
	}
}
