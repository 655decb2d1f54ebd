package sample

import "math"

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

// topP keeps the fewest of the largest whose share of all that is left reaches p, one at least.
func (w *work) topP(p float64) {
	sum, n := 0.0, len(w.keys)
	if w.packed {
		for _, k := range w.keys {
			sum += weight(k.logit(), w.peak, w.temperature)
		}
	} else {
		n = len(w.c.Logits)
		for _, l := range w.c.Logits {
			sum += weight(float64(l), w.peak, w.temperature)
		}
	}
	floor := math.Inf(-1)
	if !w.sorted {
		floor = topPFloor(n, p, w.peak, w.temperature, sum)
	}
	reached := 0.0
	for i, k := range w.inOrder(floor) {
		if reached += weight(k.logit(), w.peak, w.temperature); reached >= p*sum {
			w.keys = w.keys[:i+1]
			return
		}
	}
}

// topPFloor returns a logit below which none of n can be among the fewest that reach p: those whose probability is
// less than (1-p)/n sum to less than 1-p. Half of that leaves room for rounding. p is below 1.
func topPFloor(n int, p, peak, temperature, sum float64) float64 {
	return peak + temperature*math.Log(0.5*(1-p)*sum/float64(n))
}

// minPFloor returns the logit whose probability is p times the largest. p is above 0.
func minPFloor(p, peak, temperature float64) float64 {
	return peak + temperature*math.Log(p)
}
