package shaders

import "math"

// Activation is a function that is applied to each element of a product.
type Activation uint8

// Activations. Where a gate has none, it is SiLU.
const (
	NoActivation Activation = iota
	SiLU                    // v·sigmoid(v): Elfwing et al. 2017
	GELU                    // v·Φ(v), by the tanh approximation: Hendrycks & Gimpel 2016
	GELUErf                 // v·Φ(v) by the error function
)

func (a Activation) String() string { return [...]string{"none", "silu", "gelu", "gelu-erf"}[a] }

// Of is the reference: the activation of v.
func (a Activation) Of(v float64) float64 {
	switch a {
	case SiLU:
		return v / (1 + math.Exp(-v))
	case GELU:
		return v / 2 * (1 + math.Tanh(math.Sqrt(2/math.Pi)*(v+0.044715*v*v*v)))
	case GELUErf:
		return v / 2 * (1 + math.Erf(v/math.Sqrt2))
	}
	return v
}

// orSiLU is the activation of a gate.
func (a Activation) orSiLU() Activation {
	if a == NoActivation {
		return SiLU
	}
	return a
}
