package quant

// Block sizes in bytes. A 4-bit quant names one of 16 levels, nearer to each other around zero. Nibbles lie as in Q4_0.
const (
	blockBytesIQ4_NL = 18  // f16 scale d, 32 × u4; ggml block_iq4_nl. A value is d*level.
	blockBytesIQ4_XS = 136 // f16 d, u16 of high bits and 4 bytes of low nibbles of 8 scales, 256 × u4; ggml block_iq4_xs. A value is d*(scale-32)*level.
)

// levelsIQ4 are the levels: ggml's kvalues_iq4nl.
var levelsIQ4 = [16]float32{-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113}

// lookup writes d times the levels that 16 bytes of nibbles name: columns 0..15 low, 16..31 high.
func lookup(dst []float32, nibbles []byte, levels *[16]float32, d float32) {
	half := len(nibbles)
	dst = dst[:2*half]
	for j, q := range nibbles {
		dst[j] = d * levels[q&15]
		dst[j+half] = d * levels[q>>4]
	}
}

func dequantizeIQ4_NL(dst []float32, src []byte) {
	for ; len(src) > 0; src, dst = src[blockBytesIQ4_NL:], dst[group:] {
		lookup(dst, src[2:blockBytesIQ4_NL], &levelsIQ4, half(src))
	}
}

func dequantizeIQ4_XS(dst []float32, src []byte) {
	for ; len(src) > 0; src, dst = src[blockBytesIQ4_XS:], dst[super:] {
		d, high, lows := half(src), le.Uint16(src[2:]), src[4:8]
		for sub := range super / group {
			low := lows[sub/2] >> (sub % 2 * 4) & 15
			scale := int(low) | int(high>>(2*sub)&3)<<4
			lookup(dst[group*sub:], src[8+16*sub:][:16], &levelsIQ4, d*float32(scale-32))
		}
	}
}
