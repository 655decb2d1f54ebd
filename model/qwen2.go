package model

// qwen2 is Alibaba's Qwen2 and Qwen2.5: as llama, with biases on q, k and v, and heads rotated in halves.
var qwen2 = Architecture{
	Name: "qwen2",
	layer: func(l *layerBuilder) []block {
		return []block{
			l.attention(attentionOptions{HalfSplit: true, Bias: true}),
			l.feedForward(feedForwardOptions{}),
		}
	},
}
