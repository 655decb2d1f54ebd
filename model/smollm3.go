package model

// smollm3 is Hugging Face's SmolLM3: as llama, without rotation in every fourth layer. Bakouch et al. 2025.
var smollm3 = Architecture{
	Name: "smollm3",
	layer: func(l *layerBuilder) []block {
		return []block{
			l.attention(attentionOptions{NoRope: l.index%4 == 3}),
			l.feedForward(feedForwardOptions{}),
		}
	},
}
