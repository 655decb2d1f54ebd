package gguf

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestParseRefuses(t *testing.T) {
	for _, c := range hostile {
		t.Run(c.name, func(t *testing.T) {
			f, err := Parse(c.file)
			require.Nil(t, f)
			var bad *Error
			require.ErrorAs(t, err, &bad)
			assert.ErrorIs(t, err, c.err)
			assert.Equal(t, c.offset, bad.Offset, "%v", err)
			assert.ErrorContains(t, err, c.text)
			assert.Regexp(t, `^gguf: .* \(at byte \d+\)$`, err.Error())
			assert.Less(t, len(err.Error()), 400)
		})
	}
}

// Hostile sizes must be refused before memory is taken for them.
func TestParseRefusesBeforeAllocating(t *testing.T) {
	const most = 1 << 20 // bytes; the longest file of the table is 64 KiB, the lists preallocated under 600 KiB
	for _, c := range hostile {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := Parse(c.file)
		runtime.ReadMemStats(&after)
		require.Error(t, err)
		assert.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(most), c.name)
	}
}

// Every beginning of a good file is refused, or (past the header, before the padding ends) good itself.
func TestParseEveryTruncation(t *testing.T) {
	whole := sample(t)
	f, err := Parse(whole)
	require.NoError(t, err)
	last := f.Tensors[len(f.Tensors)-1]
	for n := range whole {
		_, err := Parse(whole[:n:n])
		if uint64(n) >= last.Offset+last.Size {
			require.NoError(t, err, "%d bytes", n)
		} else {
			require.ErrorIs(t, err, ErrTruncated, "%d bytes", n)
		}
	}
}

func TestParseAccepts(t *testing.T) {
	for name, file := range map[string]raw{
		"nothing":                         head(0, 0),
		"version 2":                       raw("GGUF").u32(2).u64(0).u64(0),
		"deepest nesting":                 head(0, 1).key("k", Array).nested(maxDepth - 1),
		"strings that are not utf-8":      head(0, 1).key("\xff\xfe", String).str("\x80\x00\xc0"),
		"empty array of each kind":        head(0, 2).key("s", Array).array(String, 0).key("a", Array).array(Array, 0),
		"largest alignment":               head(0, 1).key(alignmentKey, Uint32).u32(maxAlignment),
		"alignment of another width":      head(0, 1).key(alignmentKey, Uint64).u64(64),
		"last tensor without padding":     head(1, 0).tensor("a", I8, 0, 1).pad(32).zeros(1),
		"tensors in another order":        head(2, 0).tensor("a", F32, 32, 1).tensor("b", F32, 0, 8).pad(32).zeros(64),
		"gap between tensors":             head(2, 0).tensor("a", F32, 0, 1).tensor("b", F32, 96, 1).pad(32).zeros(128),
		"four dimensions":                 head(1, 0).tensor("a", F16, 0, 2, 3, 4, 5).pad(32).zeros(240),
		"bytes after the last tensor":     head(1, 0).tensor("a", F32, 0, 1).pad(32).zeros(999),
		"key and tensor of the same name": head(1, 1).key("a", Uint8).add(1).tensor("a", F32, 0, 1).pad(32).zeros(4),
	} {
		f, err := Parse(file)
		if assert.NoError(t, err, name) {
			assert.Equal(t, int64(len(file)), f.Size(), name)
		}
	}
}

