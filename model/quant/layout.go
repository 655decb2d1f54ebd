package quant

import (
	"fmt"
	"math"

	"umbra/model/gguf"
)

// maxCols bounds a row so that no size overflows an int of 32 bits.
const maxCols = 1 << 26

// Layout describes how a row-major weight matrix is stored on the GPU: a plane of quants and a plane of
// scales, each rows × bytes per row, each row of a plane a multiple of 4 bytes. The unit is a group of 32
// consecutive columns:
//
//	type   quants per group                              scales per group
//	F32    32 f32                                        none
//	F16    32 f16                                        none
//	BF16   32 bf16                                       none
//	Q8_0   32 i8, in column order                        f16 d; value d*q
//	Q4_0   4 u32, column 8w+i in bits 4i..4i+3 of word w f16 d; value d*(q-8)
//	Q4_1   as Q4_0                                       f16 d, f16 m (d in the low half of a u32); value d*q + m
//
// F32, F16 and BF16 rows are filled up with zeros to whole groups; rows of scales to whole words.
type Layout struct {
	Type             gguf.Type
	SrcCols          int // columns of the matrix in the file
	Cols             int // columns on the GPU: SrcCols padded to a multiple of 32
	SrcBytesPerRow   int // bytes of a row of GGUF blocks
	QuantBytesPerRow int
	ScaleBytesPerRow int // 0 if the type has no scales
}

// LayoutOf returns the layout of a matrix of cols columns. It gives a *TypeError for a type without
// planes, and a *SizeError if cols is not from 1 to 2^26 or not a whole number of blocks.
func LayoutOf(t gguf.Type, cols int) (Layout, error) {
	f, err := planesOf(t)
	if err != nil {
		return Layout{}, err
	}
	if cols < 1 || cols > maxCols {
		return Layout{}, &SizeError{fmt.Sprintf("columns (1 to %d)", maxCols), cols, min(max(cols, 1), maxCols)}
	}
	if n := t.BlockSize(); cols%n != 0 {
		return Layout{}, &SizeError{fmt.Sprintf("columns of %v (blocks of %d)", t, n), cols, (cols + n - 1) / n * n}
	}
	groups := (cols + group - 1) / group
	return Layout{
		Type:             t,
		SrcCols:          cols,
		Cols:             groups * group,
		SrcBytesPerRow:   cols / t.BlockSize() * t.BlockBytes(),
		QuantBytesPerRow: groups * f.quantBytes,
		ScaleBytesPerRow: (groups*f.scaleBytes + 3) / 4 * 4,
	}, nil
}

// Repack lays rows rows of GGUF blocks out in planes: src has rows × SrcBytesPerRow bytes, quants rows ×
// QuantBytesPerRow, scales rows × ScaleBytesPerRow, or it gives a *SizeError and writes nothing. Every byte
// of quants and scales is written. A tensor may be repacked in pieces of any number of rows.
func (l Layout) Repack(src []byte, rows int, quants, scales []byte) error {
	f, err := l.check(rows, quants, scales)
	if err == nil {
		err = checkRows("bytes of source", len(src), rows, l.SrcBytesPerRow)
	}
	if err != nil {
		return err
	}
	used := l.Cols / group * f.scaleBytes
	for range rows {
		s := scales[:l.ScaleBytesPerRow]
		f.repack(quants[:l.QuantBytesPerRow], s[:used], src[:l.SrcBytesPerRow])
		clear(s[used:])
		src, quants, scales = src[l.SrcBytesPerRow:], quants[l.QuantBytesPerRow:], scales[l.ScaleBytesPerRow:]
	}
	return nil
}

// Unpack decodes rows rows of planes into dst, rows × Cols values, padding included. It gives a *SizeError
// unless the lengths agree. It is the reference of the kernels: each value is what Dequantize makes of it.
func (l Layout) Unpack(quants, scales []byte, rows int, dst []float32) error {
	f, err := l.check(rows, quants, scales)
	if err == nil {
		err = checkRows("values", len(dst), rows, l.Cols)
	}
	if err != nil {
		return err
	}
	for range rows {
		f.unpack(dst[:l.Cols], quants[:l.QuantBytesPerRow], scales[:l.ScaleBytesPerRow])
		dst, quants, scales = dst[l.Cols:], quants[l.QuantBytesPerRow:], scales[l.ScaleBytesPerRow:]
	}
	return nil
}

// check returns the format, once the planes have the right size.
func (l Layout) check(rows int, quants, scales []byte) (*format, error) {
	f, err := planesOf(l.Type)
	if err != nil {
		return nil, err
	}
	if rows < 0 {
		return nil, &SizeError{"rows", rows, 0}
	}
	if err := checkRows("bytes of quants", len(quants), rows, l.QuantBytesPerRow); err != nil {
		return nil, err
	}
	return f, checkRows("bytes of scales", len(scales), rows, l.ScaleBytesPerRow)
}

// checkRows returns a *SizeError unless got is rows × perRow.
func checkRows(what string, got, rows, perRow int) error {
	want := math.MaxInt
	if perRow == 0 || rows <= math.MaxInt/perRow {
		want = rows * perRow
	}
	if got != want {
		return &SizeError{fmt.Sprintf("%s for %d rows of %d", what, rows, perRow), got, want}
	}
	return nil
}
