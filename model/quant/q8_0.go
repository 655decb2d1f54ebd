package quant

import "math"

const blockBytesQ8_0 = 34 // f16 scale d + 32 × i8; ggml block_q8_0. A value is d*q.

func dequantizeQ8_0(dst []float32, src []byte) {
	for ; len(src) > 0; src, dst = src[blockBytesQ8_0:], dst[group:] {
		unpackQ8_0(dst[:group], planeRow{quants: src[2:blockBytesQ8_0], scales: src})
	}
}

func encodeQ8_0(dst []byte, x, w []float32) bool {
	return putQ8_0(dst, x, lineSums(-127, 127).search(x, w, spread(127), 127))
}

// putQ8_0 writes a block with scale d.
func putQ8_0(dst []byte, x []float32, d float32) bool {
	if !putHalf(dst, d) {
		return false
	}
	inv := inverse(half(dst))
	for j, v := range x {
		dst[2+j] = byte(int8(nearest(v*inv, -127, 127)))
	}
	return true
}

// repackQ8_0 takes scales and quants apart: 32 i8 and one f16 per group.
func repackQ8_0(r planeRow, src []byte) {
	quants, scales := r.quants, r.scales
	for len(src) >= blockBytesQ8_0 && len(quants) >= group && len(scales) >= 2 {
		*(*[2]byte)(scales) = *(*[2]byte)(src)
		*(*[group]byte)(quants) = *(*[group]byte)(src[2:blockBytesQ8_0])
		src, quants, scales = src[blockBytesQ8_0:], quants[group:], scales[2:]
	}
}

func unpackQ8_0(dst []float32, r planeRow) {
	for j := range dst {
		dst[j] = half(r.scales[2*(j/group):]) * float32(int8(r.quants[j]))
	}
}

// largest returns the index of the first value of the largest magnitude; of a NaN, if there is one.
func largest(x []float32) int {
	at := 0
	for i, v := range x {
		if v != v {
			return i
		}
		if abs(v) > abs(x[at]) {
			at = i
		}
	}
	return at
}

// inverse returns 1/d, or 0 where d is 0 or so small that 1/d is infinite: then the f16 scale is 0 and any
// quant stands for the same value.
func inverse(d float32) float32 {
	inv := 1 / d
	if math.IsInf(float64(inv), 0) {
		return 0
	}
	return inv
}

func abs(x float32) float32 { return math.Float32frombits(math.Float32bits(x) &^ (1 << 31)) }
