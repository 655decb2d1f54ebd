package gguf

import (
	"fmt"
	"math/bits"
)

// Type is a ggml tensor type: how values are laid out in blocks. The numbers are those in the file.
type Type uint32

// The tensor types of ggml.h (enum ggml_type). 4, 5, 31..33 and 36..38 were removed from the format.
const (
	F32     Type = 0
	F16     Type = 1
	Q4_0    Type = 2
	Q4_1    Type = 3
	Q5_0    Type = 6
	Q5_1    Type = 7
	Q8_0    Type = 8
	Q8_1    Type = 9
	Q2_K    Type = 10
	Q3_K    Type = 11
	Q4_K    Type = 12
	Q5_K    Type = 13
	Q6_K    Type = 14
	Q8_K    Type = 15
	IQ2_XXS Type = 16
	IQ2_XS  Type = 17
	IQ3_XXS Type = 18
	IQ1_S   Type = 19
	IQ4_NL  Type = 20
	IQ3_S   Type = 21
	IQ2_S   Type = 22
	IQ4_XS  Type = 23
	I8      Type = 24
	I16     Type = 25
	I32     Type = 26
	I64     Type = 27
	F64     Type = 28
	IQ1_M   Type = 29
	BF16    Type = 30
	TQ1_0   Type = 34
	TQ2_0   Type = 35
	MXFP4   Type = 39
	NVFP4   Type = 40
	Q1_0    Type = 41
	Q2_0    Type = 42
)

// types gives each type's name, values per block and bytes per block: ggml.c's type_traits, whose block
// structs are in ggml-common.h. A removed type has a name and no block.
var types = [...]struct {
	name       string
	size       int // values
	blockBytes int
}{
	F32:     {"F32", 1, 4},
	F16:     {"F16", 1, 2},
	Q4_0:    {"Q4_0", 32, 2 + 16},
	Q4_1:    {"Q4_1", 32, 2 + 2 + 16},
	4:       {"Q4_2", 0, 0},
	5:       {"Q4_3", 0, 0},
	Q5_0:    {"Q5_0", 32, 2 + 4 + 16},
	Q5_1:    {"Q5_1", 32, 2 + 2 + 4 + 16},
	Q8_0:    {"Q8_0", 32, 2 + 32},
	Q8_1:    {"Q8_1", 32, 2 + 2 + 32},
	Q2_K:    {"Q2_K", 256, 16 + 64 + 2 + 2},
	Q3_K:    {"Q3_K", 256, 32 + 64 + 12 + 2},
	Q4_K:    {"Q4_K", 256, 2 + 2 + 12 + 128},
	Q5_K:    {"Q5_K", 256, 2 + 2 + 12 + 32 + 128},
	Q6_K:    {"Q6_K", 256, 128 + 64 + 16 + 2},
	Q8_K:    {"Q8_K", 256, 4 + 256 + 32},
	IQ2_XXS: {"IQ2_XXS", 256, 2 + 64},
	IQ2_XS:  {"IQ2_XS", 256, 2 + 64 + 8},
	IQ3_XXS: {"IQ3_XXS", 256, 2 + 64 + 32},
	IQ1_S:   {"IQ1_S", 256, 2 + 32 + 16},
	IQ4_NL:  {"IQ4_NL", 32, 2 + 16},
	IQ3_S:   {"IQ3_S", 256, 2 + 64 + 8 + 32 + 4},
	IQ2_S:   {"IQ2_S", 256, 2 + 64 + 8 + 8},
	IQ4_XS:  {"IQ4_XS", 256, 2 + 2 + 4 + 128},
	I8:      {"I8", 1, 1},
	I16:     {"I16", 1, 2},
	I32:     {"I32", 1, 4},
	I64:     {"I64", 1, 8},
	F64:     {"F64", 1, 8},
	IQ1_M:   {"IQ1_M", 256, 32 + 16 + 8},
	BF16:    {"BF16", 1, 2},
	31:      {"Q4_0_4_4", 0, 0},
	32:      {"Q4_0_4_8", 0, 0},
	33:      {"Q4_0_8_8", 0, 0},
	TQ1_0:   {"TQ1_0", 256, 48 + 4 + 2},
	TQ2_0:   {"TQ2_0", 256, 64 + 2},
	36:      {"IQ4_NL_4_4", 0, 0},
	37:      {"IQ4_NL_4_8", 0, 0},
	38:      {"IQ4_NL_8_8", 0, 0},
	MXFP4:   {"MXFP4", 32, 1 + 16},
	NVFP4:   {"NVFP4", 64, 4 + 32},
	Q1_0:    {"Q1_0", 128, 2 + 16},
	Q2_0:    {"Q2_0", 64, 2 + 16},
}

// Known reports whether the type is one that a file may use.
func (t Type) Known() bool { return t.BlockSize() != 0 }

// BlockSize returns the values per block, 1 for plain number types and 0 for an unknown or removed type.
func (t Type) BlockSize() int {
	if int(t) >= len(types) {
		return 0
	}
	return types[t].size
}

// BlockBytes returns the bytes per block, 0 for an unknown or removed type.
func (t Type) BlockBytes() int {
	if int(t) >= len(types) {
		return 0
	}
	return types[t].blockBytes
}

// String returns ggml's name in upper case ("Q4_K"), or "type 99" for a number without a name.
func (t Type) String() string {
	if int(t) >= len(types) || types[t].name == "" {
		return fmt.Sprintf("type %d", uint32(t))
	}
	return types[t].name
}

// check returns why a file may not use the type, or nil.
func (t Type) check() error {
	switch {
	case t.Known():
		return nil
	case int(t) < len(types) && types[t].name != "":
		return fmt.Errorf("%w: type %d (%s) was removed from the format; quantise the model again (Q4_0, Q8_0, ...)",
			ErrType, uint32(t), types[t].name)
	}
	return fmt.Errorf("%w: type %d is unknown (0 is F32, the last known is %d, %s); the file needs a newer umbra, or comes from a fork",
		ErrType, uint32(t), len(types)-1, Type(len(types)-1))
}

// bytes returns the bytes that a tensor of this type and these dims takes, or why there is no such tensor.
func (t Type) bytes(dims []uint64) (uint64, error) {
	if err := t.check(); err != nil {
		return 0, err
	}
	if len(dims) == 0 || len(dims) > maxDims {
		return 0, fmt.Errorf("%w: %d dimensions, want 1 to %d", ErrShape, len(dims), maxDims)
	}
	n := uint64(1)
	for i, d := range dims {
		if d == 0 {
			return 0, fmt.Errorf("%w: dimension %d of %v is zero", ErrShape, i, dims)
		}
		hi, lo := bits.Mul64(n, d)
		if hi != 0 || lo > 1<<62 {
			return 0, fmt.Errorf("%w: dimensions %v multiply to more than 2^62 values", ErrShape, dims)
		}
		n = lo
	}
	if bs := uint64(t.BlockSize()); dims[0]%bs != 0 {
		return 0, fmt.Errorf("%w: rows of %d values are not a multiple of %s's block of %d", ErrShape, dims[0], t, bs)
	}
	hi, size := bits.Mul64(n/uint64(t.BlockSize()), uint64(t.BlockBytes()))
	if hi != 0 || size > 1<<62 {
		return 0, fmt.Errorf("%w: dimensions %v of %s take more than 2^62 bytes", ErrShape, dims, t)
	}
	return size, nil
}
