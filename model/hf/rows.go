package hf

import (
	"encoding/binary"
	"math"

	"umbra/model/gguf"
	"umbra/model/quant"
	"umbra/model/safetensors"
)

// rows makes rows of a tensor as GGUF has them: n of them, the first of which is row first. A vector has rows of one value.
type rows interface {
	rows(first, n int) []byte
}

// tensor is a tensor of the file to be, and how its rows are made.
type tensor struct {
	gguf.Tensor
	rowBytes int
	rows
}

// bytes returns bytes from to to of the tensor.
func (t *tensor) bytes(from, to uint64) []byte {
	if from == to {
		return []byte{}
	}
	first, end := int(from)/t.rowBytes, (int(to)+t.rowBytes-1)/t.rowBytes
	start := int(from) - first*t.rowBytes
	return t.rows.rows(first, end-first)[start : start+int(to-from)]
}

// stored is a tensor of a safetensors file, or some rows of one.
type stored struct {
	file *safetensors.File
	safetensors.Tensor
	first, count int // rows
	rowBytes     int
}

// storedRows is all rows of a tensor; what is above the last dimension counts as rows.
func storedRows(f *safetensors.File, t safetensors.Tensor) stored {
	cols := uint64(1)
	if len(t.Shape) > 1 {
		cols = t.Shape[len(t.Shape)-1]
	}
	return stored{f, t, 0, int(t.Elements() / max(1, cols)), int(cols * t.Type.Bytes())}
}

// part is count rows from row first on.
func (s stored) part(first, count int) stored {
	s.first, s.count = s.first+first, count
	return s
}

func (s stored) rows(first, n int) []byte {
	at := (s.first + first) * s.rowBytes
	return s.file.Data(s.Tensor)[at : at+n*s.rowBytes]
}

// piece is a number of rows.
type piece struct {
	rows
	count int
}

// stack is pieces one after the other, all with rows of one length.
type stack []piece

func (s stack) rows(first, n int) (all []byte) {
	for _, p := range s {
		if first >= p.count {
			first -= p.count
			continue
		}
		run := min(n, p.count-first)
		b := p.rows.rows(first, run)
		if all == nil && run == n {
			return b
		}
		all, first, n = append(all, b...), 0, n-run
		if n == 0 {
			break
		}
	}
	return all
}

// pairs is a matrix, or a vector, of heads whose halves are rotated against each other, with its rows in the order that rotates
// neighbours: of each head row 0, row head/2, row 1, row head/2+1, ...
type pairs struct {
	of       rows
	head     int // rows
	rowBytes int
}

func (p pairs) rows(first, n int) []byte {
	out := make([]byte, 0, n*p.rowBytes)
	for n > 0 {
		start := first / p.head * p.head
		head := p.of.rows(start, p.head)
		for ; n > 0 && first < start+p.head; first, n = first+1, n-1 {
			i := first - start
			at := (i/2 + i%2*p.head/2) * p.rowBytes
			out = append(out, head[at:at+p.rowBytes]...)
		}
	}
	return out
}

// transposed is the transpose of a matrix of rows × cols values.
type transposed struct {
	of         stored
	cols, size int // values of a stored row; bytes of a value
}

func (t transposed) rows(first, n int) []byte {
	count := t.of.count
	out := make([]byte, n*count*t.size)
	all := t.of.rows(0, count)
	for r := range count {
		for i := range n {
			copy(out[(i*count+r)*t.size:][:t.size], all[(r*t.cols+first+i)*t.size:])
		}
	}
	return out
}

// floats is values as F32, with a number added to each.
type floats struct {
	of   rows
	t    gguf.Type // of the values: F32, F16 or BF16
	cols int       // values of a row
	add  float32
}

func (f floats) rows(first, n int) []byte {
	values := make([]float32, n*f.cols)
	if err := quant.Dequantize(f.t, f.of.rows(first, n), values); err != nil {
		panic(err) // layOut lets only these types through
	}
	out := make([]byte, 0, 4*len(values))
	for _, v := range values {
		out = binary.LittleEndian.AppendUint32(out, math.Float32bits(v+f.add))
	}
	return out
}

// constant is values that are in no file, as F32; one a row.
type constant []float32

func (c constant) rows(first, n int) (out []byte) {
	for _, v := range c[first : first+n] {
		out = binary.LittleEndian.AppendUint32(out, math.Float32bits(v))
	}
	return out
}
