// Package safetensors reads safetensors files: the container that Hugging Face's models keep their weights in. A file is 8 bytes of
// length, a header of JSON that names each tensor's type, shape and bytes, and those bytes.
//
// Open maps a file and decodes its header; tensor data stays in the mapping and is never copied. Whatever a header claims is
// checked against the bytes that are there, so a hostile file costs an *Error and no more memory than its header's size. The
// package knows how many bytes a type takes, never what they mean.
//
// The format: https://github.com/huggingface/safetensors
package safetensors

import "umbra/internal/badfile"

// File is a decoded file. It may be read from several goroutines, but not while Close runs.
type File struct {
	Metadata map[string]string // the header's "__metadata__"; nil if there is none
	Tensors  []Tensor          // in the header's order; read only

	names map[string]int // index into Tensors
	data  []byte         // the whole file
	close func() error   // unmaps data; nil for Parse
}

// Tensor describes one tensor of a file.
type Tensor struct {
	Name   string
	Type   Type
	Shape  []uint64 // the last is the length of a contiguous row (C order, unlike GGUF's); none for a single value
	Offset uint64   // bytes from the start of the file
	Size   uint64   // bytes
}

// Elements returns the number of values: the product of Shape.
func (t Tensor) Elements() uint64 {
	n := uint64(1)
	for _, d := range t.Shape {
		n *= d
	}
	return n
}

// Open maps a file read-only and decodes its header. A bad file gives an *Error with the path; so does one that cannot be opened or
// mapped. What mapfile.Open says of files that are cut short while they are open holds here.
func Open(path string) (*File, error) {
	f, unmap, err := badfile.Open("safetensors", path, Parse)
	if err != nil {
		return nil, err
	}
	f.close = unmap
	return f, nil
}

// Tensor returns the tensor of that name, and whether there is one.
func (f *File) Tensor(name string) (Tensor, bool) {
	i, ok := f.names[name]
	if !ok {
		return Tensor{}, false
	}
	return f.Tensors[i], true
}

// Data returns the t.Size bytes of a tensor of this file, little-endian. They are the mapping itself: read only, and gone after Close.
func (f *File) Data(t Tensor) []byte {
	end := t.Offset + t.Size
	return f.data[t.Offset:end:end]
}

// Size returns the bytes of the whole file.
func (f *File) Size() int64 { return int64(len(f.data)) }

// Close releases the mapping. A second Close does nothing.
func (f *File) Close() error {
	unmap := f.close
	f.close, f.data = nil, nil
	if unmap == nil {
		return nil
	}
	return unmap()
}
