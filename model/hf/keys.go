package hf

import (
	"math"

	"umbra/model/gguf"
)

// keys writes the metadata of a model.
type keys struct {
	*model
	all []gguf.KV
}

// extra is a tensor that no file has: factors of rotation.
type extra struct {
	name   string
	values []float32
}

func (k *keys) set(key string, v any) { k.all = append(k.all, gguf.KV{Key: key, Value: v}) }

// whole, number, flag and text write under the architecture's prefix.
func (k *keys) whole(key string, v int)      { k.set(k.arch+"."+key, uint32(v)) }
func (k *keys) number(key string, v float64) { k.set(k.arch+"."+key, float32(v)) }
func (k *keys) flag(key string, v bool)      { k.set(k.arch+"."+key, v) }
func (k *keys) text(key, v string)           { k.set(k.arch+"."+key, v) }
func (k *keys) flags(key string, v []bool)   { k.set(k.arch+"."+key, v) }

// metadata is what the folder says of the model; name is what it is called. It adds the tensors that this needs.
func (m *model) metadata(name string) []gguf.KV {
	k, c := &keys{model: m}, m.config
	k.set("general.architecture", m.arch)
	k.set("general.type", "model")
	k.set("general.name", name)
	k.set("general.file_type", m.fileType())
	if embed := m.tensor("token_embd.weight"); embed != nil && len(embed.Dims) == 2 {
		k.whole("vocab_size", int(embed.Dims[1]))
	}
	context := []string{"max_position_embeddings", "n_positions", "n_ctx", "max_sequence_length"}
	if m.arch == "command-r" { // its max_position_embeddings is what one server took
		context = append([]string{"model_max_length"}, context...)
	}
	width := c.whole(0, 1, 1<<20, "hidden_size", "n_embd")
	k.whole("context_length", c.whole(0, 1, 1<<24, context...))
	k.whole("embedding_length", width)
	k.whole("block_count", c.whole(0, 1, maxLayers, "num_hidden_layers", "n_layer"))
	k.whole("feed_forward_length", c.whole(4*width, 1, 1<<22, "intermediate_size", "n_inner"))
	heads := c.whole(0, 1, 1<<12, "num_attention_heads", "n_head")
	k.whole("attention.head_count", heads)
	k.whole("attention.head_count_kv", c.whole(heads, 1, 1<<12, "num_key_value_heads"))
	if m.arch != "granite" && c.has("head_dim") {
		k.headDim(m.headDim())
	}
	if c.has("rms_norm_eps") {
		k.number("attention.layer_norm_rms_epsilon", c.number(1e-6, "rms_norm_eps"))
	} else {
		k.number("attention.layer_norm_epsilon", c.number(math.NaN(), "layer_norm_eps", "layer_norm_epsilon", "norm_epsilon"))
	}
	if c.has("num_experts", "num_local_experts") {
		k.whole("expert_count", c.whole(0, 1, 1<<16, "num_experts", "num_local_experts"))
		k.whole("expert_used_count", c.whole(0, 1, 1<<16, "num_experts_per_tok"))
	}
	k.rope()
	if m.family.keys != nil {
		m.family.keys(k)
	}
	for _, x := range m.extra {
		m.tensors = append(m.tensors, &tensor{Tensor: gguf.Tensor{Name: x.name, Dims: []uint64{uint64(len(x.values))}}, rowBytes: 4, rows: constant(x.values)})
	}
	return k.all
}

func (k *keys) headDim(n int) {
	k.whole("attention.key_length", n)
	k.whole("attention.value_length", n)
}

// tensor returns a tensor by GGUF's name, nil if there is none.
func (m *model) tensor(name string) *tensor {
	for _, t := range m.tensors {
		if t.Name == name {
			return t
		}
	}
	return nil
}

// fileType is what general.file_type says of the type that most bytes have: enum llama_ftype.
func (m *model) fileType() uint32 {
	sums := map[gguf.Type]uint64{}
	most := gguf.F32
	for _, t := range m.tensors {
		if sums[t.Type] += t.Elements(); sums[t.Type] > sums[most] {
			most = t.Type
		}
	}
	return map[gguf.Type]uint32{gguf.F32: 0, gguf.F16: 1, gguf.BF16: 32, gguf.Q4_0: 2, gguf.Q5_0: 8}[most]
}

// share is the part of a head that is rotated.
func (k *keys) share(fallback float64, names ...string) {
	c := k.config
	share := c.number(fallback, names...)
	if r, _ := k.ropeParameters(); r.has(names...) {
		share = r.number(fallback, names...)
	}
	n := int(share * float64(k.model.headDim()))
	if n < 2 || n%2 != 0 || n > k.model.headDim() {
		c.fail("%s %g rotates %d of %d elements of a head, want an even number", names[0], share, n, k.model.headDim())
	}
	k.whole("rope.dimension_count", n)
}

// windows writes the size of the window of sliding attention, and which layers have it where config.json says so.
func (k *keys) windows(fallback int, every int) {
	c := k.config
	n := c.whole(fallback, 0, 1<<24, "sliding_window")
	if n == 0 {
		return
	}
	k.whole("attention.sliding_window", n)
	local := k.layerKinds()
	if local == nil {
		return
	}
	for i, is := range local {
		if is != ((i+1)%every != 0) {
			c.fail("layer_types are not supported: layer %d is %v, but GGUF's %s has full attention in every layer whose number from 1 is a multiple of %d", i, c.list("layer_types")[i], k.arch, every)
			return
		}
	}
}

// layerKinds tells which layers have sliding attention; nil if config.json doesn't say.
func (k *keys) layerKinds() (local []bool) {
	kinds := k.config.texts("layer_types")
	if kinds == nil {
		return nil
	}
	if n := k.config.whole(0, 1, maxLayers, "num_hidden_layers", "n_layer"); len(kinds) != n {
		k.config.fail("layer_types has %d layers, num_hidden_layers is %d", len(kinds), n)
	}
	for _, kind := range kinds {
		if kind != "sliding_attention" && kind != "full_attention" {
			k.config.fail("layer_types has %q, which is not supported (full_attention, sliding_attention)", kind)
		}
		local = append(local, kind == "sliding_attention")
	}
	return local
}
