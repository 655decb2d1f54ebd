package gguf

import (
	"fmt"
	"math/rand/v2"
	"os"
)

// Save writes the file to path, through a temporary file beside it (path, a number and ".tmp") that takes its name
// only when it is whole and on disk: a run that is killed leaves what was there before. An error removes the temporary file.
func (w *Writer) Save(path string) (err error) {
	if w.err != nil {
		return w.err
	}
	temp := fmt.Sprintf("%s.%08x.tmp", path, rand.Uint32())
	f, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(temp)
		}
	}()
	if _, err := w.WriteTo(f); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(temp, path)
}
