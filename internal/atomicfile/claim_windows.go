package atomicfile

import (
	"errors"
	"io/fs"
	"os"
)

// claim makes a temporary file. One that a killed process left is removed; the system lets nobody remove one that is open.
func claim(temp string, mode fs.FileMode) (*os.File, error) {
	os.Remove(temp)
	f, err := os.OpenFile(temp, os.O_RDWR|os.O_CREATE|os.O_EXCL, mode)
	if errors.Is(err, fs.ErrExist) {
		return nil, errTaken
	}
	return f, err
}

// commit closes the file first, as the system renames none that is open.
func (f *File) commit() error {
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), f.path)
}
