package gguf

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"umbra/internal/badfile"
)

// Writer gathers metadata and tensors and writes them as a version 3 file. It keeps the first error of
// Set, Add and AddFrom, which WriteTo returns; all errors are *Error or the destination's own. What it
// writes, Parse reads back the same.
type Writer struct {
	file    File // Version, Alignment, Metadata and Tensors of the file to be; Offset relative to the data
	end     uint64
	sources []source // one per tensor
	err     error
}

// source is where a tensor's bytes come from: data, or r if it is not nil.
type source struct {
	data []byte
	r    io.Reader
}

// NewWriter returns a Writer of an empty file.
func NewWriter() *Writer {
	return &Writer{file: File{
		Version:   3,
		Alignment: defaultAlignment,
		keys:      map[string]int{},
		names:     map[string]int{},
	}}
}

func (w *Writer) fail(what, name string, err error) {
	if w.err == nil {
		w.err = newError(-1, what+" "+badfile.Quote(name), err)
	}
}

// Set adds a metadata entry after those already there. value is one of the Go types listed at ValueType;
// slices are kept, not copied. A key may be set once. "general.alignment" (a uint32 power of two from 8
// up) sets the alignment of the tensors and must come before the first of them.
func (w *Writer) Set(key string, value any) {
	f := &w.file
	w.checkName("key", key, f.keys)
	if _, err := appendValue(nil, value, 0); err != nil {
		w.fail("key", key, err)
	}
	if key == alignmentKey && w.err == nil {
		a, ok := value.(uint32)
		err := checkAlignment(uint64(a), ok)
		if len(f.Tensors) > 0 {
			err = errors.New("set it before the first tensor")
		}
		if err != nil {
			w.fail("key", key, err)
		}
		f.Alignment = uint64(a)
	}
	f.keys[key] = len(f.Metadata)
	f.Metadata = append(f.Metadata, KV{key, value})
}

// Add adds a tensor after those already there; dims is in the order of Tensor.Dims. data must have the
// bytes that type and dims take. Both are kept, not copied.
func (w *Writer) Add(name string, t Type, dims []uint64, data []byte) {
	size := w.add(name, t, dims, source{data: data})
	if w.err == nil && uint64(len(data)) != size {
		w.fail("tensor", name, fmt.Errorf("%w: %d bytes of data, %v of %s take %d", ErrShape, len(data), dims, t, size))
	}
}

// AddFrom is Add with data that WriteTo reads from r when the tensor's turn comes. r must end after
// exactly the bytes that type and dims take.
func (w *Writer) AddFrom(name string, t Type, dims []uint64, r io.Reader) {
	w.add(name, t, dims, source{r: r})
}

// add returns the tensor's bytes.
func (w *Writer) add(name string, t Type, dims []uint64, src source) uint64 {
	f := &w.file
	w.checkName("tensor", name, f.names)
	size, err := t.bytes(dims)
	if err == nil && w.end+size > 1<<62 {
		err = fmt.Errorf("%w: more than 2^62 bytes of tensors", ErrShape)
	}
	if err != nil {
		w.fail("tensor", name, err)
		return 0
	}
	f.names[name] = len(f.Tensors)
	f.Tensors = append(f.Tensors, Tensor{Name: name, Type: t, Dims: dims, Offset: w.end, Size: size})
	w.sources = append(w.sources, src)
	w.end = alignUp(w.end+size, f.Alignment)
	return size
}

func (w *Writer) checkName(what, name string, seen map[string]int) {
	if len(name) > maxKey {
		w.fail(what, name, fmt.Errorf("%w: name of %d bytes, at most %d are allowed", ErrValue, len(name), maxKey))
	}
	if _, ok := seen[name]; ok {
		w.fail(what, name, ErrDuplicate)
	}
}

// WriteTo writes the file and returns the bytes written. It can be called again unless AddFrom was used.
func (w *Writer) WriteTo(dst io.Writer) (int64, error) {
	if w.err != nil {
		return 0, w.err
	}
	head, err := w.header()
	if err != nil {
		return 0, err
	}
	count := &counter{w: dst}
	out := bufio.NewWriterSize(count, 1<<16)
	out.Write(w.pad(head)) // bufio keeps the error for Flush
	for i, t := range w.file.Tensors {
		if err := w.sources[i].copyTo(out, t.Size); err != nil {
			return count.n, newError(-1, "tensor "+badfile.Quote(t.Name), err)
		}
		out.Write(make([]byte, alignUp(t.Size, w.file.Alignment)-t.Size))
	}
	err = out.Flush()
	return count.n, err
}

// header encodes everything before the tensor data, without the padding.
func (w *Writer) header() ([]byte, error) {
	le := binary.LittleEndian
	b := le.AppendUint32([]byte(magic), w.file.Version)
	b = le.AppendUint64(b, uint64(len(w.file.Tensors)))
	b = le.AppendUint64(b, uint64(len(w.file.Metadata)))
	for _, kv := range w.file.Metadata {
		b = appendString(b, kv.Key)
		t, _, err := typeOf(kv.Value)
		if err == nil {
			b, err = appendValue(le.AppendUint32(b, uint32(t)), kv.Value, 0)
		}
		if err != nil { // a slice changed after Set
			return nil, newError(-1, "key "+badfile.Quote(kv.Key), err)
		}
	}
	for _, t := range w.file.Tensors {
		b = appendString(b, t.Name)
		b = le.AppendUint32(b, uint32(len(t.Dims)))
		for _, d := range t.Dims {
			b = le.AppendUint64(b, d)
		}
		b = le.AppendUint32(b, uint32(t.Type))
		b = le.AppendUint64(b, t.Offset)
	}
	return b, nil
}

func (w *Writer) pad(b []byte) []byte {
	n := uint64(len(b))
	return append(b, make([]byte, alignUp(n, w.file.Alignment)-n)...)
}

// copyTo writes exactly size bytes.
func (s source) copyTo(out *bufio.Writer, size uint64) error {
	if s.r == nil {
		_, err := out.Write(s.data)
		return err
	}
	n, err := io.CopyN(out, s.r, int64(size))
	if err == io.EOF {
		return fmt.Errorf("%w: reader ended after %d of %d bytes", ErrShape, n, size)
	}
	if err != nil {
		return err
	}
	if extra, _ := io.ReadFull(s.r, make([]byte, 1)); extra != 0 {
		return fmt.Errorf("%w: reader has more than the %d bytes of the tensor", ErrShape, size)
	}
	return nil
}

// counter counts the bytes that reach w.
type counter struct {
	w io.Writer
	n int64
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}
