package shaders

import (
	"math"
	"sort"
)

// RouteRef is the reference of Route for one row of logits: the experts chosen, the best first, and their weights.
func RouteRef(r Routing, logits []float32) (experts []int, weights []float32) {
	order := make([]int, r.Experts)
	for i := range order {
		order[i] = i
	}
	sort.SliceStable(order, func(i, j int) bool { return logits[order[i]] > logits[order[j]] })
	experts = order[:r.Used]
	score := func(e int) float64 {
		if r.Score == Sigmoid {
			return 1 / (1 + math.Exp(-float64(logits[e])))
		}
		return math.Exp(float64(logits[e] - logits[order[0]]))
	}
	sum := 0.0
	switch {
	case r.OfChosen():
		for _, e := range experts {
			sum += score(e)
		}
		if r.Score == Sigmoid {
			sum = max(sum, smallestSum)
		}
	case r.OfAll():
		for e := range r.Experts {
			sum += score(e)
		}
	default:
		sum = 1
	}
	for _, e := range experts {
		weights = append(weights, float32(score(e)/sum*float64(r.Scale)))
	}
	return experts, weights
}

// ExpertsRef is the reference of Experts: w has Held matrices of N × K, x rows × K or if Paired pairs × K, and y, pairs × Stride, is updated where
// the pair's expert is held. experts are by pair.
func ExpertsRef(s ExpertShape, experts []int, w, x, gain, y []float32) {
	one := s.linear(false)
	for p, e := range experts {
		if e < s.First || e >= s.First+s.Held {
			continue
		}
		row := p
		if !s.Paired {
			row /= s.Routing.Used
		}
		LinearRef(one, w[(e-s.First)*s.N*s.K:][:s.N*s.K], x[row*s.K:][:s.K], gain, nil, y[p*s.Stride:][:s.Stride], 1)
	}
}

// ExpertSumRef is the reference of ExpertSum for one row: x is updated by what its pairs gave, end to end in y.
func ExpertSumRef(weights, y, x []float32) {
	for i := range x {
		sum := 0.0
		for turn, w := range weights {
			sum += float64(w) * float64(y[turn*len(x)+i])
		}
		x[i] += float32(sum)
	}
}
