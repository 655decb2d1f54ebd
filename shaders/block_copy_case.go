package shaders

import (
	"bytes"
	"fmt"

	"umbra/gpu"
)

// blockCopyCases copies within and between chunks, for every type, and saves and restores into other blocks.
func blockCopyCases() []Case {
	var cases []Case
	for _, c := range []struct {
		kvHeads, dim, slots int
		kind                KVType
		chunk               int
	}{
		{2, 64, 16, KVF32, 11}, {1, 16, 4, KVF16, 3}, {3, 80, 16, KVInt8, 4}, {1, 16, 4, KVInt8, 11}, {2, 32, 16, KVF32, 6},
	} {
		kv := KVShape{KVHeads: c.kvHeads, HeadDim: c.dim, Slots: c.slots, Type: c.kind, Blocks: 11, ChunkBlocks: c.chunk}
		name := fmt.Sprintf("block copy %d heads of %d %v, %d blocks a chunk", c.kvHeads, c.dim, c.kind, c.chunk)
		cases = append(cases, Case{Name: name, run: func(b *bench) error { return b.blockCopy(kv) }})
	}
	return cases
}

func (b *bench) blockCopy(s KVShape) error {
	size := s.BlockBytes()
	pool := make([]byte, s.Blocks*size)
	for i := range pool {
		pool[i] = byte(b.rand.Uint32())
	}
	var chunks KV
	for i := range s.Chunks() {
		chunks = append(chunks, b.buffer("kv", pool[i*s.ChunkBlocks*size:][:s.ChunkBytes(i)]))
	}
	// whole reads the pool back.
	whole := func() ([]byte, error) {
		var all []byte
		for i, c := range chunks {
			raw, err := b.device.Read(c, 0, uint64(s.ChunkBytes(i)))
			if err != nil {
				return nil, err
			}
			all = append(all, raw...)
		}
		return all, nil
	}
	c := NewBlockCopy(b.device, s)

	copies := [][2]uint32{{10, 0}, {2, 3}, {10, 9}, {1, 8}}
	words := []uint32{77}
	for _, x := range copies {
		words = append(words, x[0], x[1])
	}
	b.inputs(Step{Copies: 1, CopyCount: uint32(len(copies))}, words)
	if _, err := b.submit(chunks[0], 4, func(p *gpu.Pass) { c.Run(p, len(copies), b.step, b.input, chunks) }); err != nil {
		return err
	}
	BlockCopyRef(pool, size, copies)
	got, err := whole()
	if err != nil {
		return err
	}
	b.same(got, pool)

	from, to := []uint32{7, 10, 0, 5}, []uint32{2, 6, 10, 1}
	staging := b.buffer("staging", make([]byte, len(from)*size))
	b.inputs(Step{Copies: 0, CopyCount: uint32(len(from))}, from)
	saved, err := b.submit(staging, len(from)*size, func(p *gpu.Pass) { c.Save(p, len(from), b.step, b.input, chunks, staging.Whole()) })
	if err != nil {
		return err
	}
	for i, x := range from {
		b.same(saved[i*size:][:size], pool[int(x)*size:][:size])
		copy(pool[int(to[i])*size:], saved[i*size:][:size])
	}
	b.inputs(Step{Copies: 0, CopyCount: uint32(len(to))}, to)
	if _, err := b.submit(chunks[0], 4, func(p *gpu.Pass) { c.Restore(p, len(to), b.step, b.input, chunks, staging.Whole()) }); err != nil {
		return err
	}
	if got, err = whole(); err != nil {
		return err
	}
	b.same(got, pool)
	return nil
}

// same takes an error of 1 where bytes differ.
func (b *bench) same(got, want []byte) {
	if !bytes.Equal(got, want) {
		b.result.Error = 1
	}
}
