package shaders

import "math"

// QuantizeKV is how int8 KV stores one token's key or value of one head: v[i] is about q[i] * scale, where scale is
// max|v| / 127 and q the nearest, at a tie the even one. A device may take the other neighbour where v[i] / scale is
// within rounding of a tie.
func QuantizeKV(v []float32) (q []int8, scale float32) {
	top := 0.0
	for _, x := range v {
		top = max(top, math.Abs(float64(x)))
	}
	q = make([]int8, len(v))
	if top > 1e-30 {
		for i, x := range v {
			q[i] = int8(math.RoundToEven(float64(x) * (127 / top)))
		}
	}
	return q, float32(top) * (1.0 / 127)
}
