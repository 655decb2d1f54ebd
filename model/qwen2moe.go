package model

// qwen2moe is Alibaba's Qwen1.5-MoE and Qwen2 with experts: as qwen2, with the softmax over all experts as weights, and one shared expert behind a
// gate of its own.
var qwen2moe = Architecture{
	Name:    "qwen2moe",
	experts: true,
	layer: func(l *layerBuilder) []block {
		return []block{
			l.attention(attentionOptions{HalfSplit: true, Bias: true}),
			l.experts(expertOptions{Shared: true, FeedForward: l.config.FeedForward / max(1, l.config.Experts.Used)}),
		}
	},
}
