package model

import (
	"fmt"

	"umbra/gpu"
	"umbra/shaders"
)

// buffers are a model's scratch. Rows are padded to whole blocks of 32 columns; padding is zero and stays so.
type buffers struct {
	step     *gpu.Buffer // shaders.Step of each lane
	input    *gpu.Buffer // the step's words: ids, positions, slots, rotations, tiles, block tables, copies
	x        *gpu.Buffer // residual stream: rows × Embed
	qkv      *gpu.Buffer // rows × (Heads + 2 KVHeads) · HeadDim
	attended *gpu.Buffer // rows × Heads · HeadDim
	partial  *gpu.Buffer // parts of split contexts
	sums     *gpu.Buffer // of parts of the columns of matrices, see shaders.Linear.Parts
	gate     *gpu.Buffer // rows × FeedForward
	up       *gpu.Buffer // as gate, where a layer's gate and up differ in type
	prepared *gpu.Buffer // as x, normalised, where that is no part of a product
	branch   *gpu.Buffer // as x, what a block ends with before it is normalised and added
	normed   *gpu.Buffer // outputs × Embed
	logits   *gpu.Buffer // outputs × Vocab
	slices   *gpu.Buffer // outputs × candidates of slices of the vocabulary, where it is large
	top      *gpu.Buffer // outputs × shaders.MaxTopK pairs
	scores   *gpu.Buffer // outputs × shaders.ScoreBytes
	squares  *gpu.Buffer // sums of squares of each projection's inputs, where they are wanted
	scales   *gpu.Buffer // what RMSNorm multiplies rows by, for squares
	experts  expertBuffers
}

// scratchSizes are the buffers' sizes in bytes, and how many one-row tiles partial has room for.
type scratchSizes struct {
	step, input, x, qkv, attended, partial, sums, gate, up, prepared, branch, normed, logits, slices, top, scores, squares, scales uint64

	experts  expertSizes
	fewTiles int
}

func (s scratchSizes) all() []uint64 {
	return append(s.experts.all(), s.step, s.input, s.x, s.qkv, s.attended, s.partial, s.sums, s.gate, s.up, s.prepared, s.branch, s.normed, s.logits, s.slices, s.top, s.scores, s.squares, s.scales)
}

func (s scratchSizes) total() uint64 {
	var n uint64
	for _, b := range s.all() {
		if b > 0 {
			n += round16(b)
		}
	}
	return n
}

// noCandidates is what Gather reads candidates from on a device that finds none: it is never fed there.
const noCandidates = 16

func (p Plan) sizeScratch(limits gpu.Limits) scratchSizes {
	c := p.Config
	floats := func(rows, cols int) uint64 { return 4 * uint64(rows) * uint64(shaders.PadCols(cols)) }
	q := c.Heads * c.HeadDim
	// Tiles of few rows beyond what one binding holds parts for go to the kernel for many rows.
	one := shaders.AttentionShape{KV: p.kv, Heads: c.Heads}.PartialBytes(1, p.Context)
	tiles := min(p.BatchTokens, shaders.FewRows*p.Sequences+p.Proposals, max(1, int(limits.StorageBindingSize)/one))
	lanes, tables := p.Lanes(), p.tableWords()
	copies := 2 * p.Blocks // a block is written once
	angles := c.Rope.Rotated
	if c.LocalRope != nil {
		angles += c.LocalRope.Rotated
	}
	words := p.BatchTokens*(2+angles) + 2*p.Outputs + tables + lanes*5*p.BatchTokens + copies
	s := scratchSizes{
		step: uint64((lanes-1)*shaders.LaneBytes + shaders.StepBytes), input: 4 * uint64(words), x: floats(p.BatchTokens, c.Embed), qkv: floats(p.BatchTokens, q+2*c.KVHeads*c.HeadDim),
		attended: floats(p.BatchTokens, q), partial: uint64(tiles * one), gate: floats(p.BatchTokens, c.FeedForward),
		top: noCandidates, fewTiles: tiles,
	}
	if p.span.ends() {
		s.normed, s.logits, s.scores = floats(p.Outputs, c.Embed), floats(p.Outputs, c.Vocab), uint64(p.Outputs*shaders.ScoreBytes)
		s.slices, s.top = uint64(p.Outputs*shaders.TopKCandidateBytes(c.Vocab)), uint64(p.Outputs*shaders.MaxTopK*8)
	}
	for _, b := range p.weights.blocks {
		if e, ok := b.(*expertsBlock); ok {
			s.experts = e.sizes(p.BatchTokens)
			if e.shared != nil {
				s.gate = floats(p.BatchTokens, e.shared.width)
			}
		}
		n := b.needs()
		if n.up {
			s.up = s.gate
		}
		if n.prepared {
			s.prepared = s.x
		}
		if n.branch {
			s.branch = s.x
		}
	}
	if p.squares {
		s.squares, s.scales = p.squaresBytes(), 4*uint64(p.BatchTokens)
	}
	for _, shape := range p.products() {
		rows := p.BatchTokens
		if shape.Outputs {
			rows = p.Outputs
		}
		s.sums = max(s.sums, uint64(shape.PartsBytes(rows)))
	}
	return s
}

// tableWords is how many words the block tables of a step have at most: with a window only what its rows see is there.
func (p Plan) tableWords() (words int) {
	for _, g := range p.Groups {
		whole := p.Sequences * ceilDiv(p.Context, BlockSize)
		if g.Window > 0 {
			whole = min(whole, p.Sequences*g.blocks(p.Context, BlockSize+1)+ceilDiv(p.BatchTokens, BlockSize))
		}
		words += g.Lanes * whole
	}
	return words
}

func (b *buffers) all() []**gpu.Buffer {
	return append(b.experts.all(), &b.step, &b.input, &b.x, &b.qkv, &b.attended, &b.partial, &b.sums, &b.gate, &b.up, &b.prepared, &b.branch, &b.normed, &b.logits, &b.slices, &b.top, &b.scores, &b.squares, &b.scales)
}

func (b *buffers) allocate(d *gpu.Device, s scratchSizes) (err error) {
	names := append(expertNames, "step", "input", "x", "qkv", "attended", "partial", "sums", "gate", "up", "prepared", "branch", "normed", "logits", "slices", "top", "scores", "squares", "scales")
	sizes := s.all()
	for i, p := range b.all() {
		if sizes[i] == 0 {
			continue
		}
		if *p, err = d.NewBuffer(names[i], gpu.Scratch, sizes[i]); err != nil {
			return fmt.Errorf("model: %w", err)
		}
	}
	return nil
}

func (b *buffers) release() {
	for _, p := range b.all() {
		(*p).Release()
	}
}
