package gguf

import (
	"bytes"
	"math"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzParse looks for files that make Parse panic, that it accepts though a tensor is misplaced, or
// that change when written and read again.
func FuzzParse(f *testing.F) {
	for _, c := range hostile {
		if len(c.file) < 1000 {
			f.Add([]byte(c.file))
		}
	}
	f.Add(sample(f))
	f.Add([]byte(head(2, 1).key(alignmentKey, Uint32).u32(64).tensor("a", F32, 64, 2).tensor("b", Q4_0, 0, 32).pad(64).zeros(72)))
	for _, m := range models {
		f.Add(cutHeader(f, m.path))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := Parse(data)
		if err != nil {
			var bad *Error
			require.ErrorAs(t, err, &bad)
			require.GreaterOrEqual(t, bad.Offset, int64(0), "%v", err)
			require.LessOrEqual(t, bad.Offset, int64(len(data)), "%v", err)
			return
		}
		checkPlaces(t, file)
		again, err := Parse(rewrite(t, file))
		require.NoError(t, err)
		requireSame(t, file, again)
	})
}

// cutHeader returns a real file's metadata without its long arrays, and its first tensors.
func cutHeader(f *testing.F, path string) []byte {
	whole, err := os.ReadFile(path)
	require.NoError(f, err)
	file, err := Parse(whole)
	require.NoError(f, err)
	w := NewWriter()
	for _, kv := range file.Metadata {
		switch v := kv.Value.(type) {
		case []string:
			w.Set(kv.Key, v[:min(len(v), 3)])
		case []float32:
			w.Set(kv.Key, v[:min(len(v), 3)])
		case []int32:
			w.Set(kv.Key, v[:min(len(v), 3)])
		case string:
			w.Set(kv.Key, v[:min(len(v), 40)])
		default:
			w.Set(kv.Key, v)
		}
	}
	for _, t := range file.Tensors[:3] {
		row := uint64(t.Type.BlockSize())
		w.Add(t.Name, t.Type, []uint64{row, 1}, file.Data(t)[:t.Type.BlockBytes()])
	}
	var b bytes.Buffer
	_, err = w.WriteTo(&b)
	require.NoError(f, err)
	return b.Bytes()
}

// checkPlaces requires every tensor aligned, inside the file and alone on its bytes, the slow way.
func checkPlaces(t *testing.T, f *File) {
	used := make([]bool, f.Size())
	for _, tensor := range f.Tensors {
		require.Zero(t, (tensor.Offset-f.DataOffset)%f.Alignment)
		require.GreaterOrEqual(t, tensor.Offset, f.DataOffset)
		require.Len(t, f.Data(tensor), int(tensor.Size))
		blocks := tensor.Elements() / uint64(tensor.Type.BlockSize())
		require.Equal(t, blocks*uint64(tensor.Type.BlockBytes()), tensor.Size)
		for i := tensor.Offset; i < tensor.Offset+tensor.Size; i++ {
			if used[i] {
				t.Fatalf("byte %d belongs to two tensors", i)
			}
			used[i] = true
		}
	}
}

// requireSame requires equal metadata, names, types, dims and data; versions, places and the integer type of
// the alignment may differ.
func requireSame(t *testing.T, a, b *File) {
	require.Len(t, b.Metadata, len(a.Metadata))
	for i, kv := range a.Metadata {
		require.Equal(t, kv.Key, b.Metadata[i].Key)
		if kv.Key != alignmentKey {
			require.Equal(t, plain(kv.Value), plain(b.Metadata[i].Value), "key %q", kv.Key)
		}
	}
	require.Equal(t, a.Alignment, b.Alignment)
	require.Len(t, b.Tensors, len(a.Tensors))
	for i, x := range a.Tensors {
		y := b.Tensors[i]
		require.True(t, bytes.Equal(a.Data(x), b.Data(y)), "data of %q", x.Name)
		x.Offset, y.Offset = 0, 0
		require.Equal(t, x, y)
	}
}

// plain replaces floats by their bits, because NaN is not equal to itself.
func plain(v any) any {
	switch v := v.(type) {
	case float32:
		return [2]any{"f32", math.Float32bits(v)}
	case float64:
		return [2]any{"f64", math.Float64bits(v)}
	case []float32:
		return list(v)
	case []float64:
		return list(v)
	case []any:
		return list(v)
	}
	return v
}

func list[T any](in []T) []any {
	out := []any{typeName(in)}
	for _, v := range in {
		out = append(out, plain(v))
	}
	return out
}

