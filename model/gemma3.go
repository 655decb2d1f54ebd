package model

import "umbra/shaders"

// gemma3 is the text model of Google's Gemma 3: as gemma2, with RMSNorm of heads instead of caps, and a window in five of six layers, whose
// rotations have a base of their own and are not scaled. Its 27B model, of 62 layers, has another scale of scores. Gemma Team 2025.
var gemma3 = Architecture{
	Name: "gemma3",
	configure: func(r *configReader, c *Config) {
		c.rootScale()
		c.meanScale(62)
		c.LogitCap = r.optional("final_logit_softcapping")
		c.Rope.Base = r.float("rope.freq_base", 1e6)
		r.windows(c, 0, 6)
		c.LocalRope = c.Rope.unscaled(r.float("rope.freq_base_swa", 10000))
	},
	layer: func(l *layerBuilder) []block {
		return []block{
			l.attention(attentionOptions{HalfSplit: true, Heads: shaders.HeadRMSNorm, After: true}),
			l.feedForward(feedForwardOptions{Activation: shaders.GELU, After: true}),
		}
	},
}

// unscaled is the same with another base and without scaling.
func (c RopeConfig) unscaled(base float64) *RopeConfig {
	return &RopeConfig{Rotated: c.Rotated, Base: base, Factor: 1, Original: c.Original, Magnitude: 1}
}
