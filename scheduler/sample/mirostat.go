package sample

import "math"

// mirostat draws from what surprises by no more than the bound, and moves the bound. As in algorithm 2 of the paper; surprise is
// measured after the cut, as its authors' program and llama.cpp do.
func (s *Sampler) mirostat(w *work) int32 {
	keys := w.inOrder(math.Inf(-1))
	w.weigh(keys)
	n := 1
	for n < len(keys) && -math.Log2(w.weights[n]/w.sum) <= s.bound {
		n++
	}
	w.weigh(keys[:n])
	i := draw(w.weights, s.random.Float64()*w.sum)
	surprise := -math.Log2(w.weights[i] / w.sum)
	s.bound -= s.params.Mirostat.rate() * (surprise - s.params.Mirostat.Surprise)
	return keys[i].id()
}
