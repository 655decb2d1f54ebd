package quant

import "math"

// A super-block's scales are found in three steps. Each sub-block has its best scale by itself. The largest of them decides the
// super-block's. Then, in turns, each sub-block takes the best of the few whole scales around its own, and the
// super-block's scale is fitted to all quants.
const turns = 3

// lineBlock is a super-block whose values are d·scale·q: Q3_K, Q6_K, IQ4_XS.
type lineBlock struct {
	sub              int                          // columns of a sub-block
	fit              func(x, w []float32) float32 // a sub-block's best scale
	sums             sums
	scaleLo, scaleHi float32
}

// scale returns d as an f16 holds it, and the sub-blocks' scales; false if an f16 doesn't hold d.
func (b lineBlock) scale(x, w []float32) (d float32, scales [16]float32, ok bool) {
	n := len(x) / b.sub
	part := func(s int) (x0, w0 []float32) { return x[s*b.sub:][:b.sub], w[s*b.sub:][:b.sub] }
	var top float32
	for s := range n {
		scales[s] = b.fit(part(s))
		if abs(scales[s]) > abs(top) {
			top = scales[s]
		}
	}
	if d, ok = toHalf(top / b.scaleLo); !ok || d == 0 {
		return 0, [16]float32{}, ok
	}
	for s := range n {
		scales[s] = nearest(scales[s]/d, b.scaleLo, b.scaleHi)
	}
	for range turns {
		var allXQ, allQQ float64
		for s := range n {
			var least, leastXQ, leastQQ float64 // a scale of 0 leaves no error less than 0
			at := scales[s]
			scales[s] = 0
			for scale := max(at-1, b.scaleLo); scale <= min(at+1, b.scaleHi); scale++ {
				x, w := part(s)
				xq, qq := b.sums(x, w, inverse(d*scale))
				xq, qq = float64(scale)*xq, float64(scale*scale)*qq
				if e := float64(d) * (float64(d)*qq - 2*xq); e < least {
					least, leastXQ, leastQQ, scales[s] = e, xq, qq, scale
				}
			}
			allXQ += leastXQ
			allQQ += leastQQ
		}
		fitted, ok := toHalf(float32(allXQ / max(allQQ, 1e-300)))
		if !ok || fitted == 0 || fitted == d {
			break
		}
		d = fitted
	}
	return d, scales, true
}

// affineBlock is a super-block whose values are d·scale·q - dmin·min: Q2_K, Q4_K, Q5_K.
type affineBlock struct {
	sub int     // columns of a sub-block
	hi  float32 // quants are 0..hi
	top float32 // scales and minimums are 0..top
}

// fit returns d and dmin as an f16 holds them, the scales and the minimums; false if an f16 doesn't hold d or dmin.
func (b affineBlock) fit(x, w []float32) (d, dmin float32, scales, mins [16]float32, ok bool) {
	n := len(x) / b.sub
	var topScale, topMin float32
	for s := range n {
		scale, m := fitAffine(x[s*b.sub:][:b.sub], w[s*b.sub:][:b.sub], b.hi, true)
		scales[s], mins[s] = scale, -m
		topScale, topMin = max(topScale, scale), max(topMin, -m)
	}
	d, okD := toHalf(topScale / b.top)
	dmin, okMin := toHalf(topMin / b.top)
	if !okD || !okMin {
		return 0, 0, scales, mins, false
	}
	for s := range n {
		scales[s] = nearest(scales[s]*inverse(d), 0, b.top)
		mins[s] = nearest(mins[s]*inverse(dmin), 0, b.top)
	}
	for range turns {
		var total affineSums
		for s := range n {
			x, w := x[s*b.sub:][:b.sub], w[s*b.sub:][:b.sub]
			least := float32(math.Inf(1))
			var best affineSums
			atScale, atMin := scales[s], mins[s]
			for scale := max(atScale-1, 0); scale <= min(atScale+1, b.top); scale++ {
				for m := max(atMin-1, 0); m <= min(atMin+1, b.top); m++ {
					sums := affineQuants(x, w, d*scale, dmin*m, b.hi).times(scale, m)
					if e := sums.error(d, dmin); e < least {
						least, scales[s], mins[s], best = e, scale, m, sums
					}
				}
			}
			total.add(best)
		}
		d2, dmin2 := total.solve(d, dmin)
		d2, okD := toHalf(d2)
		dmin2, okMin := toHalf(dmin2)
		if !okD || !okMin || d2 == d && dmin2 == dmin {
			break
		}
		d, dmin = d2, dmin2
	}
	return d, dmin, scales, mins, true
}

// affineSums are the sums that a least squares fit of x ≈ d·a - dmin·b needs, where a is scale·q and b the minimum.
type affineSums struct{ aa, ab, bb, ax, bx float32 }

// affineQuants sums with a = q, the nearest to (x + m)/d, and b = 1.
func affineQuants(x, w []float32, d, m, hi float32) (s affineSums) {
	inv := inverse(d)
	w = w[:len(x)]
	for i, v := range x {
		q := nearest((v+m)*inv, 0, hi)
		wq := w[i] * q
		s.aa += wq * q
		s.ab += wq
		s.ax += wq * v
		s.bb += w[i]
		s.bx += w[i] * v
	}
	return s
}

func (s affineSums) times(a, b float32) affineSums {
	return affineSums{s.aa * a * a, s.ab * a * b, s.bb * b * b, s.ax * a, s.bx * b}
}

func (s *affineSums) add(t affineSums) {
	s.aa, s.ab, s.bb, s.ax, s.bx = s.aa+t.aa, s.ab+t.ab, s.bb+t.bb, s.ax+t.ax, s.bx+t.bx
}

// error is the sum of squares, less that of x.
func (s affineSums) error(d, dmin float32) float32 {
	return d*(d*s.aa-2*s.ax-2*dmin*s.ab) + dmin*(dmin*s.bb+2*s.bx)
}

// solve returns the d and dmin with the least error; where only one has a say, the other stays.
func (s affineSums) solve(d, dmin float32) (float32, float32) {
	det := s.aa*s.bb - s.ab*s.ab
	switch {
	case det > 1e-6*s.aa*s.bb:
		return (s.ax*s.bb - s.bx*s.ab) / det, (s.ax*s.ab - s.bx*s.aa) / det
	case s.aa > 0:
		return (s.ax + dmin*s.ab) / s.aa, dmin
	case s.bb > 0:
		return d, -s.bx / s.bb
	}
	return d, dmin
}

// toHalf rounds to an f16; false if that is not finite.
func toHalf(x float32) (float32, bool) {
	var b [2]byte
	ok := putHalf(b[:], x)
	return half(b[:]), ok
}
