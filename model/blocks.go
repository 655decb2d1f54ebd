package model

import (
	"encoding/binary"
	"fmt"

	"umbra/gpu"
	"umbra/shaders"
)

// transferBytes is how much of KV blocks goes through staging memory at once.
const transferBytes = 32 << 20

// sectionAlign is what offsets of bindings are multiples of.
const sectionAlign = 256

// BlockBytes is what one KV block takes in all its layers, and on its way through ReadBlocks.
func (p Plan) BlockBytes() uint64 { return uint64(p.Depth) * uint64(p.kv.BlockBytes()) }

// ReadBlocks copies KV blocks to the host, Plan.BlockBytes each. The bytes are those of the blocks in the order given; of
// a block, those of its columns in order, a layer each; of a layer, [key, value][kv head][slot][head dimension] elements as KVType has
// them, and with int8 then the f32 scales [key, value][kv head][slot]; all little-endian. They do not depend on how the
// pool lies in buffers or on its size, so another model of the same file and KVType can take them; where layers have windows, one on devices with the same layers.
func (m *Model) ReadBlocks(blocks []int32) ([]byte, error) {
	return m.readBlocks(blocks, transferBytes)
}

// WriteBlocks is what undoes ReadBlocks: block i of data goes to blocks[i], each of which is named once. Blocks that no
// other step names keep what was written until then. Of an error in the middle, any of the blocks may have been written.
func (m *Model) WriteBlocks(blocks []int32, data []byte) error {
	return m.writeBlocks(blocks, data, transferBytes)
}

func (m *Model) readBlocks(blocks []int32, most uint64) ([]byte, error) {
	if err := m.checkBlocks(blocks); err != nil {
		return nil, err
	}
	m.settle()
	out := make([]byte, uint64(len(blocks))*m.plan.BlockBytes())
	for _, s := range m.stages {
		if err := s.readBlocks(blocks, out, most); err != nil {
			return nil, s.named(err)
		}
	}
	return out, nil
}

func (m *Model) writeBlocks(blocks []int32, data []byte, most uint64) error {
	if err := m.checkBlocks(blocks); err != nil {
		return err
	}
	if want := uint64(len(blocks)) * m.plan.BlockBytes(); uint64(len(data)) != want {
		return fmt.Errorf("model: %d kv blocks in %v take %d bytes, not %d", len(blocks), m.plan.KVType, want, len(data))
	}
	seen := map[int32]bool{}
	for _, b := range blocks {
		if seen[b] {
			return fmt.Errorf("model: kv block %d is to be written twice", b)
		}
		seen[b] = true
	}
	m.settle()
	for _, s := range m.stages {
		if err := s.writeBlocks(blocks, data, most); err != nil {
			return s.named(err)
		}
	}
	return nil
}

// readBlocks copies the stage's part of blocks to where it belongs among those of all layers.
func (m *stage) readBlocks(blocks []int32, out []byte, most uint64) error {
	return m.transfer(blocks, most, func(t *transfer, at int, part []int32, raw []byte) error {
		err := t.run(m, part, m.blocks.Save, func(p *gpu.Pass) { p.Read(t.staging, 0, raw) })
		if err != nil {
			return err
		}
		t.each(at, len(part), func(staged, given int) { copy(out[given:][:t.size], raw[staged:]) })
		return nil
	})
}

// writeBlocks is what undoes readBlocks.
func (m *stage) writeBlocks(blocks []int32, data []byte, most uint64) error {
	return m.transfer(blocks, most, func(t *transfer, at int, part []int32, raw []byte) error {
		t.each(at, len(part), func(staged, given int) { copy(raw[staged:][:t.size], data[given:]) })
		if err := m.device.Write(t.staging, 0, raw); err != nil {
			return fmt.Errorf("model: %w", err)
		}
		return t.run(m, part, m.blocks.Restore, func(*gpu.Pass) {})
	})
}

// transfer makes staging memory and has move take as many blocks through it at a time as it holds: part, of which the first is number at, with room
// on the host for all of the staging memory.
func (m *stage) transfer(blocks []int32, most uint64, move func(t *transfer, at int, part []int32, raw []byte) error) error {
	t, err := m.newTransfer(len(blocks), most)
	if err != nil {
		return err
	}
	defer t.staging.Release()
	raw := make([]byte, t.staging.Size())
	for at := 0; at < len(blocks); at += t.most {
		if err := move(t, at, blocks[at:min(at+t.most, len(blocks))], raw); err != nil {
			return err
		}
	}
	return nil
}

// checkBlocks refuses blocks that the pool has not.
func (m *Model) checkBlocks(blocks []int32) error {
	for _, b := range blocks {
		if b < 0 || int(b) >= m.plan.Blocks {
			return fmt.Errorf("model: kv block %d is outside the pool of %d", b, m.plan.Blocks)
		}
	}
	return nil
}

// transfer moves blocks through staging memory, where each layer of the stage has a section with its part of every block.
type transfer struct {
	staging *gpu.Buffer
	depth   int // layers of a block, from column on
	column  int
	of      int // columns of a whole block
	size    int // bytes of a block in a layer
	most    int // blocks at once
	section int // bytes of a section
}

// newTransfer makes staging memory for up to n blocks, or as many as most bytes hold, at least one.
func (m *stage) newTransfer(n int, most uint64) (*transfer, error) {
	t := &transfer{depth: m.plan.depth, column: m.plan.column, of: m.plan.Depth, size: m.plan.kv.BlockBytes()}
	t.most = max(1, min(n, m.plan.Blocks, int(most)/(t.size*t.depth)))
	t.section = (t.most*t.size + sectionAlign - 1) &^ (sectionAlign - 1)
	b, err := m.device.NewBuffer("kv blocks on their way", gpu.Scratch, uint64(t.depth*t.section))
	if err != nil {
		return nil, fmt.Errorf("model: %w", err)
	}
	t.staging = b
	return t, nil
}

// each calls f for each layer of n blocks, of which the first is number at, with its offset in staging memory and in bytes laid out block
// by block with all columns.
func (t *transfer) each(at, n int, f func(staged, given int)) {
	for i := range n {
		for l := range t.depth {
			f(l*t.section+i*t.size, ((at+i)*t.of+t.column+l)*t.size)
		}
	}
}

// run moves blocks in all their layers by one of BlockCopy's kernels, and then waits.
func (t *transfer) run(m *stage, blocks []int32,
	move func(p *gpu.Pass, n int, step, input *gpu.Buffer, kv shaders.KV, staging gpu.Binding), then func(p *gpu.Pass)) error {
	var list []byte
	for _, b := range blocks {
		list = binary.LittleEndian.AppendUint32(list, uint32(b))
	}
	err := m.device.Write(m.buffers.input, 0, list)
	if err == nil {
		err = m.device.Write(m.buffers.step, 0, shaders.Step{CopyCount: uint32(len(blocks))}.Append(nil))
	}
	if err != nil {
		return fmt.Errorf("model: %w", err)
	}
	p := m.device.Begin("kv blocks")
	for l, kv := range m.kv {
		move(p, len(blocks), m.buffers.step, m.buffers.input, kv, t.staging.Slice(uint64(l*t.section), uint64(t.section)))
	}
	then(p)
	fence, err := p.Submit()
	if err == nil {
		err = fence.Wait()
	}
	if err != nil {
		return fmt.Errorf("model: %w", err)
	}
	return nil
}
