package gguf

import "umbra/internal/badfile"

// Open maps a file read-only and decodes its header; its tensors are paged in as they are read. A bad
// file gives an *Error with the path; so does one that cannot be opened or mapped.
//
// The mapping follows the file. If another process cuts the file short while it is open, reading the
// lost part raises SIGBUS, which Go reports as a fatal fault and no code here can turn into an error:
// replace a model by renaming a new file over it, never by writing into it.
func Open(path string) (*File, error) {
	f, unmap, err := badfile.Open("gguf", path, Parse)
	if err != nil {
		return nil, err
	}
	f.close = unmap
	return f, nil
}
