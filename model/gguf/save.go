package gguf

import (
	"io"

	"umbra/internal/atomicfile"
)

// Save writes the file to path. It takes its name only when it is whole and on disk (package atomicfile): a run that fails or is
// killed leaves what was there before.
func (w *Writer) Save(path string) error {
	if w.err != nil {
		return w.err
	}
	return atomicfile.Write(path, 0o666, func(f io.Writer) error {
		_, err := w.WriteTo(f)
		return err
	})
}
