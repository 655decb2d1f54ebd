package quant

import "github.com/x448/float16"

// Block sizes in bytes. 8 columns are a point of -1, 0 and 1, all moved by an eighth up or down; a value is d*(2*scale+1)*(level ± ⅛).
const (
	blockBytesIQ1_S = 50 // f16 d; 32 bytes of points; per 32 columns u16 of 4 × 3 high bits, a 3-bit scale, the direction; ggml block_iq1_s
	blockBytesIQ1_M = 56 // 32 bytes of points; per 16 columns a byte of 2 × (3 high bits, direction); 4 × u16 of four 3-bit scales and a nibble of d; ggml block_iq1_m
)

// moved writes a point with d times its levels moved down, if that is not 0, or up.
func moved(dst, point []float32, d float32, down bool) {
	delta := float32(0.125)
	if down {
		delta = -delta
	}
	dst = dst[:len(point)]
	for j, p := range point {
		dst[j] = d * (p + delta)
	}
}

func dequantizeIQ1_S(dst []float32, src []byte) {
	grid := gridIQ1S()
	for ; len(src) > 0; src, dst = src[blockBytesIQ1_S:], dst[super:] {
		d := half(src)
		for i, low := range src[2:34] {
			high := le.Uint16(src[34+i/4*2:])
			point := int(low) | int(high>>(i%4*3)&7)<<8
			scale := d * float32(2*(high>>12&7)+1)
			moved(dst[8*i:], grid[8*point:][:8], scale, high>>15 != 0)
		}
	}
}

func dequantizeIQ1_M(dst []float32, src []byte) {
	grid := gridIQ1S()
	for ; len(src) > 0; src, dst = src[blockBytesIQ1_M:], dst[super:] {
		var bits uint16 // of d: the top nibbles of the four words of scales, the first the lowest
		for i := range 4 {
			bits |= le.Uint16(src[48+2*i:]) >> 12 << (4 * i)
		}
		d := float16.Frombits(bits).Float32()
		for i, low := range src[:32] {
			high := src[32+i/2] >> (i % 2 * 4)
			point := int(low) | int(high&7)<<8
			scale := d * float32(2*(le.Uint16(src[48+i/8*2:])>>(i/2%4*3)&7)+1)
			moved(dst[8*i:], grid[8*point:][:8], scale, high>>3&1 != 0)
		}
	}
}
