package safetensors

import (
	"fmt"
	"math/bits"
	"strings"

	"umbra/internal/badfile"
)

// Type is a tensor's type by its name in the file.
type Type string

// The types of the format that whole bytes hold.
const (
	BOOL   Type = "BOOL"
	U8     Type = "U8"
	I8     Type = "I8"
	F8E5M2 Type = "F8_E5M2"
	F8E4M3 Type = "F8_E4M3"
	F8E8M0 Type = "F8_E8M0"
	I16    Type = "I16"
	U16    Type = "U16"
	F16    Type = "F16"
	BF16   Type = "BF16"
	I32    Type = "I32"
	U32    Type = "U32"
	F32    Type = "F32"
	F64    Type = "F64"
	I64    Type = "I64"
	U64    Type = "U64"
)

// types lists the types with the bytes of a value, in the order in which errors name them.
var types = []struct {
	t     Type
	bytes uint64
}{
	{F32, 4}, {F16, 2}, {BF16, 2}, {F64, 8}, {F8E5M2, 1}, {F8E4M3, 1}, {F8E8M0, 1}, {BOOL, 1},
	{U8, 1}, {I8, 1}, {U16, 2}, {I16, 2}, {U32, 4}, {I32, 4}, {U64, 8}, {I64, 8},
}

// Bytes returns the bytes of a value, 0 for a type that is not known.
func (t Type) Bytes() uint64 {
	for _, x := range types {
		if x.t == t {
			return x.bytes
		}
	}
	return 0
}

// size returns the bytes of a tensor, or why there is no such tensor.
func (t Type) size(shape []uint64) (uint64, error) {
	n := t.Bytes()
	if n == 0 {
		var names []string
		for _, x := range types {
			names = append(names, string(x.t))
		}
		return 0, fmt.Errorf("%w: dtype %s (%s)", ErrType, badfile.Quote(string(t)), strings.Join(names, ", "))
	}
	if len(shape) > maxDims {
		return 0, fmt.Errorf("%w: %d dimensions, at most %d are supported", ErrShape, len(shape), maxDims)
	}
	for _, d := range shape {
		hi, lo := bits.Mul64(n, d)
		if hi != 0 || lo > 1<<62 {
			return 0, fmt.Errorf("%w: %v of %s take more than 2^62 bytes", ErrShape, shape, t)
		}
		n = lo
	}
	return n, nil
}
