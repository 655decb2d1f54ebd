package safetensors_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"umbra/model/safetensors"
	write "umbra/model/safetensors/safetensorstest"
)

// sample has a matrix, a single value, a tensor of nothing, and integers.
func sample() []byte {
	return write.File([]write.Tensor{
		write.Floats("a.weight", safetensors.F32, []float32{1, 2, 3, 4, 5, 6}, 2, 3),
		write.Floats("one", safetensors.BF16, []float32{-1.5}),
		{Name: "nothing", Type: safetensors.F16, Shape: []uint64{0, 4}},
		write.Ints("q", []int32{-1, 7}, 2),
	})
}

func TestParse(t *testing.T) {
	f, err := safetensors.Parse(sample())
	require.NoError(t, err)
	assert.Equal(t, map[string]string{"format": "pt"}, f.Metadata)
	require.Len(t, f.Tensors, 4)
	a, ok := f.Tensor("a.weight")
	require.True(t, ok)
	assert.Equal(t, []uint64{2, 3}, a.Shape)
	assert.Equal(t, uint64(6), a.Elements())
	assert.Equal(t, []byte{0, 0, 128, 63, 0, 0, 0, 64}, f.Data(a)[:8])
	one, _ := f.Tensor("one")
	assert.Equal(t, []byte{0xc0, 0xbf}, f.Data(one))
	assert.Equal(t, uint64(1), one.Elements())
	q, _ := f.Tensor("q")
	assert.Equal(t, []byte{255, 255, 255, 255, 7, 0, 0, 0}, f.Data(q))
	_, ok = f.Tensor("b")
	assert.False(t, ok)
}

func TestOpen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.safetensors")
	require.NoError(t, os.WriteFile(path, sample(), 0o666))
	f, err := safetensors.Open(path)
	require.NoError(t, err)
	assert.Equal(t, int64(len(sample())), f.Size())
	require.NoError(t, f.Close())
	require.NoError(t, f.Close())

	require.NoError(t, os.WriteFile(path, nil, 0o666))
	_, err = safetensors.Open(path)
	require.ErrorIs(t, err, safetensors.ErrTruncated)
	assert.ErrorContains(t, err, path)
	_, err = safetensors.Open(path + ".none")
	require.ErrorIs(t, err, os.ErrNotExist)
}

