package model

import (
	"fmt"
	"math"
	"sort"

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
	// Blocks is the size of the KV pool, in blocks of BlockSize tokens of all layers; more tokens find room where layers have windows.
	Blocks int
	// KVBytes is the size of the pool in bytes instead, rounded down to whole blocks, and Contexts in sequences as long as Context. It must
	// hold one whole Context.
	KVBytes  uint64
	Contexts int
	KVType   KVType
	Progress func(done, total int64) // bytes of weights on their way to the device
	// Squares has each step sum the squared inputs of all matrices up, for TakeSquares.
	Squares bool
	// Warm lists numbers of token rows, at most BatchTokens counting, of steps whose kernels are compiled while the weights are on
	// their way. Lazy leaves those that are not begun when the weights are there; a step that needs them compiles them.
	Warm []int
	Lazy bool
	// Split is the share of the layers that each of several devices gets; nil is as many each. See Plan.Stages for what comes of it.
	Split []float64
	// MicroBatch is how many token rows of a step go from device to device together, about, where there are several; the devices
	// compute different ones at the same time.
	MicroBatch int
}

// Plan is what a model takes on its devices, in bytes; the devices' accounts show the same.
type Plan struct {
	Config      Config
	KVType      KVType
	Context     int
	Sequences   int
	BatchTokens int
	Outputs     int
	Proposals   int
	Blocks      int // KV blocks in the pool, of BlockSize tokens and Depth layers
	Depth       int // columns of a block, for a layer each: as many as there are layers, where none has a window
	Groups      []KVGroup
	Weights     uint64 // repacked planes, gains and biases
	KV          uint64 // Blocks × BlockBytes
	Scratch     uint64 // activations, inputs, logits
	Expanded    []Expansion
	Stages      []Stage // what each device has of it
	MicroBatch  int     // rows of a step that go from device to device together; 0 with one device

	squares bool
	span    span // the layers: all, or those of a stage
	kv      shaders.KVShape
	places  []place // by layer
	depth   int     // layers of a block that are the stage's, from column on
	column  int
	weights *weights
	scratch scratchSizes
	stages  []Plan // each device's, for itself
}

// Stage is what one of the devices has of a model: layers First to End-1, the embeddings if it is the first, and the matrix to logits
// if it is the last. Tied ones are then on both.
type Stage struct {
	First, End           int
	Weights, KV, Scratch uint64 // bytes
}

// Bytes is what the stage takes in all.
func (s Stage) Bytes() uint64 { return s.Weights + s.KV + s.Scratch }

func (s Stage) String() string { return span{s.First, s.End, 0}.String() }

// DefaultSequences is Options.Sequences where that is 0.
const DefaultSequences = 16

const (
	defaultContext     = 8192
	defaultBatchTokens = 512
	defaultKVBytes     = 1 << 30 // more only to hold one whole context
)

// PlanFor works out what a model takes, without a device: limits are those of the adapter, which split what is larger.
func PlanFor(src Source, o Options, limits gpu.Limits) (Plan, error) {
	return PlanSplit(src, o, []gpu.Limits{limits})
}

// PlanSplit is PlanFor of a model whose layers are shared out among several devices, by Options.Split.
func PlanSplit(src Source, o Options, limits []gpu.Limits) (Plan, error) {
	arch, err := architectureOf(src)
	if err != nil {
		return Plan{}, err
	}
	c, err := readConfig(src, arch)
	if err != nil {
		return Plan{}, err
	}
	all, err := spans(c.Layers, len(limits), o.Split)
	if err != nil {
		return Plan{}, err
	}
	groups, depths := c.kvGroups(all)
	shared := Plan{Config: c, KVType: o.KVType, Context: o.Context, Sequences: o.Sequences, BatchTokens: o.BatchTokens, Outputs: o.Outputs, Proposals: o.Proposals, squares: o.Squares, Groups: groups}
	for _, d := range depths {
		shared.Depth += d
	}
	most := uint64(math.MaxUint64) // what a binding has on every device: they have the same blocks
	for _, l := range limits {
		most = min(most, l.StorageBindingSize, l.BufferSize)
	}
	var stages []Plan
	for i, s := range all {
		p := shared
		p.span, p.depth, p.places = s, depths[i], c.places(groups, depths[i], s)
		p, err := p.stage(src, arch, o, limits[i], most)
		if err != nil {
			if len(all) > 1 {
				err = fmt.Errorf("model: %v, on device %d of %d: %w", s, i+1, len(all), err)
			}
			return p, err
		}
		stages = append(stages, p)
		shared.column += depths[i]
	}
	return together(src, arch, o, stages)
}

// stage is the plan of the device that has the plan's layers.
func (p Plan) stage(src Source, arch Architecture, o Options, limits gpu.Limits, most uint64) (Plan, error) {
	c, s := p.Config, p.span
	if err := p.fill(o, limits, most); err != nil {
		return p, err
	}
	w, err := layOut(src, arch, c, limits, s)
	if err != nil {
		return p, err
	}
	p.Weights, p.weights, p.Expanded = w.bytes(), w, w.expanded()
	if err := p.checkExperts(limits); err != nil {
		return p, err
	}
	p.KV = uint64(p.Blocks) * uint64(p.depth*p.kv.BlockBytes())
	p.scratch = p.sizeScratch(limits)
	p.Scratch = p.scratch.total()
	return p, nil
}

