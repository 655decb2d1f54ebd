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

// Unseen is how many of its matrices no token reached.
func (e *Entry) Unseen() (n int) {
	for _, c := range e.Counts {
		if c == 0 {
			n++
		}
	}
	return n
}

// Add adds to the entry of a tensor: sums of squares, by matrix and column, over rows token rows of each matrix. It gives an error if the
// entry has other columns or matrices. Keep the sums of a long text in float64 and add them once: these are float32.
func (m *Matrix) Add(name string, sums []float64, rows ...int) error {
	if len(rows) == 0 || len(sums)%len(rows) != 0 {
		return fmt.Errorf("imatrix: %q: %d sums are no whole columns of %d matrices", name, len(sums), len(rows))
	}
	cols := len(sums) / len(rows)
	if m.Entries == nil {
		m.Entries = map[string]*Entry{}
	}
	e := m.Entries[name]
	if e == nil {
		e = &Entry{Cols: cols, Sums: make([]float32, len(sums)), Counts: make([]float32, len(rows))}
		m.Entries[name] = e
	}
	if e.Cols != cols || len(e.Counts) != len(rows) {
		return fmt.Errorf("imatrix: %q has %d × %d sums, not %d × %d", name, e.Cols, len(e.Counts), cols, len(rows))
	}
	for i, s := range sums {
		e.Sums[i] = float32(float64(e.Sums[i]) + s)
	}
	for i, n := range rows {
		e.Counts[i] += float32(n)
	}
	return nil
}
