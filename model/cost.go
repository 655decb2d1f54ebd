package model

import "umbra/model/gguf"

// Cost is what a tensor costs each token that is decoded alone: bytes read as they lie on the device, and multiplications and additions.
type Cost struct{ Bytes, FLOP uint64 }

// Costs are the costs of all tensors by name, activations and attention over keys and values apart. Of experts those count that a token takes. Of the embeddings a token reads a row, and all
// where they are the matrix to logits too. A gain or bias is one operation an element.
func (p Plan) Costs() map[string]Cost {
	all := map[string]Cost{}
	add := func(t gguf.Tensor, bytes, flop uint64) {
		c := all[t.Name]
		all[t.Name] = Cost{c.Bytes + bytes, c.FLOP + flop}
	}
	row := func(m *matrix) uint64 { return uint64(m.layout.QuantBytesPerRow + m.layout.ScaleBytesPerRow) }
	add(p.weights.embed.tensors[0], row(p.weights.embed), 0)
	if m := p.weights.position; m != nil {
		add(m.tensors[0], row(m), m.tensors[0].Dims[0])
	}
	for _, x := range p.withHead() {
		for _, m := range x.matrices {
			for _, t := range m.tensors {
				add(t, t.Rows()*row(m), 2*t.Elements())
			}
		}
	}
	for _, b := range p.weights.blocks {
		e, ok := b.(*expertsBlock)
		if !ok {
			continue
		}
		used, of := uint64(e.routing.Used), uint64(e.routing.Experts)
		for _, x := range e.chosen() {
			for _, t := range x.matrix.tensors {
				add(t, t.Rows()*row(x.matrix)*used/of, 2*t.Elements()*used/of)
			}
		}
	}
	for _, v := range p.weights.vectors {
		for _, t := range v.tensors {
			add(t, 4*t.Elements(), t.Elements())
		}
	}
	return all
}
