package quant

import "umbra/model/gguf"

// most is the largest magnitude of a value that is quantised. Weights are far below; sums of squares stay within a float32.
const most = 1 << 30

// ones are the weights of a block without an importance matrix.
var ones = func() (w [super]float32) {
	for i := range w {
		w[i] = 1
	}
	return w
}()

// eachBlock makes a table's quantize of an encoder of one block. The encoder gets the block's values and their weights, and reports
// whether its scales hold; the value with the largest magnitude is then the one to blame.
func eachBlock(t gguf.Type, encode func(dst []byte, x, w []float32) bool) func(dst []byte, src, weights []float32) int {
	size, bytes := t.BlockSize(), t.BlockBytes()
	return func(dst []byte, src, weights []float32) int {
		w := ones[:size]
		for i := 0; i < len(src); i, dst = i+size, dst[bytes:] {
			x := src[i : i+size]
			at := largest(x)
			if !(abs(x[at]) <= most) {
				return i + at
			}
			if weights != nil {
				w = weights[i : i+size]
			}
			if !encode(dst[:bytes], x, w) {
				return i + at
			}
		}
		return -1
	}
}
