package model

// llama is Meta's Llama 1 to 3 and the many models of their form (Mistral, Yi, SmolLM): grouped heads, rotated in neighbouring pairs (the order
// that GGUF converters give q and k), a SiLU-gated feed-forward, RMSNorm before each. Touvron et al. 2023.
var llama = Architecture{
	Name: "llama",
	layer: func(l *layerBuilder) []block {
		return []block{
			l.attention(attentionOptions{}),
			l.feedForward(feedForwardOptions{}),
		}
	},
}
