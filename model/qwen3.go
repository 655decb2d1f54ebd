package model

import "umbra/shaders"

// qwen3 is Alibaba's Qwen3: as qwen2, with RMSNorm of the heads of q and k instead of biases. Yang et al. 2025.
var qwen3 = Architecture{
	Name: "qwen3",
	layer: func(l *layerBuilder) []block {
		return []block{
			l.attention(attentionOptions{HalfSplit: true, Heads: shaders.HeadRMSNorm}),
			l.feedForward(feedForwardOptions{}),
		}
	},
}
