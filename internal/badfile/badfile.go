// Package badfile is what readers of model files say of a file that they refuse.
package badfile

import (
	"errors"
	"fmt"
	"strings"

	"umbra/internal/mapfile"
)

// Error says what is wrong with a file, and where.
type Error struct {
	Format string // in lower case, such as "gguf"
	Path   string // file, empty for bytes that are of none
	Offset int64  // byte of the file at which the offending field starts; -1 if no byte is at fault
	What   string // the part of the file at fault, such as `tensor "output.weight"`
	Err    error  // the cause; wraps one of the format's Err values, or an operating system error
}

// Error returns a line such as
//
//	gguf: m.gguf: tensor "blk.0.attn_q.weight": bad dimensions: dimension 1 of [64 0] is zero (at byte 1234)
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Format + ": ")
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

// Quote returns s as an error message shows it: quoted, and cut where a hostile file made it long.
func Quote(s string) string {
	const most = 80 // bytes; names in real files stay under 64
	if len(s) > most {
		return fmt.Sprintf("%q...", s[:most])
	}
	return fmt.Sprintf("%q", s)
}

// Open maps a file and has parse read it. It returns what gives the mapping back too. An *Error of parse gets the path; a file that cannot be
// opened or mapped gives one.
func Open[F any](format, path string, parse func(data []byte) (F, error)) (f F, unmap func() error, err error) {
	data, unmap, err := mapfile.Open(path)
	if err != nil {
		op, cause := mapfile.Cause(err)
		return f, nil, &Error{Format: format, Path: path, Offset: -1, What: op, Err: cause}
	}
	if f, err = parse(data); err != nil {
		var bad *Error
		if errors.As(err, &bad) {
			bad.Path = path
		}
		return f, nil, errors.Join(err, unmap())
	}
	return f, unmap, nil
}
