package safetensors

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"umbra/internal/badfile"
)

const (
	lengthBytes = 8
	maxHeader   = 100_000_000 // bytes; the reference implementation's bound
	maxDims     = 8           // weights have at most 3, convolutions of other models 5
	metadataKey = "__metadata__"

	damaged = " (damaged or cut short; download it again)"
)

// Parse decodes a file held in memory. Tensor data stays in data, which must not change while the File is in use. A bad file gives an
// *Error.
func Parse(data []byte) (*File, error) {
	header, err := headerOf(data)
	if err != nil {
		return nil, err
	}
	f := &File{data: data, names: map[string]int{}}
	d := json.NewDecoder(bytes.NewReader(header))
	if err := f.read(d); err != nil {
		var bad *Error
		if !errors.As(err, &bad) {
			bad = newError(0, "header", fmt.Errorf("%w: %w", ErrHeader, err))
		}
		bad.Offset = lengthBytes + min(d.InputOffset(), int64(len(header)))
		return nil, bad
	}
	if err := f.place(lengthBytes + uint64(len(header))); err != nil {
		return nil, err
	}
	return f, nil
}

// headerOf returns the header's JSON.
func headerOf(data []byte) ([]byte, error) {
	bad := func(at int64, format string, args ...any) error {
		return newError(at, "header", fmt.Errorf(format, args...))
	}
	if hint := kindOf(data); hint != "" {
		return nil, bad(0, "%w: %s", ErrHeader, hint)
	}
	if len(data) < lengthBytes {
		return nil, bad(0, "%w: %d bytes, fewer than the length of a header takes%s", ErrTruncated, len(data), damaged)
	}
	n := binary.LittleEndian.Uint64(data)
	if n > maxHeader {
		return nil, bad(0, "%w: a header of %d bytes is above %d", ErrHeader, n, maxHeader)
	}
	if left := uint64(len(data) - lengthBytes); n > left {
		return nil, bad(0, "%w: header of %d bytes with %d bytes left%s", ErrTruncated, n, left, damaged)
	}
	header := data[lengthBytes : lengthBytes+n]
	if n == 0 || header[0] != '{' {
		return nil, bad(lengthBytes, "%w: the header starts with %q, want %q", ErrHeader, header[:min(n, 4)], "{")
	}
	return header, nil
}

// read reads the header's object: metadata, and tensors with Offset relative to the data.
func (f *File) read(d *json.Decoder) error {
	if _, err := d.Token(); err != nil { // the brace that headerOf has seen
		return err
	}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return err
		}
		name := key.(string) // the decoder lets no other key through
		if name == metadataKey {
			if f.Metadata != nil {
				return newError(0, "key "+badfile.Quote(name), ErrDuplicate)
			}
			f.Metadata = map[string]string{}
			if err := d.Decode(&f.Metadata); err != nil {
				return err
			}
			continue
		}
		t, err := readTensor(d, name)
		if err != nil {
			return err
		}
		if _, ok := f.names[name]; ok {
			return newError(0, "tensor "+badfile.Quote(name), ErrDuplicate)
		}
		f.names[name] = len(f.Tensors)
		f.Tensors = append(f.Tensors, t)
	}
	if _, err := d.Token(); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) { // spaces may follow
		return errors.New("more follows the header's object")
	}
	return nil
}

// readTensor reads one tensor's description.
func readTensor(d *json.Decoder, name string) (t Tensor, err error) {
	var info struct {
		Type    Type     `json:"dtype"`
		Shape   []uint64 `json:"shape"`
		Offsets []uint64 `json:"data_offsets"`
	}
	bad := func(err error) (Tensor, error) { return t, newError(0, "tensor "+badfile.Quote(name), err) }
	if err := d.Decode(&info); err != nil {
		return bad(fmt.Errorf("%w: %w", ErrHeader, err))
	}
	if len(info.Offsets) != 2 {
		return bad(fmt.Errorf("%w: %d data_offsets, want begin and end", ErrHeader, len(info.Offsets)))
	}
	size, err := info.Type.size(info.Shape)
	if err != nil {
		return bad(err)
	}
	begin, end := info.Offsets[0], info.Offsets[1]
	if end < begin || end-begin != size {
		return bad(fmt.Errorf("%w: %v of %s take %d bytes, data_offsets are %d to %d", ErrShape, info.Shape, info.Type, size, begin, end))
	}
	return Tensor{Name: name, Type: info.Type, Shape: info.Shape, Offset: begin, Size: size}, nil
}

// place turns offsets, relative to byte start, into absolute ones, and checks that tensors lie in the file, one after the other, with
// nothing between, as the format asks.
func (f *File) place(start uint64) error {
	have := uint64(len(f.data)) - start
	order := make([]int, len(f.Tensors))
	for i := range f.Tensors {
		t := &f.Tensors[i]
		if t.Offset > have || t.Size > have-t.Offset {
			return f.misplaced(*t, fmt.Errorf("%w: %d bytes at %d of the tensor data, which is %d bytes long%s", ErrTruncated, t.Size, t.Offset, have, damaged))
		}
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int {
		x, y := f.Tensors[a], f.Tensors[b]
		return cmp.Or(cmp.Compare(x.Offset, y.Offset), cmp.Compare(x.Size, y.Size))
	})
	end, before := uint64(0), ""
	for _, i := range order {
		t := &f.Tensors[i]
		switch {
		case t.Offset < end:
			return f.misplaced(*t, fmt.Errorf("%w: overlaps tensor %s by %d bytes", ErrLayout, badfile.Quote(before), end-t.Offset))
		case t.Offset > end:
			return f.misplaced(*t, fmt.Errorf("%w: %d bytes before it belong to no tensor", ErrLayout, t.Offset-end))
		}
		end, before = t.Offset+t.Size, t.Name
		t.Offset += start
	}
	if end != have {
		return newError(int64(start+end), "data", fmt.Errorf("%w: the last %d bytes belong to no tensor", ErrLayout, have-end))
	}
	return nil
}

func (f *File) misplaced(t Tensor, err error) error {
	return newError(-1, "tensor "+badfile.Quote(t.Name), err)
}

// kindOf names the kind of file that data starts, for people who took the wrong one; "" for none that is known.
func kindOf(data []byte) string {
	for _, k := range []struct{ prefix, hint string }{
		{"GGUF", "GGUF file; open it by its own name"},
		{"PK\x03\x04", "zip archive, perhaps a PyTorch checkpoint; get the model's safetensors files"},
		{"version https://git-lfs", "Git LFS pointer; fetch the file itself with `git lfs pull`"},
		{"<!", "web page; download the file itself"},
		{"<h", "web page; download the file itself"},
	} {
		if bytes.HasPrefix(data, []byte(k.prefix)) {
			return k.hint
		}
	}
	return ""
}