func typeName(v any) string {
	_, elem, _ := typeOf(v)
	return elem.String()
}

// FuzzRoundTrip builds files from a script of bytes, writes them, and requires to read the same.
func FuzzRoundTrip(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte("\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f"))
	for first := range byte(32) {
		f.Add(append([]byte{first, 3}, "some bytes, then \xff\xfe and more than enough of them for any value"...))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		s := &script{data: data}
		w := NewWriter()
		var want File
		for len(s.data) > 0 && len(want.Metadata) < 20 {
			kv := KV{s.text(), s.value(0)}
			w.Set(kv.Key, kv.Value)
			want.Metadata = append(want.Metadata, kv)
			if s.next()%3 == 0 {
				tensor, bytes := s.tensor()
				w.Add(tensor.Name, tensor.Type, tensor.Dims, bytes)
				tensor.Offset = uint64(len(want.data))
				want.Tensors = append(want.Tensors, tensor)
				want.data = append(want.data, bytes...)
			}
		}
		if w.err != nil { // a name used twice, or an alignment
			return
		}
		var b bytes.Buffer
		_, err := w.WriteTo(&b)
		require.NoError(t, err)
		got, err := Parse(b.Bytes())
		require.NoError(t, err)
		want.Alignment = got.Alignment
		checkPlaces(t, got)
		requireSame(t, &want, got)
		require.Equal(t, b.Bytes(), rewrite(t, got))
	})
}

// script turns bytes into values; at the end of its bytes it goes on with zeros.
type script struct{ data []byte }

func (s *script) next() byte {
	if len(s.data) == 0 {
		return 0
	}
	b := s.data[0]
	s.data = s.data[1:]
	return b
}

func (s *script) u64() (v uint64) {
	for range 8 {
		v = v<<8 | uint64(s.next())
	}
	return v
}

func (s *script) text() string {
	n := min(int(s.next()%16), len(s.data))
	text := string(s.data[:n])
	s.data = s.data[n:]
	return text
}

func many[T any](s *script, one func() T) []T {
	out := make([]T, s.next()%5)
	for i := range out {
		out[i] = one()
	}
	return out
}

func (s *script) value(depth int) any {
	kind := s.next() % 25
	if depth > 0 {
		kind = 12 + kind%13 // only arrays stand in arrays of arrays
	}
	if kind == 24 && depth == maxDepth-1 {
		kind = 12
	}
	switch kind {
	case 0:
		return s.next()
	case 1:
		return int8(s.next())
	case 2:
		return uint16(s.u64())
	case 3:
		return int16(s.u64())
	case 4:
		return uint32(s.u64())
	case 5:
		return int32(s.u64())
	case 6:
		return s.u64()
	case 7:
		return int64(s.u64())
	case 8:
		return math.Float32frombits(uint32(s.u64()))
	case 9:
		return math.Float64frombits(s.u64())
	case 10:
		return s.next() > 127
	case 11:
		return s.text()
	case 12:
		return many(s, s.next)
	case 13:
		return many(s, func() int8 { return int8(s.next()) })
	case 14:
		return many(s, func() uint16 { return uint16(s.u64()) })
	case 15:
		return many(s, func() int16 { return int16(s.u64()) })
	case 16:
		return many(s, func() uint32 { return uint32(s.u64()) })
	case 17:
		return many(s, func() int32 { return int32(s.u64()) })
	case 18:
		return many(s, s.u64)
	case 19:
		return many(s, func() int64 { return int64(s.u64()) })
	case 20:
		return many(s, func() float32 { return math.Float32frombits(uint32(s.u64())) })
	case 21:
		return many(s, func() float64 { return math.Float64frombits(s.u64()) })
	case 22:
		return many(s, func() bool { return s.next() > 127 })
	case 23:
		return many(s, s.text)
	}
	return many(s, func() any { return s.value(depth + 1) })
}

// tensor returns a tensor of any type and its bytes.
func (s *script) tensor() (Tensor, []byte) {
	t := Tensor{Name: s.text(), Type: Type(s.next()) % Type(len(types))}
	for !t.Type.Known() {
		t.Type--
	}
	t.Dims = []uint64{uint64(t.Type.BlockSize()) * uint64(1+s.next()%3)}
	for range s.next() % maxDims {
		t.Dims = append(t.Dims, uint64(1+s.next()%4))
	}
	t.Size = t.Elements() / uint64(t.Type.BlockSize()) * uint64(t.Type.BlockBytes())
	return t, bytes.Repeat([]byte{s.next()}, int(t.Size))
}