func TestTensorPlaces(t *testing.T) {
	file := head(2, 0).tensor("late", F32, 32, 2, 3).tensor("early", Q8_0, 0, 0x20).pad(32)
	start := uint64(len(file))
	file = file.zeros(34)
	_, err := Parse(file.zeros(99))
	require.ErrorIs(t, err, ErrLayout, "a Q8_0 block has 34 bytes, not 32")

	file = head(2, 0).tensor("late", F32, 64, 2, 3).tensor("early", Q8_0, 0, 0x20).pad(32)
	file = file.add(bytes.Repeat([]byte{1}, 34)...).pad(32).add(bytes.Repeat([]byte{2}, 24)...)
	f, err := Parse(file)
	require.NoError(t, err)
	require.Equal(t, start, f.DataOffset)
	late, ok := f.Tensor("late")
	require.True(t, ok)
	assert.Equal(t, Tensor{"late", F32, []uint64{2, 3}, start + 64, 24}, late)
	assert.Equal(t, uint64(6), late.Elements())
	assert.Equal(t, uint64(3), late.Rows())
	assert.Equal(t, bytes.Repeat([]byte{2}, 24), f.Data(late))
	early, _ := f.Tensor("early")
	assert.Equal(t, bytes.Repeat([]byte{1}, 34), f.Data(early))
	assert.Equal(t, 34, cap(f.Data(early)), "an append must not reach the next tensor")
	assert.Same(t, &file[start], &f.Data(early)[0], "tensor data is not copied")
	_, ok = f.Tensor("other")
	assert.False(t, ok)
}

func TestLookupConverts(t *testing.T) {
	w := NewWriter()
	for _, kv := range []KV{
		{"u8", uint8(200)}, {"i8", int8(-3)}, {"u16", uint16(60000)}, {"i16", int16(7)}, {"u32", uint32(1 << 31)},
		{"i32", int32(9)}, {"u64", uint64(1 << 63)}, {"i64", int64(5)}, {"f32", float32(0.5)}, {"f64", 0.25},
		{"bool", true}, {"s", "text"}, {"as", []string{"a", "", "c"}}, {"af", []float32{1, 2}}, {"ad", []float64{3}},
		{"ai8", []int8{-1}}, {"au8", []uint8{255}}, {"ai16", []int16{-300}}, {"au16", []uint16{60000}},
		{"ai32", []int32{-4}}, {"au32", []uint32{1 << 31}}, {"ai64", []int64{-1 << 63}}, {"au64", []uint64{8}},
		{"big", []uint64{1, 1 << 63}},
	} {
		w.Set(kv.Key, kv.Value)
	}
	f := reread(t, w)

	for key, want := range map[string]uint64{"u8": 200, "u16": 60000, "i16": 7, "u32": 1 << 31, "i32": 9, "u64": 1 << 63, "i64": 5} {
		got, ok := f.Uint(key)
		assert.True(t, ok, key)
		assert.Equal(t, want, got, key)
	}
	for _, key := range []string{"i8", "f32", "s", "bool", "au8", "none"} {
		_, ok := f.Uint(key)
		assert.False(t, ok, key)
	}
	for key, want := range map[string]int64{"u8": 200, "i8": -3, "i16": 7, "u32": 1 << 31, "i64": 5} {
		got, ok := f.Int(key)
		assert.True(t, ok, key)
		assert.Equal(t, want, got, key)
	}
	_, ok := f.Int("u64")
	assert.False(t, ok, "2^63 exceeds an int64")
	for key, want := range map[string]float64{"f32": 0.5, "f64": 0.25, "i8": -3, "u64": math.Exp2(63)} {
		got, ok := f.Float(key)
		assert.True(t, ok, key)
		assert.Equal(t, want, got, key)
	}
	_, ok = f.Float("s")
	assert.False(t, ok)
	for key, want := range map[string][]int64{"ai8": {-1}, "au8": {255}, "ai16": {-300}, "au16": {60000}, "ai32": {-4},
		"au32": {1 << 31}, "ai64": {-1 << 63}, "au64": {8}} {
		got, ok := f.Ints(key)
		assert.True(t, ok, key)
		assert.Equal(t, want, got, key)
	}
	_, ok = f.Ints("big")
	assert.False(t, ok, "2^63 exceeds an int64")
	_, ok = f.Ints("af")
	assert.False(t, ok)
	for key, want := range map[string][]float64{"af": {1, 2}, "ad": {3}} {
		got, ok := f.Floats(key)
		assert.True(t, ok, key)
		assert.Equal(t, want, got, key)
	}
	s, ok := f.String("s")
	assert.True(t, ok)
	assert.Equal(t, "text", s)
	_, ok = f.String("as")
	assert.False(t, ok)
	ss, ok := f.Strings("as")
	assert.True(t, ok)
	assert.Equal(t, []string{"a", "", "c"}, ss)
	b, ok := f.Bool("bool")
	assert.True(t, b && ok)
	_, ok = f.Bool("u8")
	assert.False(t, ok)
	_, ok = f.Value("none")
	assert.False(t, ok)
	assert.Equal(t, []string{"u8", "i8", "u16"}, f.Keys()[:3])
}

