package model

import (
	"fmt"
	"math"
)

// span is a run of a model's layers, which has of of them.
type span struct{ first, end, of int }

// begins reports whether tokens are embedded before its layers, ends whether logits come after them.
func (s span) begins() bool { return s.first == 0 }
func (s span) ends() bool   { return s.end == s.of }

func (s span) layers() int          { return s.end - s.first }
func (s span) holds(layer int) bool { return s.first <= layer && layer < s.end }

// String names the layers as people count them in files, from 0.
func (s span) String() string {
	if s.layers() == 1 {
		return fmt.Sprintf("layer %d", s.first)
	}
	return fmt.Sprintf("layers %d to %d", s.first, s.end-1)
}

// spans shares layers out among devices in proportion to shares, or evenly without any: to the nearest whole layers (by largest
// remainders), so that shares which are numbers of layers are kept. It refuses shares that leave a device without a layer.
func spans(layers, devices int, shares []float64) ([]span, error) {
	if devices > layers {
		return nil, fmt.Errorf("model: %d devices for %d layers: each needs one at least; name fewer adapters", devices, layers)
	}
	if shares == nil {
		shares = make([]float64, devices)
		for i := range shares {
			shares[i] = 1
		}
	}
	if len(shares) != devices {
		return nil, fmt.Errorf("model: a split in %d shares for %d devices; give one for each", len(shares), devices)
	}
	sum := 0.0
	for i, s := range shares {
		if !(s > 0) || math.IsInf(s, 1) {
			return nil, fmt.Errorf("model: share %d of the split is %v; shares are above 0, and an adapter that is to have no layer is left out", i+1, s)
		}
		sum += s
	}
	counts, rest := make([]int, devices), make([]float64, devices)
	left := layers
	for i, s := range shares {
		exact := s * float64(layers) / sum
		counts[i] = int(exact)
		rest[i] = exact - float64(counts[i])
		left -= counts[i]
	}
	for ; left > 0; left-- {
		most := 0
		for i := range rest {
			if rest[i] > rest[most] {
				most = i
			}
		}
		counts[most]++
		rest[most] = -1
	}
	var all []span
	at := 0
	for i, n := range counts {
		if n == 0 {
			return nil, fmt.Errorf("model: share %d of the split, %v of %v, comes to none of the %d layers; give it more, or leave that adapter out", i+1, shares[i], sum, layers)
		}
		all = append(all, span{at, at + n, layers})
		at += n
	}
	return all, nil
}
