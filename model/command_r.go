package model

// commandR is Cohere's Command R: both branches read the same LayerNorm of the stream, without bias; logits are scaled. Command R+ has LayerNorm of
// heads. Cohere 2024.
var commandR = Architecture{
	Name:      "command-r",
	layerNorm: true,
	configure: func(r *configReader, c *Config) { c.LogitScale = float32(r.float("logit_scale", 0)) },
	layer: func(l *layerBuilder) []block {
		return []block{
			l.attention(attentionOptions{Heads: l.layerNormOfHeads()}),
			l.feedForward(feedForwardOptions{Parallel: true}),
		}
	},
}