// hostile are files that must be refused, with the cause and a part of the message.
var hostile = []struct {
	name  string
	file  []byte
	cause error
	says  string
}{
	{"empty", nil, safetensors.ErrTruncated, "0 bytes"},
	{"seven bytes", make([]byte, 7), safetensors.ErrTruncated, "7 bytes"},
	{"header of nothing", write.Raw("", nil), safetensors.ErrHeader, "want"},
	{"length beyond the file", []byte("\xff\x00\x00\x00\x00\x00\x00\x00{}"), safetensors.ErrTruncated, "header of 255 bytes with 2 bytes left"},
	{"length beyond reason", []byte("\xff\xff\xff\xff\xff\xff\xff\xff{}"), safetensors.ErrHeader, "above 100000000"},
	{"an array", write.Raw("[]", nil), safetensors.ErrHeader, `starts with "[]"`},
	{"cut JSON", write.Raw(`{"a":{"dtype":"F32"`, nil), safetensors.ErrHeader, `tensor "a"`},
	{"no end", write.Raw(`{`, nil), safetensors.ErrHeader, "header"},
	{"more than one object", write.Raw(`{} {}`, nil), safetensors.ErrHeader, "more follows"},
	{"number for a tensor", write.Raw(`{"a":1}`, nil), safetensors.ErrHeader, `tensor "a"`},
	{"negative shape", write.Raw(`{"a":{"dtype":"U8","shape":[-1],"data_offsets":[0,0]}}`, nil), safetensors.ErrHeader, "-1"},
	{"half a dimension", write.Raw(`{"a":{"dtype":"U8","shape":[0.5],"data_offsets":[0,0]}}`, nil), safetensors.ErrHeader, "0.5"},
	{"unknown type", write.Raw(`{"a":{"dtype":"F4","shape":[2],"data_offsets":[0,1]}}`, []byte{0}), safetensors.ErrType, `"F4" (F32, F16, BF16`},
	{"one offset", write.Raw(`{"a":{"dtype":"U8","shape":[1],"data_offsets":[0]}}`, []byte{0}), safetensors.ErrHeader, "1 data_offsets"},
	{"end before begin", write.Raw(`{"a":{"dtype":"U8","shape":[1],"data_offsets":[1,0]}}`, []byte{0}), safetensors.ErrShape, "1 to 0"},
	{"size and shape", write.Raw(`{"a":{"dtype":"F32","shape":[2,2],"data_offsets":[0,4]}}`, make([]byte, 4)), safetensors.ErrShape, "take 16 bytes"},
	{"shape overflows", write.Raw(`{"a":{"dtype":"U8","shape":[4294967296,4294967296],"data_offsets":[0,0]}}`, nil), safetensors.ErrShape, "2^62"},
	{"bytes overflow", write.Raw(`{"a":{"dtype":"F64","shape":[2305843009213693952],"data_offsets":[0,0]}}`, nil), safetensors.ErrShape, "2^62"},
	{"too many dimensions", write.Raw(`{"a":{"dtype":"U8","shape":[1,1,1,1,1,1,1,1,1],"data_offsets":[0,1]}}`, []byte{0}), safetensors.ErrShape, "9 dimensions"},
	{"past the end", write.Raw(`{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}}`, make([]byte, 3)), safetensors.ErrTruncated, "4 bytes at 0"},
	{"far past the end", write.Raw(`{"a":{"dtype":"U8","shape":[1],"data_offsets":[18446744073709551614,18446744073709551615]}}`, make([]byte, 3)), safetensors.ErrTruncated, "1 bytes at"},
	{"overlap", write.Raw(`{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}}`, make([]byte, 3)),
		safetensors.ErrLayout, `tensor "b": tensor data is misplaced: overlaps tensor "a" by 1 bytes`},
	{"hole", write.Raw(`{"a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}`, make([]byte, 2)), safetensors.ErrLayout, "1 bytes before it"},
	{"bytes left over", write.Raw(`{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}`, make([]byte, 2)), safetensors.ErrLayout, "last 1 bytes"},
	{"duplicate", write.Raw(`{"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}`, nil),
		safetensors.ErrDuplicate, `"a"`},
	{"metadata twice", write.Raw(`{"__metadata__":{},"__metadata__":{}}`, nil), safetensors.ErrDuplicate, "__metadata__"},
	{"metadata of numbers", write.Raw(`{"__metadata__":{"a":1}}`, nil), safetensors.ErrHeader, "number"},
	{"nested deep", write.Raw(`{"a":`+strings.Repeat("[", 20000), nil), safetensors.ErrHeader, ""},
	{"GGUF", []byte("GGUF\x03\x00\x00\x00"), safetensors.ErrHeader, "GGUF file"},
	{"PyTorch", []byte("PK\x03\x04........"), safetensors.ErrHeader, "PyTorch"},
	{"LFS", []byte("version https://git-lfs.github.com/spec/v1\n"), safetensors.ErrHeader, "git lfs pull"},
}

func TestHostile(t *testing.T) {
	for _, c := range hostile {
		t.Run(c.name, func(t *testing.T) {
			f, err := safetensors.Parse(c.file)
			assert.Nil(t, f)
			require.ErrorIs(t, err, c.cause)
			assert.ErrorContains(t, err, c.says)
			assert.Less(t, len(err.Error()), 500)
		})
	}
}

// TestCut cuts a file anywhere: it is refused, or whole.
func TestCut(t *testing.T) {
	whole := sample()
	for n := range whole {
		_, err := safetensors.Parse(whole[:n])
		require.Error(t, err, "%d bytes", n)
	}
}

// FuzzParse looks for files that make Parse panic, or that it accepts though bytes belong to no tensor or to two.
func FuzzParse(f *testing.F) {
	for _, c := range hostile {
		f.Add(c.file[:min(len(c.file), 1000)])
	}
	f.Add(sample())
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := safetensors.Parse(data)
		if err != nil {
			var bad *safetensors.Error
			require.ErrorAs(t, err, &bad)
			require.LessOrEqual(t, bad.Offset, int64(len(data)), "%v", err)
			return
		}
		sum := uint64(0)
		used := make([]bool, len(data))
		for _, x := range file.Tensors {
			require.Len(t, file.Data(x), int(x.Size))
			require.Equal(t, x.Elements()*x.Type.Bytes(), x.Size)
			for i := x.Offset; i < x.Offset+x.Size; i++ {
				require.False(t, used[i], "byte %d belongs to two tensors", i)
				used[i] = true
			}
			sum += x.Size
		}
		require.LessOrEqual(t, sum+8, uint64(len(data)))
	})
}
