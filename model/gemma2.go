package model

import "umbra/shaders"

// gemma2 is Google's Gemma 2: as gemma, with norms around both branches, soft caps of scores and logits, and a window in every other layer. Its 27B
// model, of 46 layers, has another scale of scores. Gemma Team 2024.
var gemma2 = Architecture{
	Name: "gemma2",
	configure: func(r *configReader, c *Config) {
		c.rootScale()
		c.meanScale(46)
		c.AttentionCap, c.LogitCap = float32(r.float("attn_logit_softcapping", 50)), float32(r.float("final_logit_softcapping", 30))
		r.windows(c, 4096, 2)
	},
	layer: func(l *layerBuilder) []block {
		return []block{
			l.attention(attentionOptions{HalfSplit: true, After: true}),
			l.feedForward(feedForwardOptions{Activation: shaders.GELU, After: true}),
		}
	},
}
