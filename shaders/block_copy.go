package shaders

import "umbra/gpu"

type blockCopySpec struct {
	*bindings
	Chunks        int
	Save, Restore bool

	CopyVecs    int `wgsl:"COPY_VECS"` // 16 bytes each, of a block
	ChunkBlocks int `wgsl:"CHUNK_BLOCKS"`
}

// BlockCopy copies whole KV blocks of one layer, whatever their type: within the pool, and between the pool and staging
// memory, where blocks lie one after the other. Kernels are compiled when first needed.
type BlockCopy struct {
	device              *gpu.Device
	Shape               KVShape
	copy, save, restore *gpu.Kernel
}

// NewBlockCopy makes a BlockCopy for pools of a shape.
func NewBlockCopy(d *gpu.Device, s KVShape) *BlockCopy { return &BlockCopy{device: d, Shape: s} }

// Run records the step's n copies: words (from, to) each at Step.Copies. They have no order among themselves, so a block
// that is written to is in no other copy.
func (c *BlockCopy) Run(p *gpu.Pass, n int, step, input *gpu.Buffer, kv KV) {
	c.record(p, &c.copy, blockCopySpec{}, "block_copy", n, step, input, kv)
}

// Save records the copy of the n blocks listed at Step.Copies to staging, n × BlockBytes.
func (c *BlockCopy) Save(p *gpu.Pass, n int, step, input *gpu.Buffer, kv KV, staging gpu.Binding) {
	c.record(p, &c.save, blockCopySpec{Save: true}, "block_save", n, step, input, kv, staging)
}

// Restore records what undoes Save: the blocks may be others. A block is listed once.
func (c *BlockCopy) Restore(p *gpu.Pass, n int, step, input *gpu.Buffer, kv KV, staging gpu.Binding) {
	c.record(p, &c.restore, blockCopySpec{Restore: true}, "block_restore", n, step, input, kv, staging)
}

func (c *BlockCopy) record(p *gpu.Pass, k **gpu.Kernel, spec blockCopySpec, name string, n int, step, input *gpu.Buffer, kv KV, staging ...gpu.Binding) {
	vecs := c.Shape.BlockBytes() / 16
	if *k == nil {
		spec.bindings, spec.Chunks, spec.CopyVecs, spec.ChunkBlocks = &bindings{}, c.Shape.Chunks(), vecs, c.Shape.ChunkBlocks
		var err error
		if *k, err = compile(c.device, "block_copy.wgsl", name, &spec); err != nil {
			p.Fail(err)
			return
		}
	}
	b := []gpu.Binding{step.Slice(0, StepBytes), input.Whole()}
	for _, chunk := range kv {
		b = append(b, chunk.Whole())
	}
	p.Dispatch(*k, c.device.Grid1(ceilDiv(n*vecs, 64)), append(b, staging...)...)
}

// BlockCopyRef is the reference of Run: pool holds blocks of size bytes one after the other.
func BlockCopyRef(pool []byte, size int, copies [][2]uint32) {
	for _, c := range copies {
		copy(pool[int(c[1])*size:][:size], pool[int(c[0])*size:][:size])
	}
}
