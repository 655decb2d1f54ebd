// Package quant is the plain Go reference of the weight formats: what the bytes of a GGUF tensor mean, bit
// for bit, how values become such bytes, and how those that umbra computes with are laid out in planes for
// the GPU. A format is one row of a table here; one with planes has its include in shaders/dequant.
//
// It opens no files and knows no GPU. All its numbers are little-endian.
package quant

import (
	"fmt"
	"strings"

	"umbra/model/gguf"
)

// group is the columns that planes are laid out by, and the block size of the simple formats: ggml's QK8_0, QK4_0, ...
const group = 32

// format says how one tensor type is read, written and laid out on the GPU.
type format struct {
	t gguf.Type

	// dequantize decodes any number of whole blocks.
	dequantize func(dst []float32, src []byte)
	// quantize encodes any number of whole blocks. It returns the index of a value that the format cannot
	// hold (NaN, infinite, or too large for the block's scale), or -1.
	quantize func(dst []byte, src, weights []float32) int

	// planes says how rows lie on the GPU. Without, a type can be decoded, not computed with.
	planes *planes
}

// formats is the table. Errors list its types in this order.
var formats = []format{
	{gguf.F32, dequantizeF32, quantizeF32, plainPlanes(32, dequantizeF32)},
	{gguf.F16, dequantizeF16, quantizeF16, plainPlanes(16, dequantizeF16)},
	{gguf.BF16, dequantizeBF16, quantizeBF16, plainPlanes(16, dequantizeBF16)},
	{gguf.Q8_0, dequantizeQ8_0, eachBlock(gguf.Q8_0, encodeQ8_0), &planes{quantBits: 8, scaleBits: 16, repack: repackQ8_0, unpack: unpackQ8_0}},
	{gguf.Q4_0, dequantizeQ4_0, eachBlock(gguf.Q4_0, encodeQ4_0), &planes{quantBits: 4, scaleBits: 16, repack: repackQ4_0, unpack: unpackQ4_0}},
	{gguf.Q4_1, dequantizeQ4_1, eachBlock(gguf.Q4_1, encodeQ4_1), &planes{quantBits: 4, scaleBits: 32, repack: repackQ4_1, unpack: unpackQ4_1}},
	{gguf.Q5_0, dequantizeQ5_0, eachBlock(gguf.Q5_0, encodeQ5_0), &planes{quantBits: 4, highBits: 1, scaleBits: 16, repack: repackQ5_0, unpack: unpackQ5_0}},
	{gguf.Q5_1, dequantizeQ5_1, eachBlock(gguf.Q5_1, encodeQ5_1), &planes{quantBits: 4, highBits: 1, scaleBits: 32, repack: repackQ5_1, unpack: unpackQ5_1}},
	{gguf.Q2_K, dequantizeQ2_K, eachBlock(gguf.Q2_K, encodeQ2_K), &planes{quantBits: 2, smallBits: 16, scaleBits: 4, repack: repackQ2_K, unpack: unpackQ2_K}},
	{gguf.Q3_K, dequantizeQ3_K, eachBlock(gguf.Q3_K, encodeQ3_K), &planes{quantBits: 2, highBits: 1, smallBits: 12, scaleBits: 4, repack: repackQ3_K, unpack: unpackQ3_K}},
	{gguf.Q4_K, dequantizeQ4_K, eachBlock(gguf.Q4_K, encodeQ4_K), &planes{quantBits: 4, smallBits: 16, scaleBits: 4, repack: repackQ4_K, unpack: unpackQ4_K}},
	{gguf.Q5_K, dequantizeQ5_K, eachBlock(gguf.Q5_K, encodeQ5_K), &planes{quantBits: 4, highBits: 1, smallBits: 16, scaleBits: 4, repack: repackQ5_K, unpack: unpackQ5_K}},
	{gguf.Q6_K, dequantizeQ6_K, eachBlock(gguf.Q6_K, encodeQ6_K), &planes{quantBits: 4, highBits: 2, smallBits: 16, scaleBits: 4, repack: repackQ6_K, unpack: unpackQ6_K}},
	{gguf.IQ4_NL, dequantizeIQ4_NL, eachBlock(gguf.IQ4_NL, encodeIQ4_NL), &planes{quantBits: 4, scaleBits: 16, repack: repackQ4_0, unpack: unpackIQ4_NL}},
	{gguf.IQ4_XS, dequantizeIQ4_XS, eachBlock(gguf.IQ4_XS, encodeIQ4_XS), &planes{quantBits: 4, smallBits: 8, scaleBits: 4, repack: repackIQ4_XS, unpack: unpackIQ4_XS}},
	{gguf.MXFP4, dequantizeMXFP4, eachBlock(gguf.MXFP4, encodeMXFP4), &planes{quantBits: 4, scaleBits: 8, repack: repackMXFP4, unpack: unpackMXFP4}},
	{t: gguf.IQ1_S, dequantize: dequantizeIQ1_S},
	{t: gguf.IQ1_M, dequantize: dequantizeIQ1_M},
	{t: gguf.IQ2_XXS, dequantize: dequantizeIQ2_XXS},
	{t: gguf.IQ2_XS, dequantize: dequantizeIQ2_XS},
	{t: gguf.IQ2_S, dequantize: dequantizeIQ2_S},
	{t: gguf.IQ3_XXS, dequantize: dequantizeIQ3_XXS},
	{t: gguf.IQ3_S, dequantize: dequantizeIQ3_S},
	{t: gguf.TQ1_0, dequantize: dequantizeTQ1_0, quantize: eachBlock(gguf.TQ1_0, encodeTQ1_0)},
	{t: gguf.TQ2_0, dequantize: dequantizeTQ2_0, quantize: eachBlock(gguf.TQ2_0, encodeTQ2_0)},
	{t: gguf.NVFP4, dequantize: dequantizeNVFP4},
	{t: gguf.Q1_0, dequantize: dequantizeQ1_0},
	{t: gguf.Q2_0, dequantize: dequantizeQ2_0},
}

