package model

import (
	"fmt"

	"umbra/model/gguf"
)

// block is a residual branch of a layer: it reads the stream, and adds to it.
type block interface {
	// prepare makes its launchers. The weights need not be loaded yet.
	prepare(m *stage) error
	// products are its matrices, with what is fused into them.
	products() []*projection
	// needs is the scratch it wants beyond what all models have.
	needs() needs
	// record adds its dispatches for a step.
	record(s *step)
}

// needs are buffers that not all models have.
type needs struct {
	up       bool // products that gate is multiplied with
	prepared bool // rows normalised by a dispatch of their own
	branch   bool // a branch's result that is normalised before it is added
}

// layerBuilder lays out the blocks of one layer.
type layerBuilder struct {
	*builder
	index int
}

func (l *layerBuilder) name(s string) string { return fmt.Sprintf("blk.%d.%s", l.index, s) }

// has reports whether the layer has a tensor.
func (l *layerBuilder) has(name string) bool {
	_, ok := l.src.Tensor(l.name(name))
	return ok
}

// sideBySide makes one matrix of each run of tensors of the same type.
func (l *layerBuilder) sideBySide(cols int, tensors ...gguf.Tensor) []*matrix {
	var all []*matrix
	for i := 0; i < len(tensors); {
		j := i + 1
		for j < len(tensors) && tensors[j].Type == tensors[i].Type {
			j++
		}
		all = append(all, l.matrix(cols, tensors[i:j]...))
		i = j
	}
	return all
}
