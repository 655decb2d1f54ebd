package model

import (
	"fmt"
	"math"

	"umbra/model/gguf"
)

// frequencies returns the angle per position of each rotated pair: Base^(-2i/Rotated), divided by the linear scaling
// factor and by the pair's own factor in rope_freqs.weight (how Llama 3.1's scaling is stored). Su et al. 2021.
func frequencies(src Source, c RopeConfig, factors *gguf.Tensor) ([]float64, error) {
	f := make([]float64, c.Rotated/2)
	for i := range f {
		f[i] = math.Pow(c.Base, -2*float64(i)/float64(c.Rotated)) / c.Factor
	}
	if factors == nil {
		return f, nil
	}
	by, err := floats(src, *factors)
	if err != nil {
		return nil, err
	}
	for i := range f {
		if !(by[i] > 0) {
			return nil, fmt.Errorf("model: tensor %q: factor %d is %g, not positive", factors.Name, i, by[i])
		}
		f[i] /= float64(by[i])
	}
	return f, nil
}
