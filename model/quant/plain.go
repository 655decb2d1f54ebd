package quant

import (
	"encoding/binary"
	"math"

	"github.com/x448/float16"
)

// le is the byte order of GGUF and of the planes.
var le = binary.LittleEndian

func dequantizeF32(dst []float32, src []byte) {
	for i := range dst {
		dst[i] = math.Float32frombits(le.Uint32(src[4*i:]))
	}
}

func quantizeF32(dst []byte, src, _ []float32) int {
	for i, x := range src {
		le.PutUint32(dst[4*i:], math.Float32bits(x))
	}
	return -1
}

func dequantizeF16(dst []float32, src []byte) {
	for i := range dst {
		dst[i] = half(src[2*i:])
	}
}

// quantizeF16 rounds to nearest, ties to even; what exceeds a half becomes infinite.
func quantizeF16(dst []byte, src, _ []float32) int {
	for i, x := range src {
		putHalf(dst[2*i:], x)
	}
	return -1
}

func dequantizeBF16(dst []float32, src []byte) {
	for i := range dst {
		dst[i] = math.Float32frombits(uint32(le.Uint16(src[2*i:])) << 16)
	}
}

// quantizeBF16 rounds to nearest, ties to even, and makes NaN quiet: ggml_compute_fp32_to_bf16.
func quantizeBF16(dst []byte, src, _ []float32) int {
	for i, x := range src {
		b := math.Float32bits(x)
		if x != x {
			b |= 0x400000 // quiet; or dropping the low half could turn NaN into infinity
		} else {
			b += 0x7fff + b>>16&1
		}
		le.PutUint16(dst[2*i:], uint16(b>>16))
	}
	return -1
}

// half reads an IEEE binary16.
func half(b []byte) float32 { return float16.Frombits(le.Uint16(b)).Float32() }

// putHalf writes x as binary16, rounded to nearest even, and reports whether that is finite.
func putHalf(b []byte, x float32) bool {
	h := float16.Fromfloat32(x)
	le.PutUint16(b, h.Bits())
	return h.IsFinite()
}

// plainPlanes are those of values that lie there as in the file, the last group of a row filled up with zeros.
func plainPlanes(bits int, dequantize func([]float32, []byte)) *planes {
	return &planes{
		quantBits: bits,
		repack:    func(r planeRow, src []byte) { clear(r.quants[copy(r.quants, src):]) },
		unpack:    func(dst []float32, r planeRow) { dequantize(dst, r.quants) },
	}
}
