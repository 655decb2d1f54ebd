package model

import (
	"fmt"

	"umbra/model/gguf"
)

// Source is where a model's metadata and tensors come from; *gguf.File is one, Synthetic makes another.
type Source interface {
	String(key string) (string, bool)
	Uint(key string) (uint64, bool)
	Float(key string) (float64, bool)
	Tensor(name string) (gguf.Tensor, bool)
	// Data returns a tensor's bytes, or nil to have it filled with random weights on the device.
	Data(t gguf.Tensor) []byte
}

// config reads hyperparameters under one architecture's prefix and keeps the first error.
type configReader struct {
	src  Source
	arch string
	err  error
}

func (r *configReader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf("model: "+format, args...)
	}
}

// uint reads a whole number within lo..hi; a missing one is fallback, or an error if fallback is negative.
func (r *configReader) uint(key string, fallback, lo, hi int) int {
	key = r.arch + "." + key
	v, ok := r.src.Uint(key)
	if !ok {
		if fallback < 0 {
			r.fail("metadata %s is missing", key)
		}
		return fallback
	}
	if v < uint64(lo) || v > uint64(hi) {
		r.fail("metadata %s = %d is outside %d..%d", key, v, lo, hi)
		return lo
	}
	return int(v)
}

// value is a key's value as the source has it, nil of a source that does not tell.
func (r *configReader) value(key string) any {
	f, ok := r.src.(interface{ Value(key string) (any, bool) })
	if !ok {
		return nil
	}
	v, _ := f.Value(r.arch + "." + key)
	return v
}

// has reports whether the source has a key.
func (r *configReader) has(key string) bool { return r.value(key) != nil }

// bools reads a list, if it is one.
func (r *configReader) bools(key string) ([]bool, bool) {
	v, ok := r.value(key).([]bool)
	return v, ok
}

// optional reads a positive finite number; a missing one is 0.
func (r *configReader) optional(key string) float32 {
	if _, ok := r.src.Float(r.arch + "." + key); !ok {
		return 0
	}
	return float32(r.float(key, 0))
}

// float reads a positive finite number; a missing one is fallback, or an error if fallback is 0.
func (r *configReader) float(key string, fallback float64) float64 {
	key = r.arch + "." + key
	v, ok := r.src.Float(key)
	if !ok {
		if fallback == 0 {
			r.fail("metadata %s is missing", key)
		}
		return fallback
	}
	if !(v > 0 && v < 1e30) {
		r.fail("metadata %s = %g must be positive", key, v)
		return 1
	}
	return v
}
