package hf

import (
	"math"
)

// ropeParameters returns what config.json says of rotation, for full attention where there is also another: rope_parameters, or rope_scaling of
// older files; and what it says of sliding attention, if anything.
func (k *keys) ropeParameters() (full, sliding object) {
	r, _ := k.config.object("rope_parameters", "rope_scaling")
	if full, ok := r.object("full_attention"); ok {
		sliding, _ := r.object("sliding_attention")
		return full, sliding
	}
	return r, object{first: r.first}
}

// theta is the base of frequencies that config.json names, or fallback.
func (k *keys) theta(fallback float64) float64 {
	r, _ := k.ropeParameters()
	return r.number(k.config.number(fallback, "rope_theta", "rotary_emb_base"), "rope_theta")
}

// rope writes base and scaling.
func (k *keys) rope() {
	r, sliding := k.ropeParameters()
	if theta := k.theta(0); theta != 0 {
		k.number("rope.freq_base", theta)
	}
	if theta := sliding.number(k.config.number(0, "rope_local_base_freq"), "rope_theta"); theta != 0 {
		k.number("rope.freq_base_swa", theta)
	}
	if k.config.has("rope_parameters", "rope_scaling") && r.has("mrope_section") {
		r.fail("mrope_section is not supported: the model is one of images")
	}
	switch kind := r.text("default", "rope_type", "type"); kind {
	case "default", "dynamic": // dynamic does nothing within max_position_embeddings
	case "linear":
		k.text("rope.scaling.type", "linear")
		k.number("rope.scaling.factor", r.number(math.NaN(), "factor"))
	case "yarn":
		k.text("rope.scaling.type", "yarn")
		k.number("rope.scaling.factor", r.number(math.NaN(), "factor"))
		k.whole("rope.scaling.original_context_length", k.original(r))
		for _, x := range []struct{ name, key string }{{"extrapolation_factor", "yarn_ext_factor"}, {"attention_factor", "yarn_attn_factor"},
			{"beta_fast", "yarn_beta_fast"}, {"beta_slow", "yarn_beta_slow"}} {
			if r.has(x.name) {
				k.number("rope.scaling."+x.key, r.number(1, x.name))
			}
		}
		if r.has("mscale", "mscale_all_dim") {
			r.fail("mscale of yarn is not supported")
		}
	case "llama3":
		k.llama3(r)
	case "longrope", "su":
		k.longRope(r)
	default:
		r.fail("rope_type %q is not supported (default, linear, dynamic, yarn, llama3, longrope)", kind)
	}
}

// original is the context before it was stretched.
func (k *keys) original(r object) int {
	n := k.config.whole(0, 0, 1<<24, "original_max_position_embeddings")
	if n = r.whole(n, 0, 1<<24, "original_max_position_embeddings"); n == 0 {
		n = k.config.whole(0, 1, 1<<24, "max_position_embeddings")
	}
	return n
}

// llama3 writes Llama 3.1's factors, which divide frequencies: 1 for high ones, factor for low ones, and between the two in between.
func (k *keys) llama3(r object) {
	dim, base := k.model.headDim(), k.theta(10000)
	factor, low, high := r.number(8, "factor"), r.number(1, "low_freq_factor"), r.number(4, "high_freq_factor")
	old := float64(r.whole(k.config.whole(8192, 1, 1<<24, "original_max_position_embeddings"), 1, 1<<24, "original_max_position_embeddings"))
	if !(factor > 0 && low > 0 && high > low && base > 0) {
		r.fail("factor %g, low_freq_factor %g, high_freq_factor %g and rope_theta %g must be positive, and high above low", factor, low, high, base)
		return
	}
	x := extra{name: "rope_freqs.weight"}
	for i := 0; i < dim; i += 2 {
		turns := old / (2 * math.Pi * math.Pow(base, float64(i)/float64(dim))) // within the old context
		switch {
		case turns > high:
			x.values = append(x.values, 1)
		case turns < low:
			x.values = append(x.values, float32(factor))
		default:
			smooth := (turns - low) / (high - low)
			x.values = append(x.values, float32(1/((1-smooth)/factor+smooth)))
		}
	}
	k.extra = append(k.extra, x)
}

// longRope writes Phi-3's factors for short and long contexts, and the factor of attention.
func (k *keys) longRope(r object) {
	short, long := r.numbers("short_factor"), r.numbers("long_factor")
	if len(short) == 0 || len(short) != len(long) {
		r.fail("short_factor and long_factor have %d and %d numbers, want as many, and some", len(short), len(long))
		return
	}
	old, now := float64(k.original(r)), float64(k.config.whole(0, 1, 1<<24, "max_position_embeddings"))
	attention := 1.0
	if now > old && old > 1 {
		attention = math.Sqrt(1 + math.Log(now/old)/math.Log(old))
	}
	k.number("rope.scaling.attn_factor", r.number(attention, "attention_factor"))
	k.extra = append(k.extra, extra{"rope_factors_long.weight", long}, extra{"rope_factors_short.weight", short})
}
