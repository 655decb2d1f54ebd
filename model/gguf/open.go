package gguf

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/edsrzf/mmap-go"
)

// Open maps a file read-only and decodes its header; its tensors are paged in as they are read. A bad
// file gives an *Error with the path; so does one that cannot be opened or mapped.
//
// The mapping follows the file. If another process cuts the file short while it is open, reading the
// lost part raises SIGBUS, which Go reports as a fatal fault and no code here can turn into an error:
// replace a model by renaming a new file over it, never by writing into it.
func Open(path string) (*File, error) {
	data, err := mapFile(path)
	if err != nil {
		bad := &Error{Path: path, Offset: -1, Err: err}
		if sys := (*fs.PathError)(nil); errors.As(err, &sys) {
			bad.What, bad.Err = sys.Op, sys.Err // it would name the path again
		}
		return nil, bad
	}
	f, err := Parse(data)
	if err != nil {
		var bad *Error
		if errors.As(err, &bad) {
			bad.Path = path
		}
		if data != nil {
			err = errors.Join(err, data.Unmap())
		}
		return nil, err
	}
	f.close = data.Unmap
	return f, nil
}

// mapFile maps a regular file; nil for an empty one, which cannot be mapped.
func mapFile(path string) (mmap.MMap, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close() // the mapping outlives the descriptor
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file", info.Mode().Type())
	}
	if info.Size() == 0 {
		return nil, nil
	}
	if size := info.Size(); int64(int(size)) != size {
		return nil, fmt.Errorf("%d bytes cannot be mapped by a 32-bit program; use a 64-bit build", size)
	}
	return mmap.Map(file, mmap.RDONLY, 0)
}
