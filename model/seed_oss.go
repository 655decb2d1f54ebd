package model

// seedOSS is ByteDance's Seed-OSS: as qwen2; the norm before its feed-forward goes by another name. ByteDance Seed Team 2025.
var seedOSS = Architecture{
	Name: "seed_oss",
	layer: func(l *layerBuilder) []block {
		return []block{
			l.attention(attentionOptions{HalfSplit: true}),
			l.feedForward(feedForwardOptions{Before: "post_attention_norm"}),
		}
	},
}
