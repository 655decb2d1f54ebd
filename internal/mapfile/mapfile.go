// Package mapfile maps whole files read-only.
package mapfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/edsrzf/mmap-go"
)

// Open maps a regular file and returns its bytes and what gives them back; an empty file, which cannot be mapped, is nil bytes and
// nothing to give back, which unmap does too.
//
// The mapping follows the file. If another process cuts the file short while it is open, reading the lost part raises SIGBUS, which
// Go reports as a fatal fault and no code here can turn into an error.
func Open(path string) (data []byte, unmap func() error, err error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, nil, err
	}
	defer file.Close() // the mapping outlives the descriptor
	info, err := file.Stat()
	if err != nil {
		return nil, nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, nil, fmt.Errorf("%s is not a regular file", info.Mode().Type())
	}
	size := info.Size()
	if size == 0 {
		return nil, func() error { return nil }, nil
	}
	if int64(int(size)) != size {
		return nil, nil, fmt.Errorf("%d bytes cannot be mapped by a 32-bit program; use a 64-bit build", size)
	}
	m, err := mmap.Map(file, mmap.RDONLY, 0)
	if err != nil {
		return nil, nil, err
	}
	return m, m.Unmap, nil
}

// Cause takes an error of Open apart for a message that names the file already: what was tried ("open"), and what went wrong.
func Cause(err error) (op string, cause error) {
	if sys := (*fs.PathError)(nil); errors.As(err, &sys) {
		return sys.Op, sys.Err
	}
	return "", err
}
