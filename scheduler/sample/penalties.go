package sample

import (
	"math"
	"slices"
)

// bias adds to the logits, which are the whole vocabulary's unless they are packed. Of packed ones those that are banned stay, the
// least likely.
func (w *work) bias(bias map[int32]float64) {
	if w.packed {
		w.change(func(id int32, l float64) float64 { return l + bias[id] })
		return
	}
	w.own()
	for id, b := range bias {
		switch {
		case id < 0 || int(id) >= len(w.logits):
		case math.IsInf(b, -1):
			w.logits[id] = float32(b)
		default:
			w.logits[id] = finite(float64(w.logits[id])+b, w.logits[id])
		}
	}
	w.peak, w.err = peakOf(w.logits)
}

// penalise applies Penalty, Frequency and Presence to what is left.
func (w *work) penalise(p Params, history []int32) {
	seen := w.seen()
	for _, id := range last(history, p.PenaltyLast) {
		seen[id]++
	}
	w.adjust(func(l float64, n int) float64 {
		if p.repeats() {
			if l > 0 {
				l /= p.Penalty
			} else {
				l *= p.Penalty
			}
		}
		return l - float64(n)*p.Frequency - p.Presence
	})
}

// dry weakens what would go on with a repetition.
func (w *work) dry(d DRY, history []int32) {
	seen := w.seen() // the length of the longest repetition that each token would go on with, plus 1
	for id, n := range w.repetitions(d, last(history, d.Last)) {
		seen[id] = n + 1
	}
	w.adjust(func(l float64, n int) float64 {
		return l - min(d.Multiplier*math.Pow(d.Base, float64(n-1-d.Allowed)), math.MaxFloat32)
	})
}

// repetitions finds, for each token that followed an earlier occurrence of how the history ends, the length of the longest of
// these, where it is at least d.Allowed and 1. Lengths at all places come from the Z function of the history read backwards
// (Gusfield 1997, section 1.3), in linear time.
func (w *work) repetitions(d DRY, history []int32) map[int32]int {
	found := map[int32]int{}
	end := len(history)
	limit := 0 // how far from the end the first breaker is
	for limit < end && !slices.Contains(d.Breakers, history[end-1-limit]) {
		limit++
	}
	back := func(i int) int32 { return history[end-1-i] }
	if cap(w.z) < end {
		w.z = make([]int, end)
	}
	z := w.z[:end]
	from, to := 0, 0 // the match that reaches furthest
	for i := 1; i < end; i++ {
		n := 0
		if i < to {
			n = min(to-i, z[i-from])
		}
		for i+n < end && back(n) == back(i+n) {
			n++
		}
		if z[i] = n; i+n > to {
			from, to = i, i+n
		}
		if n = min(n, limit); n >= max(1, d.Allowed) {
			next := back(i - 1)
			found[next] = max(found[next], n)
		}
	}
	return found
}

// adjust changes the logits of the tokens that w.tokens lists, by what it has of them.
func (w *work) adjust(change func(logit float64, n int) float64) {
	if len(w.tokens) == 0 {
		return
	}
	if t := w.temperature; t != 1 {
		w.change(func(_ int32, l float64) float64 { return l / t })
		w.temperature = 1
	}
	if w.packed {
		w.change(func(id int32, l float64) float64 {
			if n, ok := w.tokens[id]; ok {
				return change(l, n)
			}
			return l
		})
		return
	}
	w.own() // the whole vocabulary: what penalises needs that
	for id, n := range w.tokens {
		if id >= 0 && int(id) < len(w.logits) {
			w.logits[id] = finite(change(float64(w.logits[id]), n), w.logits[id])
		}
	}
	w.peak, w.err = peakOf(w.logits)
}

// seen returns the empty map of tokens that adjust changes.
func (w *work) seen() map[int32]int {
	if w.tokens == nil {
		w.tokens = map[int32]int{}
	}
	clear(w.tokens)
	return w.tokens
}

// last returns the latest n of a history; all if n is -1.
func last(history []int32, n int) []int32 {
	if n >= 0 && n < len(history) {
		return history[len(history)-n:]
	}
	return history
}

// finite is x as a logit: infinite only where the logit before, was, is.
func finite(x float64, was float32) float32 {
	if math.IsInf(float64(was), 0) {
		return was
	}
	return float32(max(-math.MaxFloat32, min(math.MaxFloat32, x)))
}
