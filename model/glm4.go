package model

// glm4 is Zhipu AI's GLM-4 of 2025 (9B and 32B): as llama, with norms around both branches, gate and up in one tensor, and part of a head rotated.
var glm4 = Architecture{
	Name: "glm4",
	layer: func(l *layerBuilder) []block {
		return []block{
			l.attention(attentionOptions{After: true}),
			l.feedForward(feedForwardOptions{After: true}),
		}
	},
}
