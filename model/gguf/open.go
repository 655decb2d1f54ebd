package gguf

import "umbra/internal/badfile"

// Open maps a file read-only and decodes its header; its tensors are paged in as they are read. A bad
// file gives an *Error with the path; so does one that cannot be opened or mapped. The first file of a model
// in several (NAME-00001-of-00003.gguf) opens the others too, and they are as one.
//
// The mapping follows the file. If another process cuts the file short while it is open, reading the
// lost part raises SIGBUS, which Go reports as a fatal fault and no code here can turn into an error:
// replace a model by renaming a new file over it, never by writing into it.
func Open(path string) (*File, error) {
	f, err := openOne(path)
	if err != nil {
		return nil, err
	}
	if n, ok := f.Uint(splitCount); ok && n > 1 {
		return openParts(path, f)
	}
	return f, nil
}

// openOne opens a file that may be one of several.
func openOne(path string) (*File, error) {
	f, unmap, err := badfile.Open("gguf", path, Parse)
	if err != nil {
		return nil, err
	}
	f.close = unmap
	return f, nil
}
