package model

import (
	"math"

	"umbra/shaders"
)

// gemma is Google's Gemma: embeddings are multiplied by the root of their width, gates have GELU. Files have 1 added to the gains of norms.
// Gemma Team 2024.
var gemma = Architecture{
	Name:      "gemma",
	configure: func(_ *configReader, c *Config) { c.rootScale() },
	layer: func(l *layerBuilder) []block {
		return []block{
			l.attention(attentionOptions{HalfSplit: true}),
			l.feedForward(feedForwardOptions{Activation: shaders.GELU}),
		}
	},
}

// rootScale multiplies embeddings by the root of their width.
func (c *Config) rootScale() { c.EmbedScale = float32(math.Sqrt(float64(c.Embed))) }

// meanScale has scores scaled by 1/√(Embed/Heads), which is not the head dimension, where a model has so many layers.
func (c *Config) meanScale(layers int) {
	if c.Layers == layers {
		c.AttentionScale = float32(1 / math.Sqrt(float64(c.Embed/c.Heads)))
	}
}
