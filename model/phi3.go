package model

// phi3 is Microsoft's Phi-3 to Phi-4: as llama, with q, k and v in one tensor, gate and up in another, heads rotated in halves, and LongRoPE.
// A window that the metadata names is not applied: converters have written it wrong, and llama.cpp leaves it out too. Abdin et al. 2024.
var phi3 = Architecture{
	Name: "phi3",
	layer: func(l *layerBuilder) []block {
		return []block{
			l.attention(attentionOptions{HalfSplit: true}),
			l.feedForward(feedForwardOptions{}),
		}
	},
}
