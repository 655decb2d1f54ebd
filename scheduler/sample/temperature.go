package sample

import "math"

// dynamic returns the temperature that what is left is divided by.
func (w *work) dynamic(p Params) float64 {
	if p.DynamicRange == 0 {
		return p.Temperature
	}
	low, high := max(math.SmallestNonzeroFloat64, p.Temperature-p.DynamicRange), p.Temperature+p.DynamicRange
	w.keys = w.all(math.Inf(-1))
	w.weigh(w.keys)
	n := 0
	for _, k := range w.keys {
		if !math.IsInf(k.logit(), -1) {
			n++
		}
	}
	if n == 1 {
		return low
	}
	exponent := p.DynamicExponent
	if exponent == 0 {
		exponent = 1
	}
	return low + (high-low)*math.Pow(w.entropy()/math.Log(float64(n)), exponent)
}
