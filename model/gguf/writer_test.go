package gguf

import (
	"bytes"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// everything lists one metadata value of every type, scalar and array, with the corners of each.
var everything = []KV{
	{"general.architecture", "llama"},
	{"u8", uint8(255)}, {"i8", int8(-128)}, {"u16", uint16(65535)}, {"i16", int16(-32768)},
	{"u32", uint32(math.MaxUint32)}, {"i32", int32(math.MinInt32)}, {"u64", uint64(math.MaxUint64)},
	{"i64", int64(math.MinInt64)}, {"f32", float32(math.Inf(-1))}, {"f64", math.SmallestNonzeroFloat64},
	{"yes", true}, {"no", false}, {"s", "text"}, {"empty", ""}, {"bytes", "\x00\xff\xfe"},
	{"au8", []uint8{0, 255}}, {"ai8", []int8{-128, 127}}, {"au16", []uint16{1}}, {"ai16", []int16{-1}},
	{"au32", []uint32{7, 8, 9}}, {"ai32", []int32{-7}}, {"au64", []uint64{math.MaxUint64}}, {"ai64", []int64{-1}},
	{"af32", []float32{1.5, -0.25}}, {"af64", []float64{math.Pi}}, {"ab", []bool{true, false, true}},
	{"as", []string{"a", "", "\xff", "long enough to matter"}}, {"none", []float32{}}, {"no strings", []string{}},
	{"nested", []any{[]uint8{1}, []string{"x"}, []any{[]any{[]bool{true}}}, []any{}}},
}

// sample is a small file with every value type and a few tensors.
func sample(t testing.TB) []byte {
	w := NewWriter()
	for _, kv := range everything {
		w.Set(kv.Key, kv.Value)
	}
	w.Add("token_embd.weight", Q8_0, []uint64{64, 3}, bytes.Repeat([]byte{0x5a}, 34*6))
	w.AddFrom("output_norm.weight", F32, []uint64{5}, strings.NewReader("0123456789abcdefghij"))
	w.Add("x", BF16, []uint64{1, 2, 3, 4}, make([]byte, 48))
	var b bytes.Buffer
	n, err := w.WriteTo(&b)
	require.NoError(t, err)
	require.Equal(t, int64(b.Len()), n)
	return b.Bytes()
}

func reread(t *testing.T, w *Writer) *File {
	t.Helper()
	var b bytes.Buffer
	_, err := w.WriteTo(&b)
	require.NoError(t, err)
	f, err := Parse(b.Bytes())
	require.NoError(t, err)
	return f
}

func TestRoundTrip(t *testing.T) {
	data := sample(t)
	f, err := Parse(data)
	require.NoError(t, err)
	assert.Equal(t, uint32(3), f.Version)
	assert.Equal(t, everything, f.Metadata)
	assert.Zero(t, len(data)%32, "the file is padded to its alignment")
	require.Len(t, f.Tensors, 3)
	assert.Equal(t, "0123456789abcdefghij", string(f.Data(f.Tensors[1])))
	assert.Equal(t, []uint64{1, 2, 3, 4}, f.Tensors[2].Dims)
	assert.Equal(t, data, rewrite(t, f))
}

// rewrite writes what f holds.
func rewrite(t testing.TB, f *File) []byte {
	w := NewWriter()
	for _, kv := range f.Metadata {
		v := kv.Value
		if kv.Key == alignmentKey {
			v = uint32(f.Alignment) // Parse takes any integer type, Set only the format's own
		}
		w.Set(kv.Key, v)
	}
	for _, tensor := range f.Tensors {
		w.Add(tensor.Name, tensor.Type, tensor.Dims, f.Data(tensor))
	}
	var b bytes.Buffer
	_, err := w.WriteTo(&b)
	require.NoError(t, err)
	return b.Bytes()
}

func TestWriterAligns(t *testing.T) {
	for _, a := range []uint32{8, 32, 4096} {
		w := NewWriter()
		w.Set(alignmentKey, a)
		for _, name := range []string{"a", "b", "c"} {
			w.Add(name, I8, []uint64{3}, []byte(name+name+name))
		}
		f := reread(t, w)
		assert.Equal(t, uint64(a), f.Alignment)
		for i, tensor := range f.Tensors {
			assert.Equal(t, f.DataOffset+uint64(i)*uint64(a), tensor.Offset)
			assert.Equal(t, strings.Repeat(tensor.Name, 3), string(f.Data(tensor)))
		}
		assert.Equal(t, int64(f.DataOffset)+3*int64(a), f.Size())
	}
}

func TestWriterRefuses(t *testing.T) {
	deep := any([]uint8{})
	for range maxDepth {
		deep = []any{deep}
	}
	dims := []uint64{2}
	for name, c := range map[string]struct {
		do   func(*Writer)
		err  error
		text string
	}{
		"int":              {func(w *Writer) { w.Set("k", 5) }, ErrValue, `key "k": bad metadata value: int has no value type`},
		"nil":              {func(w *Writer) { w.Set("k", nil) }, ErrValue, "<nil>"},
		"number in a list": {func(w *Writer) { w.Set("k", []any{uint8(1)}) }, ErrValue, "must be slices"},
		"map in a list":    {func(w *Writer) { w.Set("k", []any{map[int]int{}}) }, ErrValue, "map[int]int"},
		"too deep":         {func(w *Writer) { w.Set("k", deep) }, ErrValue, "nested more than 4"},
		"same key":         {func(w *Writer) { w.Set("k", true); w.Set("k", true) }, ErrDuplicate, `key "k"`},
		"long key":         {func(w *Writer) { w.Set(strings.Repeat("k", 65536), true) }, ErrValue, "65536 bytes"},
		"alignment":        {func(w *Writer) { w.Set(alignmentKey, uint32(12)) }, ErrValue, "alignment 12"},
		"alignment type":   {func(w *Writer) { w.Set(alignmentKey, uint64(64)) }, ErrValue, "not a positive integer"},
		"same tensor":      {func(w *Writer) { w.Add("a", I8, dims, []byte("xx")); w.Add("a", I8, dims, []byte("xx")) }, ErrDuplicate, `tensor "a"`},
		"data short":       {func(w *Writer) { w.Add("a", I16, dims, []byte("xxx")) }, ErrShape, "3 bytes of data, [2] of I16 take 4"},
		"half a block":     {func(w *Writer) { w.Add("a", Q4_0, dims, nil) }, ErrShape, "block of 32"},
		"unknown type":     {func(w *Writer) { w.Add("a", 77, dims, nil) }, ErrType, "type 77"},
		"no dimensions":    {func(w *Writer) { w.Add("a", I8, nil, nil) }, ErrShape, "0 dimensions"},
		"too much altogether": {func(w *Writer) {
			w.AddFrom("a", I8, []uint64{1 << 62}, nil)
			w.AddFrom("b", I8, []uint64{1 << 62}, nil)
		}, ErrShape, "more than 2^62"},
		"reader short": {func(w *Writer) { w.AddFrom("a", I16, dims, strings.NewReader("xxx")) }, ErrShape, "ended after 3 of 4"},
		"reader long":  {func(w *Writer) { w.AddFrom("a", I8, dims, strings.NewReader("xxx")) }, ErrShape, "more than the 2 bytes"},
		"reader fails": {func(w *Writer) { w.AddFrom("a", I8, dims, iotest.ErrReader(errTest)) }, errTest, `tensor "a": test`},
	} {
		w := NewWriter()
		c.do(w)
		_, err := w.WriteTo(new(bytes.Buffer))
		var bad *Error
		assert.ErrorAs(t, err, &bad, name)
		assert.ErrorIs(t, err, c.err, name)
		assert.ErrorContains(t, err, c.text, name)
	}

	w := NewWriter()
	w.Add("a", I8, dims, []byte("xx"))
	w.Set(alignmentKey, uint32(64))
	_, err := w.WriteTo(new(bytes.Buffer))
	assert.ErrorContains(t, err, "before the first tensor")
}

var errTest = errors.New("test")

// full takes n bytes and then fails, as a full disk does.
type full struct{ n int }

func (f *full) Write(p []byte) (int, error) {
	n := min(f.n, len(p))
	f.n -= n
	if n < len(p) {
		return n, errTest
	}
	return n, nil
}

func TestWriterReportsDestination(t *testing.T) {
	w := NewWriter()
	w.Add("a", I8, []uint64{1 << 20}, make([]byte, 1<<20))
	for _, room := range []int{0, 10, 100, 1 << 19} {
		n, err := w.WriteTo(&full{room})
		assert.ErrorIs(t, err, errTest)
		assert.Equal(t, int64(room), n)
	}
	n, err := w.WriteTo(&full{1 << 30})
	assert.NoError(t, err)
	assert.Greater(t, n, int64(1<<20))
}

// A file takes its name when it is whole; an error leaves what was there, and nothing else.
func TestSave(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "m.gguf")
	names := func() (names []string) {
		entries, err := os.ReadDir(dir)
		require.NoError(t, err)
		for _, e := range entries {
			names = append(names, e.Name())
		}
		return names
	}
	w := NewWriter()
	w.Set("general.architecture", "llama")
	require.NoError(t, w.Save(path))
	f, err := Open(path)
	require.NoError(t, err)
	require.NoError(t, f.Close())
	before, err := os.ReadFile(path)
	require.NoError(t, err)

	broken := NewWriter()
	broken.AddFrom("x", F32, []uint64{2}, iotest.ErrReader(errors.New("the disk is gone")))
	assert.ErrorContains(t, broken.Save(path), "the disk is gone")
	broken.Set("", struct{}{})
	assert.ErrorContains(t, broken.Save(path), "has no value type")
	after, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, before, after)
	assert.Equal(t, []string{"m.gguf"}, names())
	assert.Error(t, w.Save(filepath.Join(dir, "none", "m.gguf")))
}
