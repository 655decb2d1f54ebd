package gguf

import (
	"encoding/binary"
	"fmt"
	"slices"
)

// ValueType is the number a file gives the type of a metadata value. In Go a value is
//
//	Uint8 uint8    Uint16 uint16   Uint32 uint32   Uint64 uint64
//	Int8  int8     Int16  int16    Int32  int32    Int64  int64
//	Float32 float32   Float64 float64   Bool bool   String string (any bytes)
//	Array  a slice of one of these ([]uint8, ..., []string), or []any whose elements are such slices
type ValueType uint32

// The metadata value types of the format (enum gguf_type).
const (
	Uint8   ValueType = 0
	Int8    ValueType = 1
	Uint16  ValueType = 2
	Int16   ValueType = 3
	Uint32  ValueType = 4
	Int32   ValueType = 5
	Float32 ValueType = 6
	Bool    ValueType = 7
	String  ValueType = 8
	Array   ValueType = 9
	Uint64  ValueType = 10
	Int64   ValueType = 11
	Float64 ValueType = 12
)

// maxDepth bounds arrays in arrays. llama.cpp refuses any nesting; known files have none.
const maxDepth = 4

// valueTypes gives each value type's name, the fewest bytes one takes in a file, and how a number and
// an array of numbers are read (nil where decoder.value knows more).
var valueTypes = [...]struct {
	name string
	min  uint64
	one  func(*decoder) any
	many func(d *decoder, n uint64) any
}{
	Uint8:   {"uint8", 1, number[uint8], numbers[uint8]},
	Int8:    {"int8", 1, number[int8], numbers[int8]},
	Uint16:  {"uint16", 2, number[uint16], numbers[uint16]},
	Int16:   {"int16", 2, number[int16], numbers[int16]},
	Uint32:  {"uint32", 4, number[uint32], numbers[uint32]},
	Int32:   {"int32", 4, number[int32], numbers[int32]},
	Float32: {"float32", 4, number[float32], numbers[float32]},
	Bool:    {"bool", 1, nil, nil},
	String:  {"string", 8, nil, nil},
	Array:   {"array", 12, nil, nil},
	Uint64:  {"uint64", 8, number[uint64], numbers[uint64]},
	Int64:   {"int64", 8, number[int64], numbers[int64]},
	Float64: {"float64", 8, number[float64], numbers[float64]},
}

// String returns the type's name, or "value type 99" for an unknown number.
func (t ValueType) String() string {
	if int(t) >= len(valueTypes) {
		return fmt.Sprintf("value type %d", uint32(t))
	}
	return valueTypes[t].name
}

// number reads one number; 0 after an error.
func number[T any](d *decoder) any {
	var v T
	if raw := d.take(uint64(binary.Size(v))); raw != nil {
		mustDecode(raw, &v)
	}
	return v
}

// numbers reads n numbers, which the caller has checked to fit.
func numbers[T any](d *decoder, n uint64) any {
	var zero T
	raw := d.take(n * uint64(binary.Size(zero)))
	if d.err != nil {
		return nil
	}
	out := make([]T, n)
	mustDecode(raw, out)
	return out
}

func mustDecode(raw []byte, v any) {
	if _, err := binary.Decode(raw, binary.LittleEndian, v); err != nil {
		panic(err) // v is a fixed-size value or a slice of them, and raw has its length
	}
}

// value reads a value of type t, which stands at depth arrays deep. It returns nil after an error.
func (d *decoder) value(t ValueType, depth int) any {
	at := d.off
	switch {
	case int(t) >= len(valueTypes):
		d.fail(at, fmt.Errorf("%w: %v is unknown (0 to %d)", ErrValue, t, len(valueTypes)-1))
		return nil
	case t == String:
		return string(d.bytes("string"))
	case t == Bool:
		raw := d.take(1)
		d.checkBools(at, raw)
		return d.err == nil && raw[0] == 1
	case t == Array:
		return d.array(depth)
	}
	return valueTypes[t].one(d)
}

// array reads an array's element type, length and elements. It returns nil after an error.
func (d *decoder) array(depth int) any {
	if depth == maxDepth {
		d.fail(d.off, fmt.Errorf("%w: arrays nested more than %d deep", ErrValue, maxDepth))
		return nil
	}
	at := d.off
	t := ValueType(d.u32())
	if d.err == nil && int(t) >= len(valueTypes) {
		d.fail(at, fmt.Errorf("%w: array of %v, which is unknown (0 to %d)", ErrValue, t, len(valueTypes)-1))
	}
	n := d.u64()
	if d.err != nil || !d.fits(n, valueTypes[t].min, "array elements") {
		return nil
	}
	switch at = d.off; t {
	case String:
		return d.strings(n)
	case Bool:
		raw := d.take(n)
		d.checkBools(at, raw)
		out := make([]bool, len(raw))
		for i, b := range raw {
			out[i] = b == 1
		}
		return out
	case Array:
		out := make([]any, 0, min(n, prealloc))
		for uint64(len(out)) < n && d.err == nil {
			out = append(out, d.array(depth+1))
		}
		return out
	}
	return valueTypes[t].many(d, n)
}

// checkBools fails at the first byte that is neither 0 nor 1; at is where raw starts.
func (d *decoder) checkBools(at int, raw []byte) {
	if i := slices.IndexFunc(raw, func(b byte) bool { return b > 1 }); i >= 0 {
		d.fail(at+i, fmt.Errorf("%w: boolean is %d, want 0 or 1", ErrValue, raw[i]))
	}
}

// strings reads n strings. They share one copy of their bytes: a vocabulary of 128k strings is two allocations.
func (d *decoder) strings(n uint64) []string {
	start := d.off
	for i := uint64(0); i < n && d.err == nil; i++ {
		d.bytes("string")
	}
	if d.err != nil {
		return nil
	}
	out := make([]string, n)
	text := string(d.data[start:d.off])
	for i, at := 0, 0; i < len(out); i++ {
		size := int(binary.LittleEndian.Uint64(d.data[start+at:]))
		out[i] = text[at+8 : at+8+size]
		at += 8 + size
	}
	return out
}