func TestOpen(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "m.gguf")
	whole := sample(t)
	require.NoError(t, os.WriteFile(path, whole, 0o600))
	f, err := Open(path)
	require.NoError(t, err)
	assert.Equal(t, int64(len(whole)), f.Size())
	name, _ := f.String("s")
	data := f.Data(f.Tensors[0])
	assert.Equal(t, whole[f.Tensors[0].Offset:][:len(data)], data)
	require.NoError(t, f.Close())
	require.NoError(t, f.Close(), "a second Close does nothing")
	assert.Equal(t, "text", name, "metadata outlives the mapping")
	assert.Panics(t, func() { f.Data(f.Tensors[0]) })

	_, err = Open(filepath.Join(dir, "none.gguf"))
	assert.ErrorIs(t, err, os.ErrNotExist)
	assert.NotContains(t, err.Error(), "at byte")
	_, err = Open(dir)
	assert.ErrorContains(t, err, "not a regular file")

	for name, content := range map[string]raw{"empty": raw(""), "cut": raw(whole[:100])} {
		require.NoError(t, os.WriteFile(path, content, 0o600))
		_, err = Open(path)
		var bad *Error
		require.ErrorAs(t, err, &bad, name)
		assert.ErrorIs(t, err, ErrTruncated, name)
		assert.Equal(t, path, bad.Path, name)
		assert.ErrorContains(t, err, "gguf: "+path+": ", name)
	}
}

func TestTypes(t *testing.T) {
	// ggml.h's numbers and sizeof of its blocks, written down apart from the table in type.go.
	for _, c := range []struct {
		t           Type
		name        string
		size, bytes int
	}{
		{0, "F32", 1, 4}, {1, "F16", 1, 2}, {2, "Q4_0", 32, 18}, {3, "Q4_1", 32, 20}, {6, "Q5_0", 32, 22},
		{7, "Q5_1", 32, 24}, {8, "Q8_0", 32, 34}, {9, "Q8_1", 32, 36}, {10, "Q2_K", 256, 84}, {11, "Q3_K", 256, 110},
		{12, "Q4_K", 256, 144}, {13, "Q5_K", 256, 176}, {14, "Q6_K", 256, 210}, {15, "Q8_K", 256, 292},
		{16, "IQ2_XXS", 256, 66}, {17, "IQ2_XS", 256, 74}, {18, "IQ3_XXS", 256, 98}, {19, "IQ1_S", 256, 50},
		{20, "IQ4_NL", 32, 18}, {21, "IQ3_S", 256, 110}, {22, "IQ2_S", 256, 82}, {23, "IQ4_XS", 256, 136},
		{24, "I8", 1, 1}, {25, "I16", 1, 2}, {26, "I32", 1, 4}, {27, "I64", 1, 8}, {28, "F64", 1, 8},
		{29, "IQ1_M", 256, 56}, {30, "BF16", 1, 2}, {34, "TQ1_0", 256, 54}, {35, "TQ2_0", 256, 66},
		{39, "MXFP4", 32, 17}, {40, "NVFP4", 64, 36}, {41, "Q1_0", 128, 18}, {42, "Q2_0", 64, 18},
		{4, "Q4_2", 0, 0}, {31, "Q4_0_4_4", 0, 0}, {43, "type 43", 0, 0}, {1 << 31, "type 2147483648", 0, 0},
	} {
		assert.Equal(t, c.name, c.t.String())
		assert.Equal(t, c.size, c.t.BlockSize(), c.name)
		assert.Equal(t, c.bytes, c.t.BlockBytes(), c.name)
		assert.Equal(t, c.size > 0, c.t.Known(), c.name)
	}
}
