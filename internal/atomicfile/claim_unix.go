//go:build !windows

package atomicfile

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
)

// claim opens a temporary file that nobody writes, emptied. A lock that ends with the process tells those that are written from those that a killed
// process left.
func claim(temp string, mode fs.FileMode) (*os.File, error) {
	f, err := os.OpenFile(temp, os.O_RDWR|os.O_CREATE, mode)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, errTaken
		}
		return nil, &fs.PathError{Op: "flock", Path: temp, Err: err}
	}
	mine, err := f.Stat()
	if there, gone := os.Stat(temp); err == nil && (gone != nil || !os.SameFile(mine, there)) { // committed or dropped since it was opened
		f.Close()
		return nil, errTaken
	}
	if err == nil {
		err = f.Truncate(0)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// commit renames the file while it is locked, so that nobody takes it over between.
func (f *File) commit() error {
	if err := os.Rename(f.Name(), f.path); err != nil {
		return err
	}
	return f.Close()
}