// together is the plan of all stages.
func together(src Source, arch Architecture, o Options, stages []Plan) (Plan, error) {
	p := stages[0]
	if len(stages) > 1 {
		w, err := layOut(src, arch, p.Config, unlimited, span{0, p.span.of, p.span.of})
		if err != nil {
			return p, err
		}
		p.Weights, p.KV, p.Scratch = 0, 0, 0
		p.weights, p.Expanded, p.span = w, w.expanded(), span{0, p.span.of, p.span.of}
		if p.MicroBatch = o.MicroBatch; p.MicroBatch == 0 {
			p.MicroBatch = max(leastMicroBatch, ceilDiv(p.BatchTokens, len(stages)))
		}
		if p.MicroBatch < 1 {
			return p, fmt.Errorf("model: micro-batches of %d rows; give at least 1", o.MicroBatch)
		}
		for _, s := range stages {
			p.Weights, p.KV, p.Scratch = p.Weights+s.Weights, p.KV+s.KV, p.Scratch+s.Scratch
			p.scratch.fewTiles = min(p.scratch.fewTiles, s.scratch.fewTiles)
		}
	}
	p.stages = stages
	for _, s := range stages {
		p.Stages = append(p.Stages, Stage{s.span.first, s.span.end, s.Weights, s.KV, s.Scratch})
	}
	return p, nil
}

// leastMicroBatch is the fewest rows that are worth computing apart from others where nothing else is said: with fewer, reading the
// weights is what takes time.
const leastMicroBatch = 64

// unlimited are the limits of no device, within which nothing is in parts.
var unlimited = gpu.Limits{BufferSize: 1 << 40, StorageBindingSize: 1 << 40}

// fill puts defaults where options are zero and checks the rest.
func (p *Plan) fill(o Options, limits gpu.Limits, most uint64) error {
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
	p.kv = shaders.KVShape{KVHeads: c.KVHeads, HeadDim: c.HeadDim, Slots: BlockSize, Type: p.KVType}
	if err := p.sizePool(o, most); err != nil {
		return err
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
	if most := int(limits.StorageBindingSize) / (4 * shaders.PadCols(c.Vocab)); p.span.ends() && p.Outputs > most {
		return fmt.Errorf("model: logits of %d outputs are above the %d that the adapter's binding limit of %d bytes allows",
			p.Outputs, most, limits.StorageBindingSize)
	}
	return nil
}

// sizePool sets the number of blocks: as told, or enough for one Context, and for more sequences up to defaultKVBytes, as far as bindings of
// most bytes allow.
func (p *Plan) sizePool(o Options, most uint64) error {
	block := p.BlockBytes()
	switch {
	case o.Blocks < 0 || o.Contexts < 0:
		return fmt.Errorf("model: a kv pool of %d blocks or %d contexts; leave either at 0 for enough of them", o.Blocks, o.Contexts)
	case o.KVBytes > 0 && o.Blocks > 0:
		return fmt.Errorf("model: %d blocks and %d bytes both size the KV pool; give one of them", o.Blocks, o.KVBytes)
	case o.Contexts > 0 && (o.KVBytes > 0 || o.Blocks > 0):
		return fmt.Errorf("model: %d contexts size the KV pool, and so do %d blocks or %d bytes; give one of them", o.Contexts, o.Blocks, o.KVBytes)
	case o.KVBytes > 0:
		p.kv.Blocks = int(min(o.KVBytes/block, math.MaxInt32))
		if least := p.Need(p.Context, 1); p.kv.Blocks < least {
			return fmt.Errorf("model: %d bytes of %v KV hold %d tokens, not a context of %d; give at least %d bytes, a smaller context, or a smaller KV type",
				o.KVBytes, p.KVType, p.holds(p.kv.Blocks), p.Context, uint64(least)*block)
		}
	case o.Blocks > 0:
		p.kv.Blocks = o.Blocks * p.Lanes()
	case o.Contexts > 0:
		p.kv.Blocks = p.contexts(o.Contexts)
	default:
		p.kv.Blocks = max(p.contexts(1), min(p.contexts(p.Sequences), int(min(defaultKVBytes/block, p.kv.Most(most)))))
	}
	return nil
}

// holds is how many tokens one sequence can have in so many blocks.
func (p Plan) holds(blocks int) int {
	return BlockSize * sort.Search(ceilDiv(p.Context, BlockSize), func(n int) bool { return p.Need((n+1)*BlockSize, 1) > blocks })
}

// round16 is the size a buffer of n bytes is given.
func round16(n uint64) uint64 { return max(16, (n+15)&^15) }

func ceilDiv(a, b int) int { return (a + b - 1) / b }
