package safetensors

import (
	"errors"
	"fmt"
	"strings"
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

// Error says what is wrong with a safetensors file.
type Error struct {
	Path   string // file, empty for Parse
	Offset int64  // byte of the file at fault; -1 if there is none
	What   string // the part at fault, such as `tensor "lm_head.weight"`
	Err    error  // the cause; wraps one of the Err values above, or an operating system error
}

func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("safetensors: ")
	if e.Path != "" {
		b.WriteString(e.Path + ": ")
	}
	if e.What != "" {
		b.WriteString(e.What + ": ")
	}
	fmt.Fprint(&b, e.Err)
	if e.Offset >= 0 {
		fmt.Fprintf(&b, " (at byte %d)", e.Offset)
	}
	return b.String()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// quote returns s as an error message shows it: quoted, and cut where a hostile file made it long.
func quote(s string) string {
	const most = 80 // bytes; names in real files are about as long
	if len(s) > most {
		return fmt.Sprintf("%q...", s[:most])
	}
	return fmt.Sprintf("%q", s)
}
