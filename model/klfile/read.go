package klfile

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/klauspost/compress/zstd"
)

// Reader reads a file row by row.
type Reader struct {
	Header Header
	Tokens []int32 // of the text

	path  string
	file  io.Closer
	frame *zstd.Decoder
	rows  int
	raw   []byte // a row's bytes, kept for its room
}

// Open reads a file's header and tokens. What it says is right if all rows are read without an error: the checksum comes last.
func Open(path string) (*Reader, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("klfile: %w", err)
	}
	r, err := newReader(f)
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("klfile: %s: %w", path, err)
	}
	r.path, r.file = path, f
	return r, nil
}

func newReader(src io.Reader) (*Reader, error) {
	h, err := readHeader(src)
	if err != nil {
		return nil, err
	}
	frame, err := zstd.NewReader(src, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(64<<20))
	if err != nil {
		return nil, err
	}
	r := &Reader{Header: h, frame: frame, file: io.NopCloser(nil)}
	// Grown as it is read: a header that promises more than there is costs no memory.
	var word [4]byte
	for range h.Tokens {
		if err := r.fill(word[:]); err != nil {
			frame.Close()
			return nil, err
		}
		t := int32(binary.LittleEndian.Uint32(word[:]))
		if t < 0 || int(t) >= h.Vocab {
			frame.Close()
			return nil, fmt.Errorf("token %d of a vocabulary of %d: %w", t, h.Vocab, ErrDamaged)
		}
		r.Tokens = append(r.Tokens, t)
	}
	return r, nil
}

// fill reads all of b.
func (r *Reader) fill(b []byte) error {
	if n, err := io.ReadFull(r.frame, b); err != nil {
		return fmt.Errorf("after %d of %d rows and %d bytes: %w (%w)", r.rows, r.Header.Rows, n, ErrDamaged, err)
	}
	return nil
}

// Next reads the next row into room of its own. With the last one the file's checksum is checked; io.EOF comes after it.
func (r *Reader) Next(row *Row) error {
	if r.rows == r.Header.Rows {
		return io.EOF
	}
	if err := r.next(row); err != nil {
		return fmt.Errorf("klfile: %s: %w", r.path, err)
	}
	return nil
}

func (r *Reader) next(row *Row) error {
	if r.raw == nil {
		r.raw = make([]byte, rowBytes(r.Header.Vocab))
	}
	if err := r.fill(r.raw); err != nil {
		return err
	}
	if r.rows++; r.rows == r.Header.Rows {
		switch n, err := r.frame.Read(make([]byte, 1)); {
		case n > 0:
			return fmt.Errorf("it goes on after its last row: %w", ErrDamaged)
		case !errors.Is(err, io.EOF):
			return fmt.Errorf("at its end: %w (%w)", ErrDamaged, err)
		}
	}
	return row.decode(r.raw)
}

// Close closes the file.
func (r *Reader) Close() error {
	r.frame.Close()
	return r.file.Close()
}
