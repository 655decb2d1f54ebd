package quant

import (
	"fmt"

	"umbra/model/gguf"
)

// expansion says what a type without planes becomes, so that the GPU can compute with it. What its values are multiples of need not
// be searched for: tops lists which multiple the largest of 32 columns can be, where there are few.
type expansion struct {
	from, to gguf.Type
	tops     []float32
}

// expansions lists the types that become something smaller than Q8_0, or that Q8_0 holds but for the rounding of its scale. In
// the others two scales meet in a block of 32 columns. TestExpand has the error of each.
var expansions = []expansion{
	{gguf.TQ1_0, gguf.Q4_0, []float32{1}},
	{gguf.TQ2_0, gguf.Q4_0, []float32{1, 2}},
	{gguf.Q1_0, gguf.Q4_0, []float32{1}},
	{gguf.Q2_0, gguf.Q4_0, []float32{1, 2}},
	{gguf.IQ1_S, gguf.Q5_0, []float32{1, 7, 9}}, // eighths
	{gguf.IQ3_S, gguf.Q5_0, []float32{1, 3, 5, 7, 9, 11, 13, 15}},
	{gguf.IQ2_XXS, gguf.Q8_0, []float32{8, 25, 43}},
	{gguf.IQ3_XXS, gguf.Q8_0, []float32{2, 6, 10, 14, 18, 22, 26, 31}}, // halves of the levels
}

// expansionOf returns how a type is expanded, and whether it is one that is.
func expansionOf(t gguf.Type) (expansion, bool) {
	f, err := formatOf(t)
	if err != nil || hasPlanes(f) {
		return expansion{}, false
	}
	for _, e := range expansions {
		if e.from == t {
			if _, err := planesOf(e.to); err != nil {
				e.to = gguf.Q8_0
			}
			return e, true
		}
	}
	return expansion{from: t, to: gguf.Q8_0}, true
}

// Expansion returns the type with planes that a type without is expanded to; false for one that has planes, or cannot be decoded.
func Expansion(t gguf.Type) (gguf.Type, bool) {
	e, ok := expansionOf(t)
	return e.to, ok
}

// Expand decodes src, whole rows of cols values of type t, and encodes them in dst as Expansion(t), on up to workers goroutines (0:
// as many as GOMAXPROCS). It gives a *TypeError for a type that is not expanded, a *SizeError unless the lengths agree, and a
// *ValueError for a value that the other type cannot hold, such as NaN.
func Expand(t gguf.Type, src []byte, cols, workers int, dst []byte) error {
	e, ok := expansionOf(t)
	if !ok {
		return &TypeError{t, "not a type to be expanded", PlaneTypes()}
	}
	f, err := formatOf(t)
	if err != nil {
		return err
	}
	if n := t.BlockSize(); cols < 1 || cols%n != 0 {
		_, err := rowsOf(t, 0, cols)
		return err
	}
	from, to := cols/t.BlockSize()*t.BlockBytes(), cols/group*e.to.BlockBytes()
	rows := len(src) / from
	if len(src)%from != 0 || len(dst) != rows*to {
		return &SizeError{fmt.Sprintf("bytes of %v for %d of %v in rows of %d", e.to, len(src), t, cols), len(dst), rows * to}
	}
	return inParallel(rows, cols, workers, func(row int) error {
		x := make([]float32, cols)
		f.dequantize(x, src[row*from:][:from])
		if i := e.encode(dst[row*to:][:to], x); i >= 0 {
			return &ValueError{e.to, row*cols + i, x[i]}
		}
		return nil
	})
}

// encode encodes a row, and returns the index of a value that does not fit, or -1.
func (e expansion) encode(dst []byte, x []float32) int {
	size := e.to.BlockBytes()
	for i := 0; i < len(x); i, dst = i+group, dst[size:] {
		x := x[i : i+group]
		at := largest(x)
		ok := abs(x[at]) <= most
		if d := e.scale(x, x[at]); ok {
			switch e.to {
			case gguf.Q4_0:
				ok = putQ4_0(dst[:size], x, d)
			case gguf.Q5_0:
				ok = putQ5_0(dst[:size], x, d)
			default:
				ok = putQ8_0(dst[:size], x, d)
			}
		}
		if !ok {
			return i + at
		}
	}
	return -1
}

// scale returns what all of 32 columns are multiples of; where that is not known, what makes the largest 127.
func (e expansion) scale(x []float32, top float32) float32 {
	if e.tops == nil {
		return abs(top) / 127
	}
	fit := lineSums(-127, 127)
	var best float32
	var most float64
	for _, n := range e.tops {
		if xq, qq := fit(x, ones[:group], n/abs(top)); xq*xq > most*qq {
			best, most = abs(top)/n, xq*xq/qq
		}
	}
	return best
}
