package model

import "umbra/shaders"

// starcoder2 is BigCode's StarCoder2: LayerNorm, biases everywhere, heads rotated in halves, no gate. Lozhkov et al. 2024.
var starcoder2 = Architecture{
	Name:      "starcoder2",
	layerNorm: true,
	layer: func(l *layerBuilder) []block {
		return []block{
			l.attention(attentionOptions{HalfSplit: true}),
			l.feedForward(feedForwardOptions{Activation: shaders.GELU, Ungated: true}),
		}
	},
}
