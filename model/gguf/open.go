package gguf

import (
	"errors"

	"umbra/internal/mapfile"
)

// Open maps a file read-only and decodes its header; its tensors are paged in as they are read. A bad
// file gives an *Error with the path; so does one that cannot be opened or mapped.
//
// The mapping follows the file. If another process cuts the file short while it is open, reading the
// lost part raises SIGBUS, which Go reports as a fatal fault and no code here can turn into an error:
// replace a model by renaming a new file over it, never by writing into it.
func Open(path string) (*File, error) {
	data, unmap, err := mapfile.Open(path)
	if err != nil {
		op, cause := mapfile.Cause(err)
		return nil, &Error{Path: path, Offset: -1, What: op, Err: cause}
	}
	f, err := Parse(data)
	if err != nil {
		var bad *Error
		if errors.As(err, &bad) {
			bad.Path = path
		}
		return nil, errors.Join(err, unmap())
	}
	f.close = unmap
	return f, nil
}
