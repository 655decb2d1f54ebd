package model

import "umbra/shaders"

// gpt2 is OpenAI's GPT-2: learned positions instead of rotations, LayerNorm, biases everywhere, no gate. Radford et al. 2019.
var gpt2 = Architecture{
	Name:      "gpt2",
	layerNorm: true,
	configure: func(_ *configReader, c *Config) { c.Positions, c.Rope.Rotated = true, 0 },
	layer: func(l *layerBuilder) []block {
		return []block{
			l.attention(attentionOptions{}),
			l.feedForward(feedForwardOptions{Activation: shaders.GELU, Ungated: true}),
		}
	},
}
