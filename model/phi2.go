package model

import "umbra/shaders"

// phi2 is Microsoft's Phi-1 to Phi-2: both branches read the same LayerNorm of the stream, everything has biases, part of a head is rotated.
// Li et al. 2023.
var phi2 = Architecture{
	Name:      "phi2",
	layerNorm: true,
	layer: func(l *layerBuilder) []block {
		return []block{
			l.attention(attentionOptions{HalfSplit: true}),
			l.feedForward(feedForwardOptions{Activation: shaders.GELU, Ungated: true, Parallel: true}),
		}
	},
}
