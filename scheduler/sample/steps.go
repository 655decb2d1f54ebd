package sample

import (
	"math"
	"slices"
)

// run takes what w has begun with through bias and all steps. w.keys are then what is left, w.weights what they weigh, to be drawn from,
// and w.sum their sum. Keys come largest first if a step had to sort, in id order otherwise, which depends on the parameters alone.
func (s *Sampler) run(w *work, history []int32) error {
	p := s.params
	if len(p.Bias) > 0 {
		w.bias(p.Bias)
	}
	for _, step := range p.order() {
		if w.err != nil {
			return w.err
		}
		if !p.active(step) || p.Greedy() && step != Penalties && step != Dry {
			continue
		}
		switch step {
		case Penalties:
			w.penalise(p, history)
		case Dry:
			w.dry(p.DRY, history)
		case TopNSigma:
			w.topNSigma(p.TopNSigma)
		case TopK:
			w.keys, w.sorted = w.topK(w.all(math.Inf(-1)), p.TopK), true
		case Typical:
			w.typical(p.Typical)
		case TopP:
			w.topP(p.TopP)
		case MinP:
			w.keys = w.all(minPFloor(p.MinP, w.peak, w.temperature))
		case Xtc:
			w.xtc(p.XTC, s.random.Float64())
		case Temperature:
			w.temperature *= w.dynamic(p)
		}
	}
	if w.err != nil || p.Greedy() {
		return w.err
	}
	w.keys = w.all(math.Inf(-1))
	w.weigh(w.keys)
	return nil
}

// begin makes c what is left.
func (w *work) begin(c Candidates, peak float64) {
	w.c, w.peak, w.temperature, w.err = c, peak, 1, nil
	w.packed, w.sorted, w.owned = false, false, false
}

// own makes the logits a copy that may be written to.
func (w *work) own() {
	if !w.owned {
		w.logits = append(w.logits[:0], w.c.Logits...)
		w.c.Logits, w.owned = w.logits, true
	}
}

// change makes each logit that is left what f says.
func (w *work) change(f func(id int32, l float64) float64) {
	if !w.packed {
		w.own()
		for i, l := range w.logits {
			w.logits[i] = finite(f(w.c.id(i), float64(l)), l)
		}
		w.peak, w.err = peakOf(w.logits)
		return
	}
	w.peak = math.Inf(-1)
	for i, k := range w.keys {
		l := float32(k.logit())
		l = finite(f(k.id(), float64(l)), l)
		w.keys[i] = makeKey(l, k.id())
		w.peak = max(w.peak, float64(l))
	}
	if w.sorted {
		slices.Sort(w.keys)
	}
}

// all packs the logits of at least floor that are left, if that has not been done; if it has, only those stay.
func (w *work) all(floor float64) []key {
	if !w.packed {
		w.packed = true
		return w.pack(w.c, floor)
	}
	if !math.IsInf(floor, -1) {
		w.keys = slices.DeleteFunc(w.keys, func(k key) bool { return k.logit() < floor })
	}
	return w.keys
}

// inOrder sorts the logits of at least floor that are left.
func (w *work) inOrder(floor float64) []key {
	keys := w.all(floor)
	if !w.sorted {
		w.keys, w.sorted = w.sort(keys), true
	}
	return w.keys
}

// weigh works out what each of the keys weighs.
func (w *work) weigh(keys []key) {
	w.weights, w.sum = w.weights[:0], 0
	for _, k := range keys {
		x := weight(k.logit(), w.peak, w.temperature)
		w.weights = append(w.weights, x)
		w.sum += x
	}
}

// entropy is that of what is left, in nats, once it has been weighed.
func (w *work) entropy() float64 {
	h := 0.0
	for _, x := range w.weights {
		if x > 0 {
			h -= x / w.sum * math.Log(x/w.sum)
		}
	}
	return h
}
