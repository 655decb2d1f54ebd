package sample

import (
	"math"
	"slices"
)

// typical keeps those whose surprise is closest to the entropy, the fewest whose share reaches p.
func (w *work) typical(p float64) {
	keys := w.inOrder(math.Inf(-1))
	w.weigh(keys)
	h := w.entropy()
	order, far := make([]int, len(keys)), make([]float64, len(keys))
	for i, x := range w.weights {
		order[i], far[i] = i, math.Abs(-math.Log(x/w.sum)-h)
	}
	slices.SortStableFunc(order, func(a, b int) int {
		switch {
		case far[a] < far[b]:
			return -1
		case far[a] > far[b]:
			return 1
		}
		return 0
	})
	reached := 0.0
	for n, i := range order {
		if reached += w.weights[i]; reached >= p*w.sum {
			order = order[:n+1]
			break
		}
	}
	slices.Sort(order) // the likeliest first again
	for n, i := range order {
		keys[n] = keys[i]
	}
	w.keys = keys[:len(order)]
	w.peak = w.keys[0].logit()
}

// topNSigma keeps logits within n standard deviations of the largest.
func (w *work) topNSigma(n float64) {
	w.keys = w.all(math.Inf(-1))
	if math.IsInf(w.peak, 1) {
		w.keys = w.all(w.peak)
		return
	}
	sum, count := 0.0, 0.0
	for _, k := range w.keys {
		if l := k.logit(); !math.IsInf(l, -1) {
			sum += l
			count++
		}
	}
	mean, squares := sum/count, 0.0
	for _, k := range w.keys {
		if l := k.logit(); !math.IsInf(l, -1) {
			squares += (l - mean) * (l - mean)
		}
	}
	w.keys = w.all(w.peak - n*math.Sqrt(squares/count))
}

// xtc leaves out the likeliest, if the coin, in [0, 1), falls so.
func (w *work) xtc(x XTC, coin float64) {
	if coin >= x.Probability {
		return
	}
	keys := w.inOrder(math.Inf(-1))
	w.weigh(keys)
	n := 0
	for n < len(keys) && w.weights[n] >= x.Threshold*w.sum && w.weights[n] > 0 {
		n++
	}
	if n >= 2 {
		w.keys = keys[:copy(keys, keys[n-1:])]
		w.peak = w.keys[0].logit()
	}
}
