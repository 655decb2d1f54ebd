package model

import (
	"fmt"

	"umbra/gpu"
	"umbra/shaders"
)

// expertBuffers are the scratch of blocks of experts. A pair is a token row and one of the experts that it chose.
type expertBuffers struct {
	logits *gpu.Buffer // rows × (experts + 1)
	routes *gpu.Buffer // shaders.Routing.RoutesBytes
	hidden *gpu.Buffer // pairs × width of an expert
	up     *gpu.Buffer // as hidden, where gate and up differ in type
	given  *gpu.Buffer // pairs × Embed: what each expert gave
	shared *gpu.Buffer // rows × Embed: what the shared one gave
}

var expertNames = []string{"router logits", "routes", "hidden of experts", "up of experts", "given by experts", "given by the shared expert"}

func (b *expertBuffers) all() []**gpu.Buffer {
	return []**gpu.Buffer{&b.logits, &b.routes, &b.hidden, &b.up, &b.given, &b.shared}
}

// expertSizes are the buffers' sizes in bytes.
type expertSizes struct{ logits, routes, hidden, up, given, shared uint64 }

func (s expertSizes) all() []uint64 {
	return []uint64{s.logits, s.routes, s.hidden, s.up, s.given, s.shared}
}

// sizes are those for up to rows token rows.
func (e *expertsBlock) sizes(rows int) expertSizes {
	pairs := uint64(rows * e.routing.Used)
	embed, width := 4*uint64(shaders.PadCols(e.embed)), 4*uint64(shaders.PadCols(e.width))
	s := expertSizes{logits: 4 * uint64(rows*e.logits()), routes: uint64(e.routing.RoutesBytes(rows)), hidden: pairs * width, given: pairs * embed}
	if e.up.matrix != nil {
		s.up = s.hidden
	}
	if e.shared != nil {
		s.shared = uint64(rows) * embed
	}
	return s
}

// checkExperts refuses more token rows than a binding holds pairs of.
func (p Plan) checkExperts(limits gpu.Limits) error {
	for _, b := range p.weights.blocks {
		e, ok := b.(*expertsBlock)
		if !ok {
			continue
		}
		one := 4 * e.routing.Used * shaders.PadCols(max(e.embed, e.width))
		if most := int(limits.StorageBindingSize) / one; p.BatchTokens > most {
			return fmt.Errorf("model: %d batch tokens, each at %d experts, are above the %d that the adapter's binding limit of %d bytes allows",
				p.BatchTokens, e.routing.Used, most, limits.StorageBindingSize)
		}
	}
	return nil
}
