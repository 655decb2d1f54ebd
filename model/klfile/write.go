package klfile

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/klauspost/compress/zstd"
)

// Writer writes a file row by row. It appears under its name only when it is whole.
type Writer struct {
	path   string
	header Header
	file   *os.File // a temporary one; nil when closed
	frame  *zstd.Encoder
	rows   int
	raw    []byte // a row's bytes, kept for its room
}

// Create begins a file of a text's tokens. h says how many rows there will be; Tokens is filled in. Close must be called.
func Create(path string, h Header, tokens []int32) (*Writer, error) {
	h.Tokens = len(tokens)
	if err := h.check(); err != nil {
		return nil, fmt.Errorf("klfile: %s: %w", path, err)
	}
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*.tmp")
	if err != nil {
		return nil, fmt.Errorf("klfile: %w", err)
	}
	w := &Writer{path: path, header: h, file: f}
	if err := w.begin(tokens); err != nil {
		return nil, w.drop(err)
	}
	return w, nil
}

func (w *Writer) begin(tokens []int32) error {
	head, err := kind.Bytes(w.header)
	if err != nil {
		return err
	}
	if _, err := w.file.Write(head); err != nil {
		return err
	}
	if w.frame, err = newFrame(w.file); err != nil {
		return err
	}
	raw := make([]byte, 0, 4*len(tokens))
	for _, t := range tokens {
		raw = binary.LittleEndian.AppendUint32(raw, uint32(t))
	}
	_, err = w.frame.Write(raw)
	return err
}

func newFrame(w io.Writer) (*zstd.Encoder, error) {
	return zstd.NewWriter(w, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderCRC(true))
}

// Write adds a row. After an error there is no file.
func (w *Writer) Write(r *Row) error {
	if w.file == nil {
		return fmt.Errorf("klfile: %s is closed", w.path)
	}
	if len(r.Codes) != w.header.Vocab || w.rows == w.header.Rows {
		return w.drop(fmt.Errorf("row %d of %d has %d tokens of %d", w.rows+1, w.header.Rows, len(r.Codes), w.header.Vocab))
	}
	w.rows++
	w.raw = r.append(w.raw[:0])
	if _, err := w.frame.Write(w.raw); err != nil {
		return w.drop(err)
	}
	return nil
}

// Close ends the file if all of its rows are written, and else leaves nothing. Closing twice does nothing.
func (w *Writer) Close() error {
	if w.file == nil {
		return nil
	}
	if w.rows != w.header.Rows {
		return w.drop(fmt.Errorf("%d rows of %d were written", w.rows, w.header.Rows))
	}
	if err := w.frame.Close(); err != nil {
		return w.drop(err)
	}
	err := w.file.Close()
	if err == nil {
		err = os.Rename(w.file.Name(), w.path)
	}
	if err != nil {
		return w.drop(err)
	}
	w.file = nil
	return nil
}

// drop takes the temporary file away and returns err with the path.
func (w *Writer) drop(err error) error {
	if w.frame != nil {
		w.frame.Reset(nil)
	}
	closed := w.file.Close()
	if errors.Is(closed, os.ErrClosed) {
		closed = nil
	}
	removed := os.Remove(w.file.Name())
	w.file = nil
	return fmt.Errorf("klfile: %s: %w", w.path, errors.Join(err, closed, removed))
}
