package model

import (
	"encoding/binary"
	"fmt"
	"math"

	"umbra/scheduler/batch"
)

// Hidden computes a text's hidden states, those that the output matrix would take: after all layers and the output norm. each is told
// of every position, in order, with Config.Embed elements, good until it returns. blocks hold the text's keys and values meanwhile,
// Blocks[p/BlockSize] for position p. No other batch may be on its way.
func (m *Model) Hidden(tokens, blocks []int32, each func(position int, hidden []float32)) error {
	c := m.plan.Config
	weights := make([]byte, 4*c.Embed)
	for first := 0; first < len(tokens); first += m.plan.BatchTokens {
		part := tokens[first:min(first+m.plan.BatchTokens, len(tokens))]
		last := first + len(part) - 1
		if last/BlockSize >= len(blocks) {
			return fmt.Errorf("model: %d blocks for positions up to %d", len(blocks), last)
		}
		b := &batch.Batch{Tokens: part, Sequences: []batch.Sequence{{Rows: len(part), Blocks: blocks[:last/BlockSize+1]}}}
		for i := range part {
			p := int32(first + i)
			b.Positions = append(b.Positions, p)
			b.Slots = append(b.Slots, blocks[p/BlockSize]*BlockSize+p%BlockSize)
		}
		rows, err := m.stream(b, weights)
		if err != nil {
			return err
		}
		for i := range part {
			each(first+i, normalised(rows[i*len(rows)/len(part):][:4*c.Embed], weights, c.Eps))
		}
	}
	return nil
}

// stream computes a batch without outputs and returns the residual stream after the last layer, whole rows with their padding, and the
// weights of the output norm in weights.
func (m *Model) stream(b *batch.Batch, weights []byte) ([]byte, error) {
	s := &step{model: m, batch: b}
	if err := s.check(); err != nil {
		return nil, err
	}
	if err := s.upload(); err != nil {
		return nil, err
	}
	s.reads = append(s.reads, read{m.buffers.x, make([]byte, m.plan.scratch.x/uint64(m.plan.BatchTokens)*uint64(len(b.Tokens)))}, read{m.weights.norm.buffer, weights})
	f, err := s.run()
	if err != nil {
		return nil, err
	}
	_, err = f.Wait()
	return s.reads[0].to, err
}

// normalised is RMSNorm of a row of little-endian f32: x·weights / sqrt(mean of x² + eps). Zhang & Sennrich 2019, arXiv 1910.07467.
func normalised(row, weights []byte, eps float32) []float32 {
	out := make([]float32, len(row)/4)
	sum := 0.0
	for i := range out {
		out[i] = math.Float32frombits(binary.LittleEndian.Uint32(row[4*i:]))
		sum += float64(out[i]) * float64(out[i])
	}
	by := 1 / math.Sqrt(sum/float64(len(out))+float64(eps))
	for i := range out {
		out[i] = float32(float64(out[i]) * by * float64(math.Float32frombits(binary.LittleEndian.Uint32(weights[4*i:]))))
	}
	return out
}
