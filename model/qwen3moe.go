package model

import "umbra/shaders"

// qwen3moe is Alibaba's Qwen3 with experts: as qwen3, with experts whose weights add up to 1. Yang et al. 2025.
var qwen3moe = Architecture{
	Name:    "qwen3moe",
	experts: true,
	layer: func(l *layerBuilder) []block {
		return []block{
			l.attention(attentionOptions{HalfSplit: true, Heads: shaders.HeadRMSNorm}),
			l.experts(expertOptions{Normalise: true, FeedForward: l.config.FeedForward / max(1, l.config.Experts.Used)}),
		}
	},
}
