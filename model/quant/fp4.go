package quant

import "math"

// Block sizes in bytes. A 4-bit quant is a float of one sign, two exponent and one mantissa bit (E2M1, OCP Microscaling Formats 1.0).
// Low nibbles are the first half of the columns that share a scale, high nibbles the second.
const (
	blockBytesMXFP4 = 17 // E8M0 scale, 32 × E2M1; ggml block_mxfp4
	blockBytesNVFP4 = 36 // 4 unsigned E4M3 scales, 4 × 16 × E2M1; ggml block_nvfp4
)

// levelsFP4 are twice the values of E2M1, as scales below are half of theirs: whole numbers.
var levelsFP4 = [16]float32{0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12}

// halfE8M0 is half of the power of two that an E8M0 stands for, 2^(e-128). 255, a NaN in the standard, is 2^127 in GGUF files.
func halfE8M0(e byte) float32 {
	return float32(math.Ldexp(1, int(e)-128))
}

// halfE4M3 is half of what an unsigned E4M3 stands for. 127, the NaN, is 0 in GGUF files, and the top bit means nothing.
func halfE4M3(b byte) float32 {
	exp, frac := int(b>>3&15), float64(b&7)
	switch {
	case b == 127:
		return 0
	case exp == 0:
		return float32(math.Ldexp(frac, -10))
	}
	return float32(math.Ldexp(8+frac, exp-11))
}

func dequantizeMXFP4(dst []float32, src []byte) {
	for ; len(src) > 0; src, dst = src[blockBytesMXFP4:], dst[group:] {
		lookup(dst, src[1:blockBytesMXFP4], &levelsFP4, halfE8M0(src[0]))
	}
}

func dequantizeNVFP4(dst []float32, src []byte) {
	for ; len(src) > 0; src, dst = src[blockBytesNVFP4:], dst[64:] {
		for sub, e := range src[:4] {
			lookup(dst[16*sub:], src[4+8*sub:][:8], &levelsFP4, halfE4M3(e))
		}
	}
}

// nearestFP4 names the level of levelsFP4 nearest to v.
func nearestFP4(v float32) byte {
	a, n := abs(v), byte(0)
	for _, border := range [...]float32{0.5, 1.5, 2.5, 3.5, 5, 7, 10} {
		if a > border {
			n++
		}
	}
	if v < 0 && n > 0 {
		n |= 8
	}
	return n
}

// encodeMXFP4 tries the power of two that just holds the largest value, and its neighbours.
func encodeMXFP4(dst []byte, x, w []float32) bool {
	_, exp := math.Frexp(float64(x[largest(x)])) // below 2^exp; the largest level is 6 = 1.5·2^2
	var least float32 = math.MaxFloat32
	for e := exp - 4; e <= exp-1; e++ {
		code := byte(max(0, min(e+127, 254)))
		d := halfE8M0(code)
		inv := inverse(d)
		var sum float32
		for i, v := range x {
			off := v - d*levelsFP4[nearestFP4(v*inv)]
			sum += w[i] * off * off
		}
		if sum < least {
			least, dst[0] = sum, code
		}
	}
	inv := inverse(halfE8M0(dst[0]))
	for j := range 16 {
		dst[1+j] = nearestFP4(x[j]*inv) | nearestFP4(x[j+16]*inv)<<4
	}
	return true
}
