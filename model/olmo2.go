package model

// olmo2 is Ai2's OLMo 2 and 3: branches are normalised after, not before, and all of q and of k by one RMSNorm each. OLMo 3 has a window in three of
// four layers, whose rotations are not scaled. OLMo Team 2025.
var olmo2 = Architecture{
	Name: "olmo2",
	configure: func(r *configReader, c *Config) {
		r.windows(c, 0, 4)
		if c.Windows != nil {
			c.LocalRope = c.Rope.unscaled(r.float("rope.freq_base_swa", c.Rope.Base))
		}
	},
	layer: func(l *layerBuilder) []block {
		return []block{
			l.attention(attentionOptions{HalfSplit: true, Bare: true, Whole: true, After: true}),
			l.feedForward(feedForwardOptions{Bare: true, After: true}),
		}
	},
}
