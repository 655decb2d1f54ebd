package model

import (
	"fmt"
	"math"

	"umbra/gpu"
	"umbra/shaders"
)

// BlockSize is the number of tokens in a KV block (Kwon et al. 2023 use 16).
const BlockSize = 16

// Options size a model on the device. Zero values take the defaults of Plan.
type Options struct {
	Context     int // longest sequence in tokens
	Sequences   int // sequences in a step
	BatchTokens int // token rows in a step
	Outputs     int // rows of a step that may want output; at least Sequences + Proposals
	Proposals   int // rows of a step that verify proposed tokens, beyond one row for each sequence
	Blocks      int // KV blocks in the pool
	// KVBytes is the size of the pool in bytes instead, rounded down to whole blocks. It must hold one whole Context.
	KVBytes  uint64
	KVType   KVType
	Progress func(done, total int64) // bytes of weights on their way to the device
	// Squares has each step sum the squared inputs of all matrices up, for TakeSquares.
	Squares bool
	// Warm lists numbers of token rows, at most BatchTokens counting, of steps whose kernels are compiled while the weights are on
	// their way. Lazy leaves those that are not begun when the weights are there; a step that needs them compiles them.
	Warm []int
	Lazy bool
}

// Plan is what a model takes on a device, in bytes; the device's account shows the same.
type Plan struct {
	Config      Config
	KVType      KVType
	Context     int
	Sequences   int
	BatchTokens int
	Outputs     int
	Proposals   int
	Blocks      int    // KV blocks in the pool, of BlockSize tokens
	Weights     uint64 // repacked planes, gains and biases
	KV          uint64 // Blocks × BlockSize × Config.KVBytesPerToken
	Scratch     uint64 // activations, inputs, logits
	Expanded    []Expansion

	squares bool
	kv      shaders.KVShape
	weights *weights
	scratch scratchSizes
}

// DefaultSequences is Options.Sequences where that is 0.
const DefaultSequences = 16

const (
	defaultContext     = 8192
	defaultBatchTokens = 512
	defaultKVBytes     = 1 << 30 // more only to hold one whole context
)

// PlanFor works out what a model takes, without a device: limits are those of the adapter, which split what is larger.
func PlanFor(src Source, o Options, limits gpu.Limits) (Plan, error) {
	arch, err := architectureOf(src)
	if err != nil {
		return Plan{}, err
	}
	c, err := readConfig(src, arch.Name)
	if err != nil {
		return Plan{}, err
	}
	p := Plan{Config: c, KVType: o.KVType, Context: o.Context, Sequences: o.Sequences, BatchTokens: o.BatchTokens, Outputs: o.Outputs, Proposals: o.Proposals, Blocks: o.Blocks, squares: o.Squares}
	if err := p.fill(o.KVBytes, limits); err != nil {
		return p, err
	}
	w, err := layOut(src, arch, c, limits)
	if err != nil {
		return p, err
	}
	p.Weights, p.weights, p.Expanded = w.bytes(), w, w.expanded()
	p.KV = uint64(p.Blocks) * BlockSize * c.KVBytesPerToken(p.KVType)
	p.scratch = p.sizeScratch(limits)
	p.Scratch = p.scratch.total()
	return p, nil
}

// fill puts defaults where options are zero and checks the rest.
func (p *Plan) fill(kvBytes uint64, limits gpu.Limits) error {
	c := p.Config
	if p.Context == 0 {
		p.Context = min(c.Context, defaultContext)
	}
	if p.Context < 1 || p.Context > c.Context {
		return fmt.Errorf("model: context of %d tokens is outside 1..%d, what %s was trained for", p.Context, c.Context, c.Name)
	}
	if p.Sequences == 0 {
		p.Sequences = DefaultSequences
	}
	if p.BatchTokens == 0 {
		p.BatchTokens = max(defaultBatchTokens, p.Sequences)
	}
	if p.Sequences < 1 || p.BatchTokens < p.Sequences {
		return fmt.Errorf("model: %d sequences need at least as many batch tokens, not %d", p.Sequences, p.BatchTokens)
	}
	p.Outputs = min(max(p.Outputs, p.Sequences+p.Proposals), p.BatchTokens)
	p.kv = shaders.KVShape{KVHeads: c.KVHeads, HeadDim: c.HeadDim, Slots: BlockSize, Type: p.KVType, Blocks: p.Blocks}
	whole := ceilDiv(p.Context, BlockSize)
	switch {
	case kvBytes > 0 && p.Blocks > 0:
		return fmt.Errorf("model: %d blocks and %d bytes both size the KV pool; give one of them", p.Blocks, kvBytes)
	case kvBytes > 0:
		block := BlockSize * c.KVBytesPerToken(p.KVType)
		p.kv.Blocks = int(min(kvBytes/block, math.MaxInt32))
		if p.kv.Blocks < whole {
			return fmt.Errorf("model: %d bytes of %v KV hold %d tokens, not a context of %d; give at least %d bytes, a smaller context, or a smaller KV type",
				kvBytes, p.KVType, p.kv.Blocks*BlockSize, p.Context, uint64(whole)*block)
		}
	case p.Blocks == 0:
		budget := defaultKVBytes / (p.kv.BlockBytes() * c.Layers)
		p.kv.Blocks = max(whole, min(whole*p.Sequences, budget))
	}
	kv, err := p.kv.Fit(min(limits.StorageBindingSize, limits.BufferSize))
	if err != nil {
		return fmt.Errorf("model: %w", err)
	}
	p.kv, p.Blocks = kv, kv.Blocks
	if err := (shaders.AttentionShape{KV: kv, Heads: c.Heads}).Check(); err != nil {
		return fmt.Errorf("model: %w", err)
	}
	if err := (shaders.RopeShape{KV: kv, Heads: c.Heads, Rotated: c.Rope.Rotated}).Check(); err != nil {
		return fmt.Errorf("model: %w", err)
	}
	widest := 4 * shaders.PadCols(max(c.Embed, c.FeedForward, (c.Heads+2*c.KVHeads)*c.HeadDim))
	if most := int(limits.StorageBindingSize) / widest; p.BatchTokens > most {
		return fmt.Errorf("model: %d batch tokens are above the %d that the adapter's binding limit of %d bytes allows",
			p.BatchTokens, most, limits.StorageBindingSize)
	}
	if most := int(limits.StorageBindingSize) / (4 * shaders.PadCols(c.Vocab)); p.Outputs > most {
		return fmt.Errorf("model: logits of %d outputs are above the %d that the adapter's binding limit of %d bytes allows",
			p.Outputs, most, limits.StorageBindingSize)
	}
	return nil
}

// round16 is the size a buffer of n bytes is given.
func round16(n uint64) uint64 { return max(16, (n+15)&^15) }

func ceilDiv(a, b int) int { return (a + b - 1) / b }
