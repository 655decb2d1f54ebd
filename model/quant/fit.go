package quant

import (
	"cmp"
	"slices"
)

// This file finds scales. The sum that is made small is always of w·(x - value)², where w is a column's importance, 1 without an
// importance matrix. For given quants the best scale is a least squares fit; for a given scale the best quants are the nearest.
// So a search tries scales around the one that just reaches the largest value, fits to the quants of each, and goes on from the
// best until nothing gains.

const (
	candidates  = 21 // scales that a search tries
	refinements = 4  // times it goes on from the best, at most
)

// nearest returns the whole number nearest to v, ties to even, cut to lo..hi. Adding push rounds: a float32 has 24 bits.
func nearest(v, lo, hi float32) float32 {
	const push = 3 << 22
	v = float32(v+push) - push
	if v < lo {
		return lo
	}
	if v > hi {
		return hi
	}
	return v
}

// sums gives, for the quants nearest to x·inv, Σ w·x·q and Σ w·q². Values d·q come nearest to x with d = xq/qq, which takes xq²/qq
// off the sum that zeros would leave.
// They are float64: with steps as fine as Q8_0's, what tells two scales apart is below a float32's last digits.
type sums func(x, w []float32, inv float32) (xq, qq float64)

// lineSums are the sums of quants of lo..hi.
func lineSums(lo, hi float32) sums {
	return func(x, w []float32, inv float32) (xq, qq float64) {
		w = w[:len(x)]
		for i, v := range x {
			q := nearest(v*inv, lo, hi)
			wq := w[i] * q
			xq += float64(wq * v)
			qq += float64(wq * q)
		}
		return xq, qq
	}
}

// spread is how far around the end of a range a search goes, as a share of it: by a few steps, of few steps less far.
func spread(end float32) float32 { return min(0.3, 4/abs(end)) }

// search returns the best scale it finds. It tries to have the largest value at each of the ends, or by spread less or more; what lies
// past an end is cut, which leaves the others finer steps. 0 for zeros.
func (fit sums) search(x, w []float32, spread float32, ends ...float32) float32 {
	top := x[largest(x)]
	if top == 0 {
		return 0
	}
	var best float32
	var most float64
	try := func(inv float32) bool {
		xq, qq := fit(x, w, inv)
		if !(xq*xq > most*qq) {
			return false
		}
		best, most = float32(xq/qq), xq*xq/qq
		return true
	}
	for _, end := range ends {
		for i := range candidates {
			try(end * (1 + spread*(2*float32(i)/(candidates-1)-1)) / top)
		}
	}
	for range refinements {
		if !try(inverse(best)) {
			break
		}
	}
	return best
}

// fitScale returns the scale d for values d·q, q of lo..hi. lo is farther from 0 than hi, or as far.
func fitScale(x, w []float32, lo, hi float32) float32 {
	return lineSums(lo, hi).search(x, w, spread(lo), lo)
}

// fitTernary returns the scale d for values -d, 0 and d. Those that are not 0 are the largest, however many: the best number is
// found by taking in one after the other.
func fitTernary(x, w []float32) float32 {
	order := make([]int, len(x))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(abs(x[b]), abs(x[a])) })
	var best, most, xq, qq float32
	for _, i := range order {
		xq += w[i] * abs(x[i])
		qq += w[i]
		if xq*xq > most*qq {
			best, most = xq/qq, xq*xq/qq
		}
	}
	return best
}

// fitAffine returns d and m for values d·q + m, q of 0..hi. If below, m is not above 0.
func fitAffine(x, w []float32, hi float32, below bool) (d, m float32) {
	bottom, top := x[0], x[0]
	for _, v := range x {
		bottom, top = min(bottom, v), max(top, v)
	}
	if below {
		bottom = min(bottom, 0)
	}
	if bottom == top || below && top <= 0 && bottom == 0 {
		return 0, bottom
	}
	w = w[:len(x)]
	var sw, sx float32
	for i, v := range x {
		sw += w[i]
		sx += w[i] * v
	}
	fit := func(inv, at float32) (d, m, gain float32) {
		var sq, qq, xq float32
		for i, v := range x {
			q := nearest((v-at)*inv, 0, hi)
			wq := w[i] * q
			sq += wq
			qq += wq * q
			xq += wq * v
		}
		if det := sw*qq - sq*sq; det > 0 {
			d = (sw*xq - sq*sx) / det
			m = (sx - d*sq) / sw
		}
		if below && m > 0 && qq > 0 {
			d, m = xq/qq, 0
		}
		return d, m, d*xq + m*sx
	}
	var most float32
	middle, width := (top+bottom)/2, top-bottom
	spread := hi * spread(hi)
	d, m = width/hi, bottom
	for i := range candidates {
		reach := hi + spread*(2*float32(i)/(candidates-1)-1) // steps from the least to the largest
		step := width / reach
		if d2, m2, gain := fit(1/step, middle-hi/2*step); gain > most {
			d, m, most = d2, m2, gain
		}
	}
	for range refinements {
		d2, m2, gain := fit(inverse(d), m)
		if !(gain > most) {
			break
		}
		d, m, most = d2, m2, gain
	}
	return d, m
}
