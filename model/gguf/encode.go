package gguf

import (
	"encoding/binary"
	"fmt"
)

// typeOf returns the value type of v, and the element type if that is Array.
func typeOf(v any) (t, elem ValueType, err error) {
	switch v.(type) {
	case uint8:
		return Uint8, 0, nil
	case int8:
		return Int8, 0, nil
	case uint16:
		return Uint16, 0, nil
	case int16:
		return Int16, 0, nil
	case uint32:
		return Uint32, 0, nil
	case int32:
		return Int32, 0, nil
	case float32:
		return Float32, 0, nil
	case bool:
		return Bool, 0, nil
	case string:
		return String, 0, nil
	case uint64:
		return Uint64, 0, nil
	case int64:
		return Int64, 0, nil
	case float64:
		return Float64, 0, nil
	case []uint8:
		return Array, Uint8, nil
	case []int8:
		return Array, Int8, nil
	case []uint16:
		return Array, Uint16, nil
	case []int16:
		return Array, Int16, nil
	case []uint32:
		return Array, Uint32, nil
	case []int32:
		return Array, Int32, nil
	case []float32:
		return Array, Float32, nil
	case []bool:
		return Array, Bool, nil
	case []string:
		return Array, String, nil
	case []any:
		return Array, Array, nil
	case []uint64:
		return Array, Uint64, nil
	case []int64:
		return Array, Int64, nil
	case []float64:
		return Array, Float64, nil
	}
	return 0, 0, fmt.Errorf("%w: %T has no value type; use a sized type such as uint32, or a slice of one", ErrValue, v)
}

// appendValue encodes v, which stands at depth arrays deep, without its type.
func appendValue(b []byte, v any, depth int) ([]byte, error) {
	t, elem, err := typeOf(v)
	switch {
	case err != nil:
		return b, err
	case t == String:
		return appendString(b, v.(string)), nil
	case t != Array:
		return appendNumbers(b, v), nil
	case depth == maxDepth:
		return b, fmt.Errorf("%w: arrays nested more than %d deep", ErrValue, maxDepth)
	}
	b = binary.LittleEndian.AppendUint32(b, uint32(elem))
	switch v := v.(type) {
	case []string:
		b = binary.LittleEndian.AppendUint64(b, uint64(len(v)))
		for _, s := range v {
			b = appendString(b, s)
		}
		return b, nil
	case []any:
		b = binary.LittleEndian.AppendUint64(b, uint64(len(v)))
		for _, e := range v {
			if t, _, err := typeOf(e); err == nil && t != Array {
				return b, fmt.Errorf("%w: %T in []any, whose elements must be slices", ErrValue, e)
			}
			if b, err = appendValue(b, e, depth+1); err != nil {
				return b, err
			}
		}
		return b, nil
	}
	size := int(valueTypes[elem].min) // exactly what a number or boolean takes
	b = binary.LittleEndian.AppendUint64(b, uint64(binary.Size(v)/size))
	return appendNumbers(b, v), nil
}

// appendNumbers encodes a number, a boolean, or a slice of either.
func appendNumbers(b []byte, v any) []byte {
	b, err := binary.Append(b, binary.LittleEndian, v)
	if err != nil {
		panic(err) // typeOf has seen v
	}
	return b
}

func appendString(b []byte, s string) []byte {
	return append(binary.LittleEndian.AppendUint64(b, uint64(len(s))), s...)
}
