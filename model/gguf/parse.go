package gguf

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"math/bits"
	"slices"
	"strconv"

	"umbra/internal/badfile"
)

const (
	magic            = "GGUF"
	maxDims          = 4     // GGML_MAX_DIMS
	maxKey           = 65535 // bytes; the format's bound, which we use for tensor names too (ggml's own is 63)
	defaultAlignment = 32    // GGUF_DEFAULT_ALIGNMENT
	maxAlignment     = 1 << 20
	alignmentKey     = "general.alignment"

	minKV     = 8 + 4 + 1         // bytes: key length, value type, smallest value
	minTensor = 8 + 4 + 8 + 4 + 8 // bytes: name length, dimension count, one dimension, type, offset
)

// Parse decodes a file held in memory. Tensor data stays in data, which must not change while the File is
// in use; metadata and names are copied. A bad file gives an *Error.
func Parse(data []byte) (*File, error) {
	d := &decoder{data: data, kind: "header"}
	f := &File{data: data}
	kvs, tensors := d.header(f)
	d.metadata(f, kvs)
	offsets := d.tensors(f, tensors)
	d.place(f, offsets)
	if d.err != nil {
		return nil, d.err
	}
	return f, nil
}

// header reads everything before the metadata and returns the numbers of entries and tensors.
func (d *decoder) header(f *File) (kvs, tensors uint64) {
	if n := min(len(d.data), len(magic)); string(d.data[:n]) != magic[:n] {
		d.fail(0, fmt.Errorf("%w: %s", ErrMagic, kindOf(d.data)))
		return 0, 0
	}
	d.take(uint64(len(magic)))
	at := d.off
	f.Version = d.u32()
	if d.err == nil {
		if err := checkVersion(f.Version); err != nil {
			d.fail(at, err)
		}
	}
	tensors, kvs = d.u64(), d.u64()
	if d.fits(kvs, minKV, "metadata entries") {
		d.fits(tensors, minTensor, "tensors")
	}
	return kvs, tensors
}

func checkVersion(v uint32) error {
	switch {
	case v == 2 || v == 3:
		return nil
	case v == 1:
		return fmt.Errorf("%w: version 1 (32-bit sizes); convert the model again to get version 3", ErrVersion)
	case bits.ReverseBytes32(v)-1 < 3:
		return fmt.Errorf("%w: version %d big-endian; swap it with llama.cpp's gguf_convert_endian.py", ErrVersion, bits.ReverseBytes32(v))
	}
	return fmt.Errorf("%w: version %d, want 2 or 3; the file needs a newer umbra", ErrVersion, v)
}

// metadata reads n entries into f.
func (d *decoder) metadata(f *File, n uint64) {
	d.kind = "key"
	f.keys = make(map[string]int, min(n, prealloc))
	f.Metadata = make([]KV, 0, min(n, prealloc))
	f.Alignment = defaultAlignment
	for i := uint64(0); i < n && d.err == nil; i++ {
		key := d.newName(i, f.keys)
		t := ValueType(d.u32())
		at := d.off
		v := d.value(t, 0)
		f.Metadata = append(f.Metadata, KV{key, v})
		if key == alignmentKey && d.err == nil {
			d.alignment(f, at)
		}
	}
}

// alignment takes over the alignment that the file asks for; its value stands at byte at.
func (d *decoder) alignment(f *File, at int) {
	a, ok := f.Uint(alignmentKey)
	if err := checkAlignment(a, ok); err != nil {
		d.fail(at, err)
		return
	}
	f.Alignment = a
}

func checkAlignment(a uint64, ok bool) error {
	if ok && a >= 8 && a <= maxAlignment && a&(a-1) == 0 {
		return nil
	}
	if !ok {
		return fmt.Errorf("%w: alignment is not a positive integer", ErrValue)
	}
	return fmt.Errorf("%w: alignment %d, want a power of two from 8 to %d", ErrValue, a, maxAlignment)
}

// newName reads the name of entry i, adds it to seen, and refuses one that is there already.
func (d *decoder) newName(i uint64, seen map[string]int) string {
	d.name = strconv.FormatUint(i, 10)
	at := d.off
	name := string(d.bytes("name"))
	if d.err != nil {
		return ""
	}
	d.name = badfile.Quote(name)
	if len(name) > maxKey {
		d.fail(at, fmt.Errorf("%w: name of %d bytes, at most %d are allowed", ErrValue, len(name), maxKey))
	}
	if first, ok := seen[name]; ok {
		d.fail(at, fmt.Errorf("%w: entries %d and %d", ErrDuplicate, first, i))
	}
	seen[name] = int(i)
	return name
}

