package gguf

import "math"

// Value returns the metadata value of a key as one of the Go types listed at ValueType, and whether
// the key is there. Slices are the file's own: read only.
func (f *File) Value(key string) (any, bool) {
	i, ok := f.keys[key]
	if !ok {
		return nil, false
	}
	return f.Metadata[i].Value, true
}

// String returns a string value; false if the key is missing or holds another type.
func (f *File) String(key string) (string, bool) { return lookup[string](f, key) }

// Strings returns an array of strings; false if the key is missing or holds another type.
func (f *File) Strings(key string) ([]string, bool) { return lookup[[]string](f, key) }

// Bool returns a boolean value; false, false if the key is missing or holds another type.
func (f *File) Bool(key string) (value, ok bool) { return lookup[bool](f, key) }

func lookup[T any](f *File, key string) (T, bool) {
	v, _ := f.Value(key)
	t, ok := v.(T)
	return t, ok
}

// Uint returns an integer value of any width and sign; false if the key is missing, holds another
// type, or is negative.
func (f *File) Uint(key string) (uint64, bool) {
	v, _ := f.Value(key)
	if u, ok := v.(uint64); ok {
		return u, true
	}
	i, ok := toInt(v)
	return uint64(i), ok && i >= 0
}

// Int returns an integer value of any width and sign; false if the key is missing, holds another
// type, or exceeds an int64.
func (f *File) Int(key string) (int64, bool) {
	v, _ := f.Value(key)
	return toInt(v)
}

// Float returns a floating point or integer value (rounded to the nearest float64); false if the key
// is missing or holds another type.
func (f *File) Float(key string) (float64, bool) {
	v, _ := f.Value(key)
	switch v := v.(type) {
	case float32:
		return float64(v), true
	case float64:
		return v, true
	case uint64:
		return float64(v), true
	}
	i, ok := toInt(v)
	return float64(i), ok
}

// Ints returns an array of integers of any width and sign, converted; false if the key is missing,
// holds another type, or an element exceeds an int64.
func (f *File) Ints(key string) ([]int64, bool) {
	v, _ := f.Value(key)
	switch v := v.(type) {
	case []uint8:
		return convert[int64](v), true
	case []int8:
		return convert[int64](v), true
	case []uint16:
		return convert[int64](v), true
	case []int16:
		return convert[int64](v), true
	case []uint32:
		return convert[int64](v), true
	case []int32:
		return convert[int64](v), true
	case []int64:
		return convert[int64](v), true
	case []uint64:
		for _, u := range v {
			if u > math.MaxInt64 {
				return nil, false
			}
		}
		return convert[int64](v), true
	}
	return nil, false
}

// Floats returns an array of float32 or float64, converted; false if the key is missing or holds
// another type.
func (f *File) Floats(key string) ([]float64, bool) {
	v, _ := f.Value(key)
	switch v := v.(type) {
	case []float32:
		return convert[float64](v), true
	case []float64:
		return convert[float64](v), true
	}
	return nil, false
}

func toInt(v any) (int64, bool) {
	switch v := v.(type) {
	case uint8:
		return int64(v), true
	case int8:
		return int64(v), true
	case uint16:
		return int64(v), true
	case int16:
		return int64(v), true
	case uint32:
		return int64(v), true
	case int32:
		return int64(v), true
	case uint64:
		return int64(v), v <= math.MaxInt64
	case int64:
		return v, true
	}
	return 0, false
}

type numeric interface {
	~uint8 | ~int8 | ~uint16 | ~int16 | ~uint32 | ~int32 | ~uint64 | ~int64 | ~float32 | ~float64
}

func convert[To, From numeric](in []From) []To {
	out := make([]To, len(in))
	for i, v := range in {
		out[i] = To(v)
	}
	return out
}
