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

// namesIQ4 names the level nearest to a value, by twice that value, rounded, from -256 on: all borders between levels are halves.
var namesIQ4 = func() (names [512]byte) {
	for i := range names {
		v := float32(i-256) / 2
		for n, level := range levelsIQ4 {
			if abs(v-level) < abs(v-levelsIQ4[names[i]]) {
				names[i] = byte(n)
			}
		}
	}
	return names
}()

// nearestIQ4 names the level nearest to v.
func nearestIQ4(v float32) byte { return namesIQ4[(256+int(nearest(2*v, -256, 255)))&511] }

func sumsIQ4(x, w []float32, inv float32) (xq, qq float64) {
	w = w[:len(x)]
	for i, v := range x {
		q := levelsIQ4[nearestIQ4(v*inv)&15]
		wq := w[i] * q
		xq += float64(wq * v)
		qq += float64(wq * q)
	}
	return xq, qq
}

// fitIQ4 returns the scale d for values d·level. The levels' ends differ, so the largest value is tried at both.
func fitIQ4(x, w []float32) float32 {
	return sums(sumsIQ4).search(x, w, 0.3, levelsIQ4[0], levelsIQ4[15])
}

// putIQ4 writes the 16 bytes of nibbles of 32 columns.
func putIQ4(dst []byte, x []float32, inv float32) {
	for j := range 16 {
		dst[j] = nearestIQ4(x[j]*inv) | nearestIQ4(x[j+16]*inv)<<4
	}
}

func encodeIQ4_NL(dst []byte, x, w []float32) bool {
	if !putHalf(dst, fitIQ4(x, w)) {
		return false
	}
	putIQ4(dst[2:], x, inverse(half(dst)))
	return true
}

var blockIQ4_XS = lineBlock{sub: group, sums: sumsIQ4, scaleLo: -32, scaleHi: 31, fit: fitIQ4}

func encodeIQ4_XS(dst []byte, x, w []float32) bool {
	d, scales, ok := blockIQ4_XS.scale(x, w)
	if !ok {
		return false
	}
	clear(dst[:8])
	putHalf(dst, d)
	var high uint16
	for sub, s := range scales[:super/group] {
		packed := unsigned(s + 32)
		dst[4+sub/2] |= packed & 15 << (sub % 2 * 4)
		high |= uint16(packed>>4) << (2 * sub)
		putIQ4(dst[8+16*sub:], x[group*sub:], inverse(d*s))
	}
	le.PutUint16(dst[2:], high)
	return true
}