// tensors reads n descriptions into f, Offset still relative to the data section, and returns where in
// the file each offset field stands.
func (d *decoder) tensors(f *File, n uint64) (offsets []int) {
	d.kind, d.name = "tensor", ""
	f.names = make(map[string]int, min(n, prealloc))
	f.Tensors = make([]Tensor, 0, min(n, prealloc))
	d.fits(n, minTensor, "tensors") // again: metadata has been read since
	for i := uint64(0); i < n && d.err == nil; i++ {
		t := Tensor{Name: d.newName(i, f.names)}
		at := d.off
		count := d.u32()
		if d.err == nil && (count == 0 || count > maxDims) {
			d.fail(at, fmt.Errorf("%w: %d dimensions, want 1 to %d", ErrShape, count, maxDims))
		}
		if raw := d.take(8 * uint64(count)); d.err == nil {
			t.Dims = make([]uint64, count)
			mustDecode(raw, t.Dims)
		}
		typeAt := d.off
		t.Type = Type(d.u32())
		if err := t.Type.check(); err != nil {
			d.fail(typeAt, err)
		}
		if d.err == nil {
			var err error
			if t.Size, err = t.Type.bytes(t.Dims); err != nil {
				d.fail(at, err)
			}
		}
		offsets = append(offsets, d.off)
		t.Offset = d.u64()
		f.Tensors = append(f.Tensors, t)
	}
	return offsets
}

// place turns relative tensor offsets into absolute ones and checks that every tensor is aligned, inside
// the file, and on bytes of its own. offsets tells where the offset fields stand.
func (d *decoder) place(f *File, offsets []int) {
	if d.err != nil {
		return
	}
	f.DataOffset = alignUp(uint64(d.off), f.Alignment)
	size := uint64(len(d.data))
	order := make([]int, len(f.Tensors))
	for i := range f.Tensors {
		t := &f.Tensors[i]
		d.name = badfile.Quote(t.Name)
		if t.Offset%f.Alignment != 0 {
			d.fail(offsets[i], fmt.Errorf("%w: offset %d is not a multiple of the alignment %d", ErrLayout, t.Offset, f.Alignment))
		}
		if f.DataOffset > size || t.Offset > size-f.DataOffset || t.Size > size-f.DataOffset-t.Offset {
			d.fail(offsets[i], fmt.Errorf("%w: %d bytes at %d of the tensor data, which is %d bytes long%s",
				ErrTruncated, t.Size, t.Offset, size-min(size, f.DataOffset), damaged))
		}
		if d.err != nil {
			return
		}
		t.Offset += f.DataOffset
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int {
		return cmp.Compare(f.Tensors[a].Offset, f.Tensors[b].Offset)
	})
	for i := 1; i < len(order) && d.err == nil; i++ {
		a, b := f.Tensors[order[i-1]], f.Tensors[order[i]]
		if a.Offset+a.Size > b.Offset {
			d.name = badfile.Quote(b.Name)
			d.fail(offsets[order[i]], fmt.Errorf("%w: overlaps tensor %s by %d bytes", ErrLayout, badfile.Quote(a.Name), a.Offset+a.Size-b.Offset))
		}
	}
}

func alignUp(n, alignment uint64) uint64 { return (n + alignment - 1) &^ (alignment - 1) }

// kindOf names the kind of file that data starts, for people who took the wrong one.
func kindOf(data []byte) string {
	for _, k := range []struct{ prefix, hint string }{
		{"FUGG", "magic is byte-swapped; convert the model again"},
		{"ggml", "old GGML file; convert the model again"},
		{"lmgg", "old GGML file; convert the model again"},
		{"tjgg", "old GGJT file; convert the model again"},
		{"fmgg", "old GGMF file; convert the model again"},
		{"algg", "old GGLA adapter; convert it again"},
		{"PK\x03\x04", "zip archive, perhaps a PyTorch checkpoint; convert it with llama.cpp's convert_hf_to_gguf.py"},
		{"\x89HDF", "HDF5 file; convert the model to GGUF"},
		{"version https://git-lfs", "Git LFS pointer; fetch the file itself with `git lfs pull`"},
		{"<", "web page or XML; download the file itself"},
		{"\x1f\x8b", "gzip archive; unpack it first"},
		{"\x28\xb5\x2f\xfd", "zstd archive; unpack it first"},
	} {
		if len(data) >= len(k.prefix) && string(data[:len(k.prefix)]) == k.prefix {
			return k.hint
		}
	}
	if len(data) > 8 && data[8] == '{' && binary.LittleEndian.Uint64(data) <= uint64(len(data)) {
		return "safetensors file; open the folder that it is in, with its config.json"
	}
	return fmt.Sprintf("starts with %q, want %q", data[:min(len(data), 4)], magic)
}
