// Package imatrix holds an importance matrix: how large the inputs of each weight matrix were, column by column, while a
// model read some text. A quantiser weighs a column's error by it. The files are llama.cpp's: GGUF, with general.type
// "imatrix", and for each weight tensor NAME two F32 tensors, NAME.in_sum2 (columns × matrices, sums of squares) and
// NAME.counts (1 × matrices, token rows in the sums).
//
// It runs no model and quantises nothing.
package imatrix

import (
	"fmt"
	"slices"
)

// Matrix is an importance matrix.
type Matrix struct {
	Datasets  []string // names of the texts
	Chunks    int      // pieces of text read
	ChunkSize int      // tokens of a piece
	Entries   map[string]*Entry
}

// Entry is what is known of one weight tensor's inputs. A tensor of several matrices (experts) has sums for each.
type Entry struct {
	Cols   int       // columns of the tensor: the length of an input
	Sums   []float32 // sums of squares: matrices × Cols
	Counts []float32 // token rows in each matrix's sums
}

// Weights returns the mean squares of a matrix's inputs, Cols values. Where no token reached that matrix all are 1.
func (e *Entry) Weights(matrix int) []float32 {
	w := slices.Clone(e.Sums[matrix*e.Cols:][:e.Cols])
	n := e.Counts[matrix]
	for i := range w {
		if n > 0 {
			w[i] /= n
		} else {
			w[i] = 1
		}
	}
	return w
}

// Add adds to the entry of a tensor of one matrix: sums of squares over rows token rows, one value per column. It gives an
// error if the entry has other columns or several matrices. Keep the sums of a long text in float64 and add them once: these are
// float32.
func (m *Matrix) Add(name string, sums []float64, rows int) error {
	if m.Entries == nil {
		m.Entries = map[string]*Entry{}
	}
	e := m.Entries[name]
	if e == nil {
		e = &Entry{Cols: len(sums), Sums: make([]float32, len(sums)), Counts: make([]float32, 1)}
		m.Entries[name] = e
	}
	if e.Cols != len(sums) || len(e.Counts) != 1 {
		return fmt.Errorf("imatrix: %q has %d × %d sums, not %d × 1", name, e.Cols, len(e.Counts), len(sums))
	}
	for i, s := range sums {
		e.Sums[i] = float32(float64(e.Sums[i]) + s)
	}
	e.Counts[0] += float32(rows)
	return nil
}
