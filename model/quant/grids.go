package quant

import (
	"encoding/base64"
	"math"
	mathbits "math/bits"
	"sync"
)

// The codebooks, decoded when first needed: the points one after the other, 8 values each (4 for IQ3).
var (
	gridIQ1S   = codebook(bitsIQ1S, 8, -1, 0, 1)
	gridIQ2XXS = codebook(bitsIQ2XXS, 8, 8, 25, 43)
	gridIQ2XS  = codebook(bitsIQ2XS, 8, 8, 25, 43)
	gridIQ2S   = codebook(bitsIQ2S, 8, 8, 25, 43)
	gridIQ3XXS = codebook(bitsIQ3XXS, 4, 4, 12, 20, 28, 36, 44, 52, 62)
	gridIQ3S   = codebook(bitsIQ3S, 4, 1, 3, 5, 7, 9, 11, 13, 15)
)

// codebook returns a function that gives the points of a bit set, in order, dim values each.
func codebook(text string, dim int, levels ...float32) func() []float32 {
	return sync.OnceValue(func() []float32 {
		set, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			panic(err) // a constant of this package
		}
		var points []float32
		for i, b := range set {
			for ; b != 0; b &= b - 1 {
				n := 8*i + mathbits.TrailingZeros8(b)
				for range dim {
					points = append(points, levels[n%len(levels)])
					n /= len(levels)
				}
			}
		}
		return points
	})
}

// evenSigns turns 7 bits into the signs of 8 columns: the eighth makes the number of negative ones even.
func evenSigns(seven uint32) byte {
	s := byte(seven & 127)
	return s | byte(mathbits.OnesCount8(s)&1)<<7
}

// signed writes d times each of a point's values, negative where the column's bit is set.
func signed(dst, point []float32, d float32, signs byte) {
	dst = dst[:len(point)]
	for j, p := range point {
		sign := uint32(signs>>j&1) << 31
		dst[j] = d * p * math.Float32frombits(sign|0x3f800000)
	}
}
