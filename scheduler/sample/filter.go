package sample

import "math"

// keep returns the candidates that top-k, top-p and min-p leave; peak is the largest logit. They come largest first if
// a filter had to sort, in id order otherwise, which depends on the parameters alone.
func (w *work) keep(p Params, c Candidates, peak float64) []key {
	var keys []key
	switch {
	case p.TopK > 0:
		keys = w.topK(w.pack(c, math.Inf(-1)), p.TopK)
		if p.TopP < 1 {
			sum := 0.0
			for _, k := range keys {
				sum += weight(k.logit(), peak, 1)
			}
			keys = topP(keys, p.TopP, peak, sum)
		}
	case p.TopP < 1:
		sum := 0.0
		for _, l := range c.Logits {
			sum += weight(float64(l), peak, 1)
		}
		keys = w.sort(w.pack(c, topPFloor(len(c.Logits), p.TopP, peak, sum)))
		keys = topP(keys, p.TopP, peak, sum)
	default:
		return w.pack(c, minPFloor(p.MinP, peak))
	}
	return minP(keys, minPFloor(p.MinP, peak))
}

// pack makes keys of the candidates whose logit is at least floor.
func (w *work) pack(c Candidates, floor float64) []key {
	w.keys = w.keys[:0]
	for i, l := range c.Logits {
		if float64(l) >= floor {
			w.keys = append(w.keys, makeKey(l, c.id(i)))
		}
	}
	return w.keys
}

// topK returns the k largest, sorted. It counts keys by their top 16 bits (a bfloat16's worth of logit), keeps the
// leading groups that hold at least k between them, and sorts only those.
func (w *work) topK(keys []key, k int) []key {
	if k < len(keys) && len(keys) >= sortSmall {
		if w.counts == nil {
			w.counts = make([]uint32, 1<<16)
		}
		clear(w.counts)
		for _, x := range keys {
			w.counts[x>>48]++
		}
		group, n := 0, 0
		for ; n < k; group++ {
			n += int(w.counts[group])
		}
		kept := keys[:0]
		for _, x := range keys {
			if int(x>>48) < group {
				kept = append(kept, x)
			}
		}
		keys = kept
	}
	keys = w.sort(keys)
	return keys[:min(k, len(keys))]
}

// topP returns the fewest leading keys whose share of sum reaches p, one at least. Keys are sorted; sum is the total
// of exp(logit-peak) over everything they were taken from.
func topP(keys []key, p, peak, sum float64) []key {
	reached := 0.0
	for i, k := range keys {
		reached += weight(k.logit(), peak, 1)
		if reached >= p*sum {
			return keys[:i+1]
		}
	}
	return keys
}

// topPFloor returns a logit below which none of n can be among the fewest that reach p: those whose probability is
// less than (1-p)/n sum to less than 1-p. Half of that leaves room for rounding. p is below 1.
func topPFloor(n int, p, peak, sum float64) float64 {
	return peak + math.Log(0.5*(1-p)*sum/float64(n))
}

// minP returns the keys, which are sorted, whose logit is at least floor.
func minP(keys []key, floor float64) []key {
	for i, k := range keys {
		if k.logit() < floor {
			return keys[:i]
		}
	}
	return keys
}

// minPFloor returns the logit whose probability is p times the largest.
func minPFloor(p, peak float64) float64 {
	if p == 0 {
		return math.Inf(-1) // not peak + log 0, which is no number where peak is +Inf
	}
	return peak + math.Log(p)
}
