package shaders

import "math"

// AttentionRef is the reference of Attention for one query row and head: q and the rows of k and v are HeadDim long, and the
// row sees all of k and v, or the last Window of them.
func AttentionRef(s AttentionShape, q []float32, k, v [][]float32) []float32 {
	if s.Window > 0 {
		unseen := max(0, len(k)-s.Window)
		k, v = k[unseen:], v[unseen:]
	}
	scale, limit := float64(s.Scale), float64(s.Cap)
	if scale == 0 {
		scale = 1 / math.Sqrt(float64(len(q)))
	}
	scores, m := make([]float64, len(k)), math.Inf(-1)
	for t := range k {
		for i, x := range q {
			scores[t] += float64(x) * float64(k[t][i])
		}
		scores[t] *= scale
		if limit > 0 {
			scores[t] = limit * math.Tanh(scores[t]/limit)
		}
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
