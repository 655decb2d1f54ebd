package gguf

import (
	"errors"
	"fmt"
	"strings"
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
type Error struct {
	Path   string // file, empty for Parse
	Offset int64  // byte of the file at which the offending field starts; -1 if no byte is at fault
	What   string // the part of the file at fault, such as `tensor "output.weight"`
	Err    error  // the cause; wraps one of the Err values above, or an operating system error
}

// Error returns a line such as
//
//	gguf: m.gguf: tensor "blk.0.attn_q.weight": bad dimensions: dimension 1 of [64 0] is zero (at byte 1234)
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("gguf: ")
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
	const most = 80 // bytes; names in real files stay under 64
	if len(s) > most {
		return fmt.Sprintf("%q...", s[:most])
	}
	return fmt.Sprintf("%q", s)
}
