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
	squares  *squares // nil unless inputs are summed up
}

type projectionOp struct {
	linear *shaders.Linear
	part   *part
}

// products are the shapes of its parts, in order.
func (p *projection) products() (all []shaders.LinearShape) {
	offset := 0
	for _, w := range p.matrices {
		for i := range w.parts {
			s := p.shape
			s.Format, s.N, s.K, s.Offset = w.format, w.parts[i].rows, w.layout.SrcCols, offset
			all = append(all, s)
			offset += s.Outs()
		}
	}
	return all
}

// head is the projection to logits.
func (p Plan) head() projection {
	return projection{matrices: []*matrix{p.weights.output}, shape: shaders.LinearShape{Outputs: true, Stride: shaders.PadCols(p.Config.Vocab),
		Bias: p.weights.bias != nil, Scale: p.Config.LogitScale, Cap: p.Config.LogitCap}}
}

// products are the shapes of all projections, block by block, those to logits last.
func (p Plan) products() (all []shaders.LinearShape) {
	for _, x := range p.withHead() {
		all = append(all, x.products()...)
	}
	return all
}

// Products are the shapes of the model's Linears, one of those that share a choice of kernels (shaders.Choices).
func (p Plan) Products() (all []shaders.LinearShape) {
	seen := map[string]bool{}
	for _, s := range p.products() {
		if name := s.Product(); !seen[name] {
			seen[name] = true
			all = append(all, s)
		}
	}
	return all
}

// withHead are the projections of all blocks, and the head where the plan has it.
func (p Plan) withHead() []*projection {
	all := p.projections()
	if p.span.ends() {
		head := p.head()
		all = append(all, &head)
	}
	return all
}

// projections are those of all blocks, in order. The head is not among them: it is the stage's.
func (p Plan) projections() (all []*projection) {
	for _, b := range p.weights.blocks {
		all = append(all, b.products()...)
	}
	return all
}

// prepare makes the launchers.
func (p *projection) prepare(m *stage) error {
	shapes := p.products()
	for _, w := range p.matrices {
		for i := range w.parts {
			l, err := m.linear(shapes[len(p.ops)])
			if err != nil {
				return err
			}
			p.ops = append(p.ops, projectionOp{l, &w.parts[i]})
		}
	}
	return nil
}

// record multiplies rows rows; a's weights are filled in.
func (p *projection) record(pass *gpu.Pass, rows int, a shaders.LinearArgs) {
	if p.squares != nil {
		p.squares.record(pass, rows, a.Step, a.X, a.Gain, nil)
	}
	for _, op := range p.ops {
		a.Weights = op.part.weights
		op.linear.Run(pass, rows, a)
	}
}
