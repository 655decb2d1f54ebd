package shaders

import "math"

// AttentionRef is the reference of Attention for one query row and head: q and the rows of k and v are HeadDim long, and the
// row sees all of k and v.
func AttentionRef(q []float32, k, v [][]float32) []float32 {
	scores, m := make([]float64, len(k)), math.Inf(-1)
	for t := range k {
		for i, x := range q {
			scores[t] += float64(x) * float64(k[t][i])
		}
		scores[t] /= math.Sqrt(float64(len(q)))
		m = max(m, scores[t])
	}
	sum, y := 0.0, make([]float64, len(q))
	for t, s := range scores {
		p := math.Exp(s - m)
		sum += p
		for i := range y {
			y[i] += p * float64(v[t][i])
		}
	}
	out := make([]float32, len(q))
	for i := range y {
		out[i] = float32(y[i] / sum)
	}
	return out
}
