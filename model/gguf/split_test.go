package gguf

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// split writes a file's tensors over count files, as gguf-split does: all metadata in the first. change may spoil file i before it is saved.
func split(t *testing.T, f *File, dir string, count int, change func(i int, w *Writer)) (paths []string) {
	t.Helper()
	for i := range count {
		w := NewWriter()
		if i == 0 {
			for _, kv := range f.Metadata {
				w.Set(kv.Key, kv.Value)
			}
		}
		w.Set(splitNumber, uint16(i))
		w.Set(splitCount, uint16(count))
		w.Set(splitTensors, int32(len(f.Tensors)))
		for k, x := range f.Tensors {
			if k%count == i {
				w.Add(x.Name, x.Type, x.Dims, f.Data(x))
			}
		}
		if change != nil {
			change(i, w)
		}
		paths = append(paths, partPath(filepath.Join(dir, "m"), uint64(i), uint64(count)))
		require.NoError(t, w.Save(paths[i]))
	}
	return paths
}

// TestSplit: a model in several files is the model in one.
func TestSplit(t *testing.T) {
	one, err := Parse(sample(t))
	require.NoError(t, err)
	for _, count := range []int{2, 3, 5} { // of three tensors: files of 5 have none, too
		paths := split(t, one, t.TempDir(), count, nil)
		f, err := Open(paths[0])
		require.NoError(t, err)
		require.Len(t, f.Metadata, len(one.Metadata))
		require.Len(t, f.Tensors, len(one.Tensors))
		for _, x := range one.Tensors {
			y, ok := f.Tensor(x.Name)
			require.True(t, ok, x.Name)
			assert.True(t, bytes.Equal(one.Data(x), f.Data(y)), x.Name)
			assert.True(t, bytes.Equal(one.Range(x, 2, 5), f.Range(y, 2, 5)), x.Name)
		}
		again, err := Parse(rewrite(t, f))
		require.NoError(t, err, "it can be written as one")
		requireSame(t, f, again)
		require.NoError(t, f.Close())

		_, err = Open(paths[1])
		require.ErrorContains(t, err, "of a model; open the first, "+paths[0])
		require.NoError(t, os.Remove(paths[count-1]))
		_, err = Open(paths[0])
		require.ErrorIs(t, err, fs.ErrNotExist)
		require.ErrorContains(t, err, paths[count-1])
	}
}

func TestSplitRefuses(t *testing.T) {
	one, err := Parse(sample(t))
	require.NoError(t, err)
	for _, c := range []struct {
		name   string
		change func(i int, w *Writer)
		err    error
		text   string
	}{
		{"a file of another split", func(i int, w *Writer) {
			if i == 1 {
				*w = *NewWriter()
				w.Set(splitNumber, uint16(1))
				w.Set(splitCount, uint16(4))
			}
		}, nil, "it says that it is file 2 of 4 of a model, not file 2 of 2"},
		{"a file of none", func(i int, w *Writer) {
			if i == 1 {
				*w = *NewWriter()
			}
		}, nil, "not file 2 of 2"},
		{"a tensor twice", func(i int, w *Writer) {
			if i == 1 {
				w.Add("token_embd.weight", F32, []uint64{1}, make([]byte, 4))
			}
		}, ErrDuplicate, `tensor "token_embd.weight": name is used twice: it is in two files`},
		{"a tensor too many", func(i int, w *Writer) {
			if i == 1 {
				w.Add("new", F32, []uint64{1}, make([]byte, 4))
			}
		}, ErrValue, "4 tensors are in all files, it says 3"},
	} {
		_, err := Open(split(t, one, t.TempDir(), 2, c.change)[0])
		require.ErrorContains(t, err, c.text, c.name)
		var bad *Error
		require.True(t, errors.As(err, &bad), c.name)
		if c.err != nil {
			require.ErrorIs(t, err, c.err, c.name)
		}
	}
	paths := split(t, one, t.TempDir(), 2, nil)
	other := filepath.Join(t.TempDir(), "other.gguf")
	require.NoError(t, os.Rename(paths[0], other))
	_, err = Open(other)
	require.ErrorContains(t, err, "it is file 1 of 2 of a model; name it ...-00001-of-00002.gguf")
}
