package shaders

import (
	"fmt"

	"umbra/gpu"
)

// maxKVChunks is how many buffers one layer's pool may be spread over: with 4 other storage buffers, the 8 that every
// adapter has.
const maxKVChunks = 4

// KVShape is how one layer's pool of KV blocks lies in memory. A block holds Slots tokens: [key, value][kv head][slot][HeadDim].
type KVShape struct {
	KVHeads, HeadDim int
	Slots            int  // tokens per block
	Half             bool // f16 pairs instead of f32
	Blocks           int  // blocks in the pool
	ChunkBlocks      int  // blocks per buffer; the pool's buffers are chunks of it
}

// BlockBytes is the size of one block of one layer.
func (s KVShape) BlockBytes() int {
	bytes := 4
	if s.Half {
		bytes = 2
	}
	return 2 * s.KVHeads * s.Slots * s.HeadDim * bytes
}

// Chunks is the number of buffers the pool is spread over.
func (s KVShape) Chunks() int { return ceilDiv(s.Blocks, s.ChunkBlocks) }

// ChunkBytes is the size of chunk i; the last may be shorter.
func (s KVShape) ChunkBytes(i int) int {
	return min(s.ChunkBlocks, s.Blocks-i*s.ChunkBlocks) * s.BlockBytes()
}

// Fit sets ChunkBlocks to the most that a binding of limit bytes holds. It refuses a pool that needs more buffers than
// a kernel can bind, naming the largest that works.
func (s KVShape) Fit(limit uint64) (KVShape, error) {
	s.ChunkBlocks = min(s.Blocks, int(limit/uint64(s.BlockBytes())))
	switch {
	case s.Blocks < 1:
		return s, fmt.Errorf("shaders: kv pool of %d blocks", s.Blocks)
	case s.ChunkBlocks < 1:
		return s, fmt.Errorf("shaders: a kv block of %d bytes is above the adapter's binding limit of %d", s.BlockBytes(), limit)
	case s.Chunks() > maxKVChunks:
		return s, fmt.Errorf("shaders: kv pool of %d blocks needs %d buffers of %d bytes a layer, at most %d can be bound; use at most %d blocks (%d tokens), or f16 KV",
			s.Blocks, s.Chunks(), limit, maxKVChunks, maxKVChunks*s.ChunkBlocks, maxKVChunks*s.ChunkBlocks*s.Slots)
	}
	return s, nil
}

// KV is one layer's pool on the device, in chunks.
type KV []*gpu.Buffer

// kvSpec is a KVShape as the sources see it.
type kvSpec struct {
	Chunks int
	Half   bool

	KVHeads     int `wgsl:"KV_HEADS"`
	Slots       int `wgsl:"SLOTS"`
	HeadVecs    int `wgsl:"HEAD_VECS"`
	BlockVecs   int `wgsl:"BLOCK_VECS"`
	ChunkBlocks int `wgsl:"CHUNK_BLOCKS"`
}

func (s KVShape) spec() kvSpec {
	return kvSpec{s.Chunks(), s.Half, s.KVHeads, s.Slots, s.HeadDim / 4, 2 * s.KVHeads * s.Slots * s.HeadDim / 4, s.ChunkBlocks}
}
