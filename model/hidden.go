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
	var bias []byte
	if m.weights.normBias != nil {
		bias = make([]byte, 4*c.Embed)
	}
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
		rows, err := m.stream(b, weights, bias)
		if err != nil {
			return err
		}
		for i := range part {
			each(first+i, c.norm(rows[i*len(rows)/len(part):][:4*c.Embed], weights, bias))
		}
	}
	return nil
}

// stream computes a batch without outputs and returns the residual stream after the last layer, whole rows with their padding, and the
// weights of the output norm in weights and bias, where that is there.
func (m *Model) stream(b *batch.Batch, weights, bias []byte) ([]byte, error) {
	s := &step{model: m, batch: b}
	if err := s.check(); err != nil {
		return nil, err
	}
	if err := s.upload(); err != nil {
		return nil, err
	}
	s.reads = append(s.reads, read{m.buffers.x, make([]byte, m.plan.scratch.x/uint64(m.plan.BatchTokens)*uint64(len(b.Tokens)))}, read{m.weights.norm.buffer, weights})
	if bias != nil {
		s.reads = append(s.reads, read{m.weights.normBias.buffer, bias})
	}
	f, err := s.run()
	if err != nil {
		return nil, err
	}
	_, err = f.Wait()
	return s.reads[0].to, err
}

// norm is the output norm of a row of little-endian f32, with its weights likewise; bias is nil where there is none.
func (c Config) norm(row, weights, bias []byte) []float32 {
	at := func(b []byte, i int) float64 {
		return float64(math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:])))
	}
	out := make([]float32, len(row)/4)
	mean, sum := 0.0, 0.0
	for i := range out {
		mean += at(row, i)
	}
	mean /= float64(len(out))
	if !c.LayerNorm {
		mean = 0
	}
	for i := range out {
		sum += (at(row, i) - mean) * (at(row, i) - mean)
	}
	by := 1 / math.Sqrt(sum/float64(len(out))+float64(c.Eps))
	for i := range out {
		v := (at(row, i) - mean) * by * at(weights, i)
		if bias != nil {
			v += at(bias, i)
		}
		out[i] = float32(v)
	}
	return out
}
