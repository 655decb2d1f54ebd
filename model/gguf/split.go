package gguf

import (
	"errors"
	"fmt"
	"regexp"

	"umbra/internal/badfile"
)

// Keys of a model in several files, as llama.cpp's gguf-split writes them. The first file has all other metadata.
const (
	splitNumber  = "split.no" // from 0
	splitCount   = "split.count"
	splitTensors = "split.tensors.count" // of all files
)

// maxParts is what five digits can number.
const maxParts = 99999

var partName = regexp.MustCompile(`^(.*)-([0-9]{5})-of-([0-9]{5})\.gguf$`)

// openParts opens the files that follow the first of several, and makes one of them all, without the keys of the split. It takes first over.
func openParts(path string, first *File) (whole *File, err error) {
	files := []*File{first}
	closeAll := func() (err error) {
		for _, f := range files {
			err = errors.Join(err, f.Close())
		}
		return err
	}
	defer func() {
		if err != nil {
			closeAll()
		}
	}()
	bad := func(path, what string, err error) error {
		return &Error{Format: "gguf", Path: path, Offset: -1, What: what, Err: err}
	}
	count, _ := first.Uint(splitCount)
	number, _ := first.Uint(splitNumber)
	m := partName.FindStringSubmatch(path)
	switch {
	case count > maxParts:
		return nil, bad(path, splitCount, fmt.Errorf("%w: %d files, at most %d are known", ErrValue, count, maxParts))
	case m == nil || m[2] != fmt.Sprintf("%05d", number+1) || m[3] != fmt.Sprintf("%05d", count):
		return nil, bad(path, "", fmt.Errorf("it is file %d of %d of a model; name it ...-%05d-of-%05d.gguf, as the others look for it", number+1, count, number+1, count))
	case number != 0:
		return nil, bad(path, "", fmt.Errorf("it is file %d of %d of a model; open the first, %s", number+1, count, partPath(m[1], 0, count)))
	}
	at := map[string]*File{}
	var tensors []Tensor
	take := func(f *File, path string) error {
		for _, t := range f.Tensors {
			if at[t.Name] != nil {
				return bad(path, "tensor "+badfile.Quote(t.Name), fmt.Errorf("%w: it is in two files", ErrDuplicate))
			}
			at[t.Name] = f
		}
		tensors = append(tensors, f.Tensors...)
		return nil
	}
	if err := take(first, path); err != nil {
		return nil, err
	}
	for i := uint64(1); i < count; i++ {
		path := partPath(m[1], i, count)
		f, err := openOne(path)
		if err != nil {
			return nil, err
		}
		files = append(files, f)
		n, _ := f.Uint(splitCount)
		if k, ok := f.Uint(splitNumber); !ok || k != i || n != count {
			return nil, bad(path, "", fmt.Errorf("it says that it is file %d of %d of a model, not file %d of %d", k+1, n, i+1, count))
		}
		if err := take(f, path); err != nil {
			return nil, err
		}
	}
	if n, ok := first.Uint(splitTensors); ok && n != uint64(len(tensors)) {
		return nil, bad(path, splitTensors, fmt.Errorf("%w: %d tensors are in all files, it says %d", ErrValue, len(tensors), n))
	}
	var kvs []KV
	for _, kv := range first.Metadata {
		switch kv.Key {
		case splitNumber, splitCount, splitTensors:
		case alignmentKey:
			kvs = append(kvs, KV{kv.Key, uint32(first.Alignment)}) // of any integer type in a file
		default:
			kvs = append(kvs, kv)
		}
	}
	read := func(t Tensor, from, to uint64) []byte {
		f := at[t.Name]
		own, _ := f.Tensor(t.Name)
		return f.Range(own, from, to)
	}
	if whole, err = Assemble(kvs, tensors, read, closeAll); err != nil {
		return nil, bad(path, "", err)
	}
	return whole, nil
}

// partPath is the path of file i, from 0, of a model in count files.
func partPath(stem string, i, count uint64) string {
	return fmt.Sprintf("%s-%05d-of-%05d.gguf", stem, i+1, count)
}
