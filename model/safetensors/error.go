package safetensors

import (
	"errors"

	"umbra/internal/badfile"
)

// Causes that errors.Is finds in an *Error.
var (
	ErrHeader    = errors.New("not a safetensors file")   // other kind of file, or a header that is no such JSON
	ErrTruncated = errors.New("file ends too early")      // a length or offset reaches past the end
	ErrType      = errors.New("type is not known")        // dtype the format doesn't have
	ErrShape     = errors.New("bad shape")                // too large, or not of the bytes that are there
	ErrDuplicate = errors.New("name is used twice")       // of tensors, or of metadata
	ErrLayout    = errors.New("tensor data is misplaced") // overlapping, or with bytes between that belong to none
)

// Error says what is wrong with a safetensors file, and where.
type Error = badfile.Error

func newError(offset int64, what string, err error) *Error {
	return &Error{Format: "safetensors", Offset: offset, What: what, Err: err}
}
