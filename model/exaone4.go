package model

import "umbra/shaders"

// exaone4 is LG AI's EXAONE 4: branches are normalised after, not before, heads of q and k by RMSNorm. The 32B model, of 64 layers, has a window in
// three of four layers, and rotation in those only. LG AI Research 2025.
var exaone4 = Architecture{
	Name: "exaone4",
	configure: func(r *configReader, c *Config) {
		size := 0
		if c.Layers == 64 {
			size = 4096
		}
		r.windows(c, size, 4)
	},
	layer: func(l *layerBuilder) []block {
		return []block{
			l.attention(attentionOptions{HalfSplit: true, Heads: shaders.HeadRMSNorm, Bare: true, After: true,
				NoRope: l.config.Windows != nil && l.config.Window(l.index) == 0}),
			l.feedForward(feedForwardOptions{Bare: true, After: true}),
		}
	},
}
