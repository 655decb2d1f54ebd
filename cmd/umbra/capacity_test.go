package main

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"umbra"
)

func TestByteSize(t *testing.T) {
	for text, want := range map[string]uint64{
		"1": 1, "1048576": 1 << 20, "1MiB": 1 << 20, "2M": 2 << 20, "3 gb": 3 << 30, "0.5GiB": 1 << 29, "7B": 7, "1TiB": 1 << 40,
	} {
		var b byteSize
		assert.NoError(t, b.UnmarshalText([]byte(text)), text)
		assert.Equal(t, byteSize(want), b, text)
	}
	for _, text := range []string{"", "0", "MiB", "1XB", "-1", "1.2.3", "50%", "99999999999TiB", "0.0001", "inf"} {
		var b byteSize
		assert.ErrorContains(t, b.UnmarshalText([]byte(text)), "is not a size", text)
	}
}

func TestKVMemory(t *testing.T) {
	for text, want := range map[string]kvMemory{"1MiB": {bytes: 1 << 20}, "80%": {share: 0.8}, " 2.5 % ": {share: 0.025}} {
		var k kvMemory
		assert.NoError(t, k.UnmarshalText([]byte(text)), text)
		assert.Equal(t, want, k, text)
	}
	for _, text := range []string{"0%", "101%", "-1%", "%", "x%", "nan%"} {
		var k kvMemory
		assert.ErrorContains(t, k.UnmarshalText([]byte(text)), "is not a share of memory", text)
	}
}

func TestCapacity(t *testing.T) {
	assert.NoError(t, capacityFlags{}.validate())
	assert.ErrorContains(t, capacityFlags{MaxSequences: -1}.validate(), "--max-sequences -1")
	assert.ErrorContains(t, capacityFlags{MaxBatchTokens: -1}.validate(), "--max-batch-tokens -1")
	assert.ErrorContains(t, capacityFlags{MaxBatchTokens: 3, MaxSequences: 4}.validate(), "at least --max-sequences (4)")
	for _, c := range []struct {
		flags capacityFlags
		want  umbra.Options
	}{
		{capacityFlags{}, umbra.Options{Sequences: 16}},
		{capacityFlags{KVMemory: kvMemory{bytes: 5}, MaxSequences: 3, MaxBatchTokens: 9}, umbra.Options{KVBytes: 5, Sequences: 3, BatchTokens: 9}},
		{capacityFlags{MaxBatchTokens: 9}, umbra.Options{Sequences: 9, BatchTokens: 9}},
	} {
		var o umbra.Options
		c.flags.apply(&o, 16)
		assert.Equal(t, c.want.Sequences, o.Sequences)
		assert.Equal(t, c.want.BatchTokens, o.BatchTokens)
		assert.Equal(t, c.want.KVBytes, o.KVBytes)
	}
}
