package model

import (
	"fmt"

	"umbra/shaders"
)

// Config is the shape of a decoder model, as its metadata gives it.
type Config struct {
	Architecture string
	Name         string
	Vocab        int // rows of the embedding table
	Context      int // positions the model was trained for
	Layers       int
	Embed        int // width of the residual stream
	FeedForward  int // width between gate/up and down
	Heads        int
	KVHeads      int
	HeadDim      int
	Eps          float32 // of norms
	LayerNorm    bool    // norms are LayerNorm, else RMSNorm
	Rope         RopeConfig
	// LocalRope is that of layers with a window, where it differs.
	LocalRope *RopeConfig
	// Windows are by layer how many tokens a row sees, itself the last of them; 0 is all. Without any, layers see all.
	Windows   []int
	Positions bool // learned positions are added to embeddings

	// What embeddings, branches before they are added to the stream, logits and attention scores are multiplied by; 0 is 1, and for
	// scores 1/√HeadDim.
	EmbedScale, ResidualScale, LogitScale, AttentionScale float32
	// AttentionCap and LogitCap are soft caps, cap·tanh(v/cap); 0 is none.
	AttentionCap, LogitCap float32
}

// Window is how many tokens a row of a layer sees, itself the last of them; 0 is all.
func (c Config) Window(layer int) int {
	if c.Windows == nil {
		return 0
	}
	return c.Windows[layer]
}

// readConfig reads what every supported architecture has in common, and what this one has of its own.
func readConfig(src Source, of Architecture) (Config, error) {
	arch := of.Name
	r := &configReader{src: src, arch: arch}
	name, _ := src.String("general.name")
	const big = 1 << 24
	c := Config{
		Architecture: arch, Name: name,
		Context:     r.uint("context_length", -1, 1, big),
		Layers:      r.uint("block_count", -1, 1, 1<<12),
		Embed:       r.uint("embedding_length", -1, 1, 1<<20),
		FeedForward: r.uint("feed_forward_length", -1, 1, 1<<22),
		Heads:       r.uint("attention.head_count", -1, 1, 1<<12),
		LayerNorm:   of.layerNorm,
	}
	epsilon := "attention.layer_norm_rms_epsilon"
	if c.LayerNorm {
		epsilon = "attention.layer_norm_epsilon"
	}
	c.Eps = float32(r.float(epsilon, 0))
	if r.err != nil {
		return c, r.err
	}
	c.KVHeads = r.uint("attention.head_count_kv", c.Heads, 1, 1<<12)
	c.HeadDim = r.uint("attention.key_length", c.Embed/c.Heads, 1, 1<<10)
	if c.HeadDim < 1 {
		r.fail("an embedding of %d elements does not give %d heads one each", c.Embed, c.Heads)
		return c, r.err
	}
	if v := r.uint("attention.value_length", c.HeadDim, 1, 1<<10); v != c.HeadDim {
		r.fail("values of %d and keys of %d elements a head are not supported, only equal ones", v, c.HeadDim)
	}
	if n := r.uint("expert_count", 0, 0, 1<<12); n > 0 {
		r.fail("a mixture of %d experts is not supported by architecture %s", n, arch)
	}
	c.Rope = r.rope(c)
	embed, ok := src.Tensor("token_embd.weight")
	if !ok {
		r.fail("tensor token_embd.weight is missing")
	} else if len(embed.Dims) != 2 {
		r.fail("tensor token_embd.weight has %d dimensions, not 2", len(embed.Dims))
	} else if embed.Rows() > big {
		r.fail("a vocabulary of %d is above %d", embed.Rows(), big)
	} else {
		c.Vocab = int(embed.Rows())
	}
	if c.Heads%c.KVHeads != 0 {
		r.fail("%d heads do not share %d kv heads evenly", c.Heads, c.KVHeads)
	}
	if of.configure != nil && r.err == nil {
		of.configure(r, &c)
	}
	return c, r.err
}

// windows reads what layers see: all but every period-th, the last of a period, only the metadata's window, or size where there is none. 0 is all.
func (r *configReader) windows(c *Config, size, period int) {
	if size = r.uint("attention.sliding_window", size, 0, 1<<24); size == 0 {
		return
	}
	local, given := r.bools("attention.sliding_window_pattern")
	if given && len(local) < c.Layers {
		r.fail("metadata %s.attention.sliding_window_pattern has %d values for %d layers", r.arch, len(local), c.Layers)
		return
	}
	if !given {
		period = r.uint("attention.sliding_window_pattern", period, 1, 1<<12)
	}
	c.Windows = make([]int, c.Layers)
	for i := range c.Windows {
		if given && local[i] || !given && i%period < period-1 {
			c.Windows[i] = size
		}
	}
}

// KVBytesPerToken is 2 × layers × kv heads × head dimension × bytes of an element, and KVScaleBytesPerToken.
func (c Config) KVBytesPerToken(t KVType) uint64 {
	return 2*uint64(c.Layers)*uint64(c.KVHeads)*uint64(c.HeadDim)*uint64(t.Bytes()) + c.KVScaleBytesPerToken(t)
}

// KVScaleBytesPerToken is 2 × layers × kv heads × bytes of a scale: 0 but for int8.
func (c Config) KVScaleBytesPerToken(t KVType) uint64 {
	return 2 * uint64(c.Layers) * uint64(c.KVHeads) * uint64(t.ScaleBytes())
}

// KVType is the element type of KV pages.
type KVType = shaders.KVType

// KV types.
const (
	F32 = shaders.KVF32
	F16 = shaders.KVF16
	I8  = shaders.KVInt8
)

// ParseKVType reads "f32", "f16" or "int8" (or "i8"); "" is f32.
func ParseKVType(s string) (KVType, error) {
	switch s {
	case "", "f32":
		return F32, nil
	case "f16":
		return F16, nil
	case "int8", "i8":
		return I8, nil
	}
	return 0, fmt.Errorf("model: kv type %q is not supported (f32, f16, int8)", s)
}
