package model

// NewWithin lets tests split weights and KV at limits smaller than the device's.
var NewWithin = newWithin

// Parts are how many parts layer 0's matrices are in: embeddings, head, q·k·v, attention output, gate (with up), down.
func Parts(m *Model) (n []int) {
	w := m.weights
	a, f := w.blocks[0].(*attentionBlock), w.blocks[1].(*feedForwardBlock)
	for _, x := range []*matrix{w.embed, w.output, a.qkv.matrices[0], a.result.product.matrices[0], f.gate.matrices[0], f.result.product.matrices[0]} {
		n = append(n, len(x.parts))
	}
	return n
}

// Chunks is how many buffers a layer's KV is in.
func Chunks(m *Model) int { return len(m.kv[0]) }

// FewTiles is how many one-row tiles of attention a step may have.
func FewTiles(m *Model) int { return m.plan.scratch.fewTiles }

// ReadBlocksBy and WriteBlocksBy let tests choose how many bytes go at once.
var (
	ReadBlocksBy  = (*Model).readBlocks
	WriteBlocksBy = (*Model).writeBlocks
)
