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
// consecutive columns. A row of quants has for each group in turn:
//
//	F32                         32 f32
//	F16, BF16                   32 halves
//	Q8_0                        32 i8
//	Q4_*, Q5_*, Q6_K, IQ4_*,    4 u32: the low 4 bits of column 8w+i in bits 4i..4i+3 of word w
//	MXFP4
//	Q2_K                        2 u32: column 8u+i in bits 16(u/2)+2i.. of word u%2
//	Q3_K                        2 u32: the low 2 bits of column 8u+i in bits 4i+2(u/2).. of word u%2
//
// A row of scales has three parts one after the other, each with as much for each group in turn as is listed:
//
//	type    high bits                             small scales                        scales
//	Q8_0    -                                     -                                   f16 d; value d*q
//	Q4_0    -                                     -                                   f16 d; value d*(q-8)
//	Q4_1    -                                     -                                   f16 d, f16 m; value d*q + m
//	Q5_0    u32: column 8u+2k+i in bit 8k+2u+i    -                                   f16 d; value d*(q-16)
//	Q5_1    as Q5_0                               -                                   f16 d, f16 m; value d*q + m
//	Q2_K    -                                     for 16 columns each: a nibble       for 8 groups f16 d, f16 dmin
//	                                              scale, a nibble min; value
//	                                              d*scale*q - dmin*min
//	Q3_K    u32: column 8u+i in bit 4i+u          for 8 groups: 2 nibbles each, then  for 8 groups f32 d
//	                                              2 times 2 bits each: low and high
//	                                              bits of scales for 16 columns;
//	                                              value d*(scale-32)*(q-4)
//	Q4_K    -                                     u8 scale, u8 min; value             for 8 groups f16 d, f16 dmin
//	                                              d*scale*q - dmin*min
//	Q5_K    as Q5_0                               as Q4_K                             as Q4_K
//	Q6_K    2 u32: column 8u+2k+i in bits         2 i8 scales, for 16 columns each;   for 8 groups f32 d
//	        8k+4(1-u/2)+2i.. of word u%2          value d*scale*(q-32)
//	IQ4_NL  -                                     -                                   f16 d; value d*level(q)
//	IQ4_XS  -                                     i8 scale; value d*scale*level(q)    for 8 groups f32 d
//	MXFP4   -                                     -                                   u8 e; value 2^(e-128)*level(q)
//
// F32, F16 and BF16 rows are filled up with zeros to whole groups; rows of scales to whole words. Planes take at most 3 % more than
// the file's blocks, but for what that filling up adds.
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
	p, err := planesOf(t)
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
		QuantBytesPerRow: p.quantBytes(groups),
		ScaleBytesPerRow: (p.scaleBytes(groups) + 3) / 4 * 4,
	}, nil
}

// Repack lays rows rows of GGUF blocks out in planes: src has rows × SrcBytesPerRow bytes, quants rows ×
// QuantBytesPerRow, scales rows × ScaleBytesPerRow, or it gives a *SizeError and writes nothing. Every byte
// of quants and scales is written. A tensor may be repacked in pieces of any number of rows.
func (l Layout) Repack(src []byte, rows int, quants, scales []byte) error {
	p, err := l.check(rows, quants, scales)
	if err == nil {
		err = checkRows("bytes of source", len(src), rows, l.SrcBytesPerRow)
	}
	if err != nil {
		return err
	}
	for range rows {
		row := p.row(quants[:l.QuantBytesPerRow], scales[:l.ScaleBytesPerRow])
		p.repack(row, src[:l.SrcBytesPerRow])
		clear(row.rest)
		src, quants, scales = src[l.SrcBytesPerRow:], quants[l.QuantBytesPerRow:], scales[l.ScaleBytesPerRow:]
	}
	return nil
}

// Unpack decodes rows rows of planes into dst, rows × Cols values, padding included. It gives a *SizeError
// unless the lengths agree. It is the reference of the kernels: each value is what Dequantize makes of it.
func (l Layout) Unpack(quants, scales []byte, rows int, dst []float32) error {
	p, err := l.check(rows, quants, scales)
	if err == nil {
		err = checkRows("values", len(dst), rows, l.Cols)
	}
	if err != nil {
		return err
	}
	for range rows {
		p.unpack(dst[:l.Cols], p.row(quants[:l.QuantBytesPerRow], scales[:l.ScaleBytesPerRow]))
		dst, quants, scales = dst[l.Cols:], quants[l.QuantBytesPerRow:], scales[l.ScaleBytesPerRow:]
	}
	return nil
}

// check returns the type's planes, once the planes have the right size.
func (l Layout) check(rows int, quants, scales []byte) (*planes, error) {
	p, err := planesOf(l.Type)
	if err != nil {
		return nil, err
	}
	if rows < 0 {
		return nil, &SizeError{"rows", rows, 0}
	}
	if err := checkRows("bytes of quants", len(quants), rows, l.QuantBytesPerRow); err != nil {
		return nil, err
	}
	return p, checkRows("bytes of scales", len(scales), rows, l.ScaleBytesPerRow)
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
