// Package atomicfile writes files that appear under their names only when they are whole. Until then they are temporary files beside them, which an
// error removes. What a killed process leaves is never under the name; the next write to that name takes it over.
package atomicfile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// File is a file in the making. Commit or Drop must be called.
type File struct {
	*os.File // the temporary one
	path     string
	ended    bool
}

// Create begins the file that is to be at path, with mode as os.OpenFile takes it. Several may be made for the same path at the same time: the last
// that is committed stays.
func Create(path string, mode fs.FileMode) (*File, error) {
	for i := 0; ; i++ {
		temp := path + ".umbra.tmp"
		if i > 0 {
			temp = fmt.Sprintf("%s.%d.umbra.tmp", path, i)
		}
		f, err := claim(temp, mode)
		switch {
		case err == nil:
			return &File{File: f, path: path}, nil
		case !errors.Is(err, errTaken):
			return nil, err
		}
	}
}

// errTaken is a temporary file that somebody is writing.
var errTaken = errors.New("somebody writes it")

// Commit gives the file its name, in place of what was there. After an error there is no file but that.
func (f *File) Commit() error {
	if f.ended {
		return fs.ErrClosed
	}
	err := f.commit()
	if err != nil {
		return errors.Join(err, f.Drop())
	}
	f.ended = true
	return nil
}

// Drop removes the file. After Commit it does nothing.
func (f *File) Drop() error {
	if f.ended {
		return nil
	}
	f.ended = true
	closed := f.Close()
	if errors.Is(closed, fs.ErrClosed) {
		closed = nil
	}
	return errors.Join(closed, os.Remove(f.Name()))
}

// Write makes a file of what write writes, and waits until it is on the disk itself.
func Write(path string, mode fs.FileMode, write func(io.Writer) error) error {
	f, err := Create(path, mode)
	if err != nil {
		return err
	}
	defer f.Drop()
	if err := write(f); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	return f.Commit()
}
