// Package gguf reads and writes GGUF files, versions 2 and 3, little-endian: the container that
// llama.cpp and its relatives store weights, tokenizers and hyperparameters in.
//
// Open maps a file and decodes its header; tensor data stays in the mapping and is never copied.
// Whatever a header claims is checked against the bytes that are there before anything is allocated,
// so a hostile file costs an *Error and no memory. The package knows how many bytes a tensor type
// takes, never what they mean (see model/quant), and gives no key a meaning but general.alignment.
//
// The format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
package gguf

// File is a decoded GGUF file. It may be read from several goroutines, but not while Close runs.
type File struct {
	Version    uint32   // format version, 2 or 3
	Alignment  uint64   // bytes; every tensor starts at a multiple of it after DataOffset
	DataOffset uint64   // bytes from the start of the file to the tensor data section
	Metadata   []KV     // in file order; read only
	Tensors    []Tensor // in file order; read only

	keys  map[string]int // index into Metadata
	names map[string]int // index into Tensors
	data  []byte         // the whole file
	close func() error   // unmaps data; nil for Parse

	read func(t Tensor, from, to uint64) []byte // gives bytes of tensors instead of data; nil for a real file
	size int64                                  // with read: what the file would take
}

// KV is one metadata entry. Value holds one of the Go types listed at ValueType.
type KV struct {
	Key   string
	Value any
}

// Tensor describes one tensor of a file.
type Tensor struct {
	Name   string
	Type   Type
	Dims   []uint64 // 1 to 4 sizes, none zero; Dims[0] is the length of a contiguous row (ggml's ne order)
	Offset uint64   // bytes from the start of the file (absolute, unlike the field in the file)
	Size   uint64   // bytes
}

// Elements returns the number of values: the product of Dims.
func (t Tensor) Elements() uint64 {
	n := uint64(1)
	for _, d := range t.Dims {
		n *= d
	}
	return n
}

// Rows returns the number of contiguous rows of Dims[0] values: the product of Dims[1:].
func (t Tensor) Rows() uint64 {
	n := uint64(1)
	for _, d := range t.Dims[min(1, len(t.Dims)):] {
		n *= d
	}
	return n
}

// Tensor returns the tensor of that name, and whether there is one.
func (f *File) Tensor(name string) (Tensor, bool) {
	i, ok := f.names[name]
	if !ok {
		return Tensor{}, false
	}
	return f.Tensors[i], true
}

// Data returns the t.Size bytes of a tensor of this file. They are the mapping itself: read only, and
// gone after Close (a later Data panics, a slice kept from before faults). Of an assembled file they may be made for the call.
func (f *File) Data(t Tensor) []byte { return f.Range(t, 0, t.Size) }

// Range is bytes from to to of Data. Of an assembled file, only these are made.
func (f *File) Range(t Tensor, from, to uint64) []byte {
	if f.read != nil {
		return f.read(t, from, to)
	}
	end := t.Offset + to
	return f.data[t.Offset+from : end : end]
}

// Size returns the bytes of the whole file; of an assembled one, those that it would take.
func (f *File) Size() int64 { return max(f.size, int64(len(f.data))) }

// Keys returns the metadata keys in file order.
func (f *File) Keys() []string {
	keys := make([]string, len(f.Metadata))
	for i, kv := range f.Metadata {
		keys[i] = kv.Key
	}
	return keys
}

// Close releases the mapping. Metadata stays usable; tensor data does not. A second Close does nothing.
func (f *File) Close() error {
	unmap := f.close
	f.close, f.data, f.read = nil, nil, nil
	if unmap == nil {
		return nil
	}
	return unmap()
}
