package gguf

import (
	"encoding/binary"
	"fmt"
)

// prealloc is the most list entries allocated on a header's word; longer lists grow as entries are read.
const prealloc = 4096

// damaged ends messages about missing bytes.
const damaged = " (damaged or cut short; download it again)"

// decoder reads little-endian fields one after the other. It keeps its first error; after it every
// read returns zero and moves nothing.
type decoder struct {
	data []byte
	off  int    // next byte
	kind string // what is being read: "header", "key", "tensor"
	name string // which one: a number, then the quoted name once it is known
	err  *Error
}

// fail records err for the field that starts at byte at, unless there is an error already.
func (d *decoder) fail(at int, err error) {
	if d.err != nil {
		return
	}
	what := d.kind
	if d.name != "" {
		what += " " + d.name
	}
	d.err = newError(int64(at), what, err)
}

// left returns the bytes not yet read.
func (d *decoder) left() uint64 { return uint64(len(d.data) - d.off) }

// fits reports whether n entries of at least size bytes each can follow, and fails if they can't.
func (d *decoder) fits(n, size uint64, noun string) bool {
	if d.err == nil && n > d.left()/size {
		d.fail(d.off, fmt.Errorf("%w: %d %s of at least %d bytes cannot be in the %d bytes that follow%s",
			ErrTruncated, n, noun, size, d.left(), damaged))
	}
	return d.err == nil
}

// take returns the next n bytes, a part of data; nil after an error.
func (d *decoder) take(n uint64) []byte {
	if d.err == nil && n > d.left() {
		d.fail(d.off, fmt.Errorf("%w: need %d bytes, %d are left%s", ErrTruncated, n, d.left(), damaged))
	}
	if d.err != nil {
		return nil
	}
	start := d.off
	d.off += int(n)
	return d.data[start:d.off:d.off]
}

func (d *decoder) u32() uint32 {
	if b := d.take(4); b != nil {
		return binary.LittleEndian.Uint32(b)
	}
	return 0
}

func (d *decoder) u64() uint64 {
	if b := d.take(8); b != nil {
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}

// bytes reads a length and that many bytes, a part of data; noun names them in an error, which points
// at the length.
func (d *decoder) bytes(noun string) []byte {
	at := d.off
	n := d.u64()
	if d.err == nil && n > d.left() {
		d.fail(at, fmt.Errorf("%w: %s of %d bytes with %d bytes left%s",
			ErrTruncated, noun, n, d.left(), damaged))
	}
	return d.take(n)
}
