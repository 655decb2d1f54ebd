package model

import (
	"fmt"
	"math"

	"umbra/model/gguf"
)

// RopeConfig says how positions rotate q and k.
type RopeConfig struct {
	Rotated  int     // leading elements of a head that are rotated
	Base     float64 // frequencies are Base^(-2i/Rotated)
	Factor   float64 // positions are divided by it (linear scaling); 1 for none
	Original int     // positions trained for before the context was made longer
	// Yarn divides by Factor only pairs that turn fewer than BetaSlow times in Original positions, those above BetaFast not at all.
	Yarn               bool
	BetaFast, BetaSlow float64
	Magnitude          float64 // rotated elements are multiplied by it
}

// rope reads how heads are rotated.
func (r *configReader) rope(c Config) RopeConfig {
	rope := RopeConfig{
		Rotated:   r.uint("rope.dimension_count", c.HeadDim, 0, c.HeadDim),
		Base:      r.float("rope.freq_base", 10000),
		Factor:    1,
		Original:  r.uint("rope.scaling.original_context_length", c.Context, 1, 1<<24),
		Magnitude: r.float("rope.scaling.attn_factor", 1),
	}
	switch kind, _ := r.src.String(r.arch + ".rope.scaling.type"); kind {
	case "none":
	case "", "longrope": // older files: a factor alone is linear scaling, scale_linear its first name; longrope's factors are tensors
		rope.Factor = r.float("rope.scaling.factor", r.float("rope.scale_linear", 1))
	case "linear":
		rope.Factor = r.float("rope.scaling.factor", 0)
	case "yarn":
		rope.Factor = r.float("rope.scaling.factor", 0)
		rope.Yarn = true
		rope.BetaFast, rope.BetaSlow = r.float("rope.scaling.yarn_beta_fast", 32), r.float("rope.scaling.yarn_beta_slow", 1)
		rope.Magnitude *= 1 + 0.1*math.Log(rope.Factor)
		if r.has("rope.scaling.yarn_log_multiplier") {
			r.fail("metadata %s.rope.scaling.yarn_log_multiplier is not supported", r.arch)
		}
	default:
		r.fail("rope scaling %q is not supported (none, linear, yarn, longrope, or frequencies in rope_freqs.weight)", kind)
	}
	return rope
}

// rotation is the angle per position of each rotated pair, in radians, and what the pair is multiplied by besides.
type rotation struct {
	frequencies []float64
	magnitude   float64
}

// rotation works the angles out: Base^(-2i/Rotated) by the scaling, and divided by the pair's own factor where there are factors: in
// rope_freqs.weight, which is how Llama 3.1's scaling is stored, or LongRoPE's. Su et al. 2021; Peng et al. 2023 (YaRN); Ding et al. 2024 (LongRoPE).
func (c RopeConfig) rotation(src Source, factors *gguf.Tensor) (rotation, error) {
	r := rotation{make([]float64, c.Rotated/2), c.Magnitude}
	var by []float32
	if factors != nil {
		var err error
		if by, err = floats(src, *factors); err != nil {
			return r, err
		}
	}
	for i := range r.frequencies {
		f := math.Pow(c.Base, -2*float64(i)/float64(c.Rotated))
		if by != nil {
			if !(by[i] > 0) {
				return r, fmt.Errorf("model: tensor %q: factor %d is %g, not positive", factors.Name, i, by[i])
			}
			f /= float64(by[i])
		}
		share := 1.0 // that is divided
		if c.Yarn {
			share = c.interpolated(i)
		}
		r.frequencies[i] = f/c.Factor*share + f*(1-share)
	}
	return r, nil
}

// interpolated is the share of pair i's frequency that YaRN divides: all of those that turn slowly, none of those that turn fast, and in
// between along a straight line.
func (c RopeConfig) interpolated(i int) float64 {
	pair := func(turns float64) float64 { // that turns so often in Original positions
		return float64(c.Rotated) * math.Log(float64(c.Original)/(turns*2*math.Pi)) / (2 * math.Log(c.Base))
	}
	low, high := max(0, math.Floor(pair(c.BetaFast))), min(float64(c.Rotated-1), math.Ceil(pair(c.BetaSlow)))
	return min(1, max(0, (float64(i)-low)/max(0.001, high-low)))
}

// append appends (cos, sin) of each pair at each position, as f32 bits.
func (r rotation) append(words []uint32, positions []int32) []uint32 {
	for _, pos := range positions {
		for _, f := range r.frequencies {
			sin, cos := math.Sincos(float64(pos) * f)
			words = append(words, math.Float32bits(float32(cos*r.magnitude)), math.Float32bits(float32(sin*r.magnitude)))
		}
	}
	return words
}
