package gguf

import (
	"errors"

	"umbra/internal/badfile"
)

// Causes that errors.Is finds in an *Error.
var (
	ErrMagic     = errors.New("not a GGUF file")          // other kind of file, or big-endian
	ErrVersion   = errors.New("unsupported GGUF version") // neither 2 nor 3
	ErrTruncated = errors.New("file ends too early")      // a count, length or offset reaches past the end
	ErrType      = errors.New("type is not supported")    // tensor type the format doesn't have
	ErrShape     = errors.New("bad dimensions")           // none, too many, zero, too large, or not whole blocks
	ErrValue     = errors.New("bad metadata value")       // value type, boolean, nesting or alignment out of range
	ErrDuplicate = errors.New("name is used twice")       // key or tensor name
	ErrLayout    = errors.New("tensor data is misplaced") // misaligned or overlapping
)

// Error says what is wrong with a GGUF file, and where.
type Error = badfile.Error

func newError(offset int64, what string, err error) *Error {
	return &Error{Format: "gguf", Offset: offset, What: what, Err: err}
}
