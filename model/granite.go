package model

// granite is IBM's Granite 3 and 4: as llama, with scales of embeddings, scores, branches and logits. A file may say that nothing is rotated.
// Granite Team 2024.
var granite = Architecture{
	Name: "granite",
	configure: func(r *configReader, c *Config) {
		c.EmbedScale, c.ResidualScale = r.optional("embedding_scale"), r.optional("residual_scale")
		c.AttentionScale = r.optional("attention.scale")
		c.LogitScale = float32(1 / r.float("logit_scale", 0))
		if rotates, ok := r.value("rope.scaling.finetuned").(bool); ok && !rotates {
			c.Rope.Rotated = 0
		}
	},
	layer: llama.layer,
}