// Types returns the types that Dequantize decodes.
func Types() []gguf.Type { return typesWhere(func(*format) bool { return true }) }

// PlaneTypes returns the types that have planes: those a matrix on the GPU may have.
func PlaneTypes() []gguf.Type { return typesWhere(hasPlanes) }

// Quantizable returns the types that Quantize makes.
func Quantizable() []gguf.Type { return typesWhere(canQuantize) }

func hasPlanes(f *format) bool   { return f.planes != nil }
func canQuantize(f *format) bool { return f.quantize != nil }

func typesWhere(ok func(*format) bool) []gguf.Type {
	var types []gguf.Type
	for i := range formats {
		if ok(&formats[i]) {
			types = append(types, formats[i].t)
		}
	}
	return types
}

// formatOf returns the table's row for t, or a *TypeError.
func formatOf(t gguf.Type) (*format, error) {
	for i := range formats {
		if formats[i].t == t {
			return &formats[i], nil
		}
	}
	return nil, &TypeError{t, "not supported", Types()}
}

// planesOf returns the planes of a type that has them, or a *TypeError.
func planesOf(t gguf.Type) (*planes, error) {
	if f, err := formatOf(t); err == nil && hasPlanes(f) {
		return f.planes, nil
	}
	return nil, &TypeError{t, "not supported on the GPU", PlaneTypes()}
}

// Dequantize decodes src, whole blocks of type t as GGUF stores them, into the values they stand for. dst
// has one element per value. It gives a *TypeError for a type without a format, and a *SizeError unless
// the lengths agree.
func Dequantize(t gguf.Type, src []byte, dst []float32) error {
	f, err := formatOf(t)
	if err != nil {
		return err
	}
	if err := checkBlocks(t, src, dst); err != nil {
		return err
	}
	f.dequantize(dst, src)
	return nil
}

// Quantize encodes src, a whole number of blocks of values, as type t. A block format's scales are searched for those that leave
// the least squared error. dst has the bytes of those blocks. Errors are those of Dequantize, and a *ValueError for a value that a
// block format cannot hold; dst is then incomplete.
func Quantize(t gguf.Type, src []float32, dst []byte) error {
	f, err := quantizable(t)
	if err != nil {
		return err
	}
	if err := checkBlocks(t, dst, src); err != nil {
		return err
	}
	if i := f.quantize(dst, src, nil); i >= 0 {
		return &ValueError{t, i, src[i]}
	}
	return nil
}

// quantizable returns the row of a type that can be made, or a *TypeError.
func quantizable(t gguf.Type) (*format, error) {
	if f, err := formatOf(t); err == nil && canQuantize(f) {
		return f, nil
	}
	return nil, &TypeError{t, "not a type that can be made", Quantizable()}
}

// checkBlocks returns a *SizeError unless blocks and values are of the same whole number of blocks.
func checkBlocks(t gguf.Type, blocks []byte, values []float32) error {
	if n := t.BlockSize(); len(values)%n != 0 {
		return &SizeError{fmt.Sprintf("values of %v (blocks of %d)", t, n), len(values), len(values) / n * n}
	}
	if want := len(values) / t.BlockSize() * t.BlockBytes(); len(blocks) != want {
		return &SizeError{fmt.Sprintf("bytes of %v for %d values", t, len(values)), len(blocks), want}
	}
	return nil
}

// TypeError says that a tensor type cannot be decoded, made, or laid out.
type TypeError struct {
	Type gguf.Type
	Why  string
	Have []gguf.Type // the types that can
}

func (e *TypeError) Error() string {
	var names []string
	for _, t := range e.Have {
		names = append(names, t.String())
	}
	return fmt.Sprintf("quant: %v is %s (%s)", e.Type, e.Why, strings.Join(names, ", "))
}

// SizeError says that an argument has the wrong length.
type SizeError struct {
	What string // what is counted
	Got  int
	Want int
}

func (e *SizeError) Error() string {
	return fmt.Sprintf("quant: got %d %s, want %d", e.Got, e.What, e.Want)
}

// ValueError says that Quantize met a value that the format cannot hold.
type ValueError struct {
	Type  gguf.Type
	Index int // in src
	Value float32
}

func (e *ValueError) Error() string {
	return fmt.Sprintf("quant: value %d is %g, which %v cannot hold (finite values whose scale fits a half); keep the tensor in F32",
		e.Index, e.Value, e.Type)
}
