package model

import (
	"umbra/gpu"
	"umbra/shaders"
)

// projection multiplies rows by one or more matrices whose outputs lie side by side in one row. Tensors of one type are
// one matrix; others, and parts of a split matrix, take a dispatch each.
type projection struct {
	matrices []*matrix
	shape    shaders.LinearShape // with N, K and Format left to each part
	ops      []projectionOp
}

type projectionOp struct {
	linear  *shaders.Linear
	weights shaders.Weights
}

// prepare makes the launchers, once the weights are loaded.
func (p *projection) prepare(m *Model) error {
	offset := 0
	for _, w := range p.matrices {
		for _, part := range w.parts {
			s := p.shape
			s.Format, s.N, s.K, s.Offset = w.format, part.rows, w.layout.SrcCols, offset
			l, err := m.linear(s)
			if err != nil {
				return err
			}
			p.ops = append(p.ops, projectionOp{l, part.weights})
			offset += s.Outs()
		}
	}
	return nil
}

// record multiplies rows rows; a's weights are filled in.
func (p *projection) record(pass *gpu.Pass, rows int, a shaders.LinearArgs) {
	for _, op := range p.ops {
		a.Weights = op.weights
		op.linear.Run(pass, rows, a)
	}
}

// warm compiles the kernels for a number of rows.
func (p *projection) warm(rows int) error {
	for _, op := range p.ops {
		if err := op.linear.Warm(rows); err != nil {
			return err
		}
	}
	return nil
}
