package model

// cohere2 is Cohere's Command R7B and Command A: as command-r, with a window in three of four layers, and rotation in those only. Cohere 2025.
var cohere2 = Architecture{
	Name:      "cohere2",
	layerNorm: true,
	configure: func(r *configReader, c *Config) {
		c.LogitScale = float32(r.float("logit_scale", 0))
		r.windows(c, 4096, 4)
	},
	layer: func(l *layerBuilder) []block {
		return []block{
			l.attention(attentionOptions{NoRope: l.config.Window(l.index) == 0}),
			l.feedForward(feedForwardOptions{Parallel: true}),
		}
	},
}
