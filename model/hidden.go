package model

import (
	"encoding/binary"
	"fmt"
	"math"

	"umbra/scheduler/batch"
)

// Hidden computes hidden states of some of a text's tokens, from a position on, those that the output matrix would take: after all layers and the
// output norm. Those before have been computed. each is told of every position, in order, with Config.Embed elements, good until it returns. rows has the
// tokens' block tables, as a sequence of a batch. No other batch may be on its way.
func (m *Model) Hidden(tokens []int32, position int, rows batch.Sequence, each func(position int, hidden []float32)) error {
	c := m.plan.Config
	norm, err := m.outputNorm()
	if err != nil {
		return err
	}
	if last := position + len(tokens) - 1; last/BlockSize >= rows.Past+len(rows.Blocks) {
		return fmt.Errorf("model: %d blocks for positions up to %d", rows.Past+len(rows.Blocks), last)
	}
	rows.Start, rows.Rows = 0, len(tokens)
	b := &batch.Batch{Tokens: tokens, Sequences: []batch.Sequence{rows}}
	for i := range tokens {
		p := position + i
		b.Positions = append(b.Positions, int32(p))
		b.Slots = append(b.Slots, rows.Blocks[p/BlockSize-rows.Past]*BlockSize+int32(p%BlockSize))
	}
	f, err := m.launch(b, true)
	if err != nil {
		return err
	}
	if _, err := f.Wait(); err != nil {
		return err
	}
	for i := range tokens {
		each(position+i, c.norm(f.rows[i*len(f.rows)/len(tokens):][:4*c.Embed], norm.weights, norm.bias))
	}
	return nil
}

// outputNorm is the output norm's weights, as they lie on the last device. bias is nil where there is none.
type outputNorm struct{ weights, bias []byte }

// outputNorm reads the weights when they are first asked for.
func (m *Model) outputNorm() (outputNorm, error) {
	if m.norm.weights != nil {
		return m.norm, nil
	}
	s := m.stages[len(m.stages)-1]
	size := 4 * uint64(m.plan.Config.Embed)
	weights, err := s.device.Read(s.weights.norm.buffer, 0, size)
	var bias []byte
	if err == nil && s.weights.normBias != nil {
		bias, err = s.device.Read(s.weights.normBias.buffer, 0, size)
	}
	if err != nil {
		return outputNorm{}, s.named(fmt.Errorf("model: %w", err))
	}
	m.norm = outputNorm{weights, bias}
	return m.norm, nil
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
