package model

import (
	"umbra/gpu"
	"umbra/shaders"
)

// NewWithin lets tests split weights and KV at limits smaller than the device's.
func NewWithin(d *gpu.Device, limits gpu.Limits, tuning shaders.Tuning, src Source, o Options) (*Model, error) {
	return newAt([]Place{{d, tuning}}, []gpu.Limits{limits}, src, o)
}

// Parts are how many parts layer 0's matrices are in: embeddings, head, q·k·v, attention output, gate (with up), down.
func Parts(m *Model) (n []int) {
	w := m.stages[0].weights
	a, f := w.blocks[0].(*attentionBlock), w.blocks[1].(*feedForwardBlock)
	for _, x := range []*matrix{w.embed, w.output, a.qkv.matrices[0], a.result.product.matrices[0], f.gate.matrices[0], f.result.product.matrices[0]} {
		n = append(n, len(x.parts))
	}
	return n
}

// ExpertParts are how many parts layer 0's experts are in: gates, with ups, and downs.
func ExpertParts(m *Model) []int {
	e := m.stages[0].weights.blocks[1].(*expertsBlock)
	return []int{len(e.gate.matrix.parts), len(e.down.matrix.parts)}
}

// Chunks is how many buffers a layer's KV is in.
func Chunks(m *Model) int { return len(m.stages[0].kv[0]) }

// FewTiles is how many one-row tiles of attention a step may have.
func FewTiles(m *Model) int { return m.plan.scratch.fewTiles }

// ReadBlocksBy and WriteBlocksBy let tests choose how many bytes go at once.
var (
	ReadBlocksBy  = (*Model).readBlocks
	WriteBlocksBy = (*Model).writeBlocks
)

// Trace has a model tell of its micro-batches: that one is handed to a stage, or has been seen to be over there, by their numbers there.
func Trace(m *Model, f func(stage, number int, over bool)) {
	m.trace = func(e event) { f(e.stage, e.number, e.over) }
}
