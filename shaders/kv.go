package shaders

import (
	"fmt"

	"umbra/gpu"
)

// maxKVChunks is how many buffers one layer's pool may be spread over: with 4 other storage buffers, the 8 that every
// adapter has.
const maxKVChunks = 4

// KVType is how keys and values are stored.
type KVType uint8

// KV types.
const (
	KVF32  KVType = iota
	KVF16         // f16 pairs
	KVInt8        // i8 with an f32 scale for each token, head, and key or value; see QuantizeKV
)

// Bytes is the size of an element, scales apart.
func (t KVType) Bytes() int { return [...]int{4, 2, 1}[t] }

// ScaleBytes is what the scale of one token's key (or value) in one head takes: 0 without scales. It is an f32, not an
// f16: with heads of 64, f16 would make a block 3 % smaller, but two tokens, which are written at once, would share
// a word, and keys below 1e-3 would lose digits to subnormal scales.
func (t KVType) ScaleBytes() int { return [...]int{0, 0, 4}[t] }

func (t KVType) String() string { return [...]string{"f32", "f16", "int8"}[t] }

// KVShape is how one layer's pool of KV blocks lies in memory. A block holds Slots tokens: [key, value][kv head][slot][HeadDim],
// and with int8 then their scales: [key, value][kv head][slot].
type KVShape struct {
	KVHeads, HeadDim int
	Slots            int // tokens per block
	Type             KVType
	Blocks           int // blocks in the pool
	ChunkBlocks      int // blocks per buffer; the pool's buffers are chunks of it
}

// BlockBytes is the size of one block of one layer, a multiple of 16.
func (s KVShape) BlockBytes() int {
	return 2 * s.KVHeads * s.Slots * (s.HeadDim*s.Type.Bytes() + s.Type.ScaleBytes())
}

// Chunks is the number of buffers the pool is spread over.
func (s KVShape) Chunks() int { return ceilDiv(s.Blocks, s.ChunkBlocks) }

// ChunkBytes is the size of chunk i; the last may be shorter.
func (s KVShape) ChunkBytes(i int) int {
	return min(s.ChunkBlocks, s.Blocks-i*s.ChunkBlocks) * s.BlockBytes()
}

// Most is how many blocks a pool can have where a binding has limit bytes.
func (s KVShape) Most(limit uint64) uint64 { return maxKVChunks * (limit / uint64(s.BlockBytes())) }

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
		return s, fmt.Errorf("shaders: kv pool of %d blocks needs %d buffers of %d bytes a layer, at most %d can be bound; use at most %d blocks (%d tokens), or f16 or int8 KV",
			s.Blocks, s.Chunks(), limit, maxKVChunks, maxKVChunks*s.ChunkBlocks, maxKVChunks*s.ChunkBlocks*s.Slots)
	}
	return s, nil
}

// KV is one layer's pool on the device, in chunks.
type KV []*gpu.Buffer

// kvSpec is a KVShape as the sources see it. A vector is 4 elements, whatever bytes they take; a scale takes a vector's
// place.
type kvSpec struct {
	Chunks int
	Type   KVType

	KVHeads     int `wgsl:"KV_HEADS"`
	Slots       int `wgsl:"SLOTS"`
	HeadVecs    int `wgsl:"HEAD_VECS"`
	ScalesAt    int `wgsl:"SCALES_AT"` // vectors before a block's scales
	BlockVecs   int `wgsl:"BLOCK_VECS"`
	ChunkBlocks int `wgsl:"CHUNK_BLOCKS"`
}

func (s KVShape) spec() kvSpec {
	return kvSpec{s.Chunks(), s.Type, s.KVHeads, s.Slots, s.HeadDim / 4, 2 * s.KVHeads * s.Slots * s.HeadDim / 4,
		s.Vecs(), s.ChunkBlocks}
}

// Half reports that elements are f16 pairs.
func (s KVShape) Half() bool { return s.Type == KVF16 }

// Vecs is a block's size in vectors of 4 elements; a scale takes a vector's place.
func (s KVShape) Vecs() int { return s.BlockBytes() / (4 * s.Type.Bytes()) }

// Half reports that elements are f16 pairs, to templates.
func (s kvSpec) Half() bool { return s.Type == KVF16 }

// Int8 reports that elements are bytes with scales, to templates.
func (s kvSpec) Int8() bool { return s.Type == KVInt8 }
