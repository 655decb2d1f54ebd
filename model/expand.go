package model

import (
	"fmt"

	"umbra/model/gguf"
)

// Expansion says that a file's matrices of a type that the kernels don't read become another, larger one when they are loaded.
type Expansion struct {
	From, To gguf.Type
	Tensors  int
	Bytes    uint64 // in the file
	Expanded uint64 // on the device
}

func (e Expansion) String() string {
	return fmt.Sprintf("tensor type %v is expanded to %v at load (%.1f MB -> %.1f MB)", e.From, e.To, float64(e.Bytes)/1e6, float64(e.Expanded)/1e6)
}

// expanded lists expansions, each type once, in the order in which the weights name them.
func (w *weights) expanded() (all []Expansion) {
	at := map[gguf.Type]int{}
	for _, m := range w.matrices {
		if !m.expand {
			continue
		}
		from := m.tensors[0].Type
		i, ok := at[from]
		if !ok {
			i = len(all)
			at[from] = i
			all = append(all, Expansion{From: from, To: m.layout.Type})
		}
		for _, t := range m.tensors {
			all[i].Tensors++
			all[i].Bytes += t.Size
		}
		all[i].Expanded += uint64(m.rows * (m.layout.QuantBytesPerRow + m.layout.ScaleBytesPerRow))
	}
	return all
}
