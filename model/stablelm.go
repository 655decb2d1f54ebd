package model

import "umbra/shaders"

// stablelm is Stability AI's StableLM 3B to StableLM 2: as llama, with LayerNorm and part of a head rotated, in halves. The 12B model has LayerNorm of
// heads, and both branches read the same norm. Bellagente et al. 2024.
var stablelm = Architecture{
	Name:      "stablelm",
	layerNorm: true,
	layer: func(l *layerBuilder) []block {
		return []block{
			l.attention(attentionOptions{HalfSplit: true, Heads: l.layerNormOfHeads()}),
			l.feedForward(feedForwardOptions{Parallel: !l.has("ffn_norm.weight")}),
		}
	},
}

// layerNormOfHeads is LayerNorm where the layer has gains for heads of q.
func (l *layerBuilder) layerNormOfHeads() shaders.HeadNorm {
	if l.has("attn_q_norm.weight") {
		return shaders.HeadLayerNorm
	}
	return shaders.NoHeadNorm
}
