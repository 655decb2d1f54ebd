package hub

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"time"

	"umbra/internal/atomicfile"
)

// manifestName is the file of a model's folder that says what the folder is.
const manifestName = "umbra.json"

// Model is a model in the store, whole or on its way. It is what umbra.json holds.
type Model struct {
	Name     string    `json:"name"`               // what Locate and Pull find it by
	Label    string    `json:"label,omitempty"`    // the quantization by which it was named
	Source   string    `json:"source"`             // endpoint or URL
	Revision string    `json:"revision,omitempty"` // as asked for
	Commit   string    `json:"commit,omitempty"`   // what that was
	Files    []File    `json:"files"`
	Pulled   time.Time `json:"pulled,omitzero"` // when it was whole

	place  string // in the store, with slashes
	folder string // where its files are
}

// File is one of a model's files.
type File struct {
	Path   string `json:"path"`             // in the repository, with slashes; its last element is the name in the model's folder
	Size   int64  `json:"size"`             // bytes, -1 if not known yet
	SHA256 string `json:"sha256,omitempty"` // in hex, "" if not known yet
	GitSHA string `json:"git,omitempty"`    // SHA-1 of git's blob, what the hub tells of small files
	ETag   string `json:"etag,omitempty"`   // of what has come so far
}

func (f File) name() string { return path.Base(f.Path) }

// same reports whether two files are of the same content, as far as hashes tell.
func (f File) same(o File) bool {
	switch {
	case f.name() != o.name() || f.Size >= 0 && o.Size >= 0 && f.Size != o.Size:
		return false
	case f.SHA256 != "" && o.SHA256 != "":
		return f.SHA256 == o.SHA256
	case f.GitSHA != "" && o.GitSHA != "":
		return f.GitSHA == o.GitSHA
	}
	return f.SHA256 == "" && f.GitSHA == "" // nothing is asked of it
}

// Whole reports whether all of it is there.
func (m Model) Whole() bool { return !m.Pulled.IsZero() }

// Folder is where its files are.
func (m Model) Folder() string { return m.folder }

// Path is what to open: a GGUF file, the first of several, or the folder.
func (m Model) Path() string {
	if m.Label == folderLabel || len(m.Files) == 0 {
		return m.folder
	}
	return filepath.Join(m.folder, m.Files[0].name())
}

// Size is how many bytes its files have, and Here how many of them are there.
func (m Model) Size() (n int64) {
	for _, f := range m.Files {
		n += max(0, f.Size)
	}
	return n
}

// Here is how many bytes of its files are there.
func (m Model) Here() (n int64) {
	for _, f := range m.Files {
		for _, name := range []string{f.name(), f.name() + partial} {
			if info, err := os.Stat(filepath.Join(m.folder, name)); err == nil {
				n += info.Size()
				break
			}
		}
	}
	return n
}

// check refuses a model whose files are not what the manifest says, by their sizes.
func (m Model) check() error {
	for _, f := range m.Files {
		info, err := os.Stat(filepath.Join(m.folder, f.name()))
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return fmt.Errorf("%s: %s is gone; pull it again: umbra pull %s", m.Name, filepath.Join(m.folder, f.name()), m.Name)
		case err != nil:
			return fmt.Errorf("%s: %w", m.Name, err)
		case info.Size() != f.Size:
			return fmt.Errorf("%s: %s has %d bytes, not %d; remove it and pull it again: umbra rm %s", m.Name,
				filepath.Join(m.folder, f.name()), info.Size(), f.Size, m.Name)
		}
	}
	return nil
}

// write puts the manifest into the model's folder.
func (m *Model) write() error {
	return atomicfile.Write(filepath.Join(m.folder, manifestName), 0o644, func(w io.Writer) error {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		e.SetEscapeHTML(false)
		return e.Encode(m)
	})
}

// read reads the manifest of a model below a root: the store's own, or that of models on their way. Whatever it says, its files are those of its folder.
func (s Store) read(root, place string) (Model, error) {
	m := Model{place: place, folder: filepath.Join(root, filepath.FromSlash(place))}
	file := filepath.Join(m.folder, manifestName)
	data, err := os.ReadFile(file)
	if err != nil {
		return m, err
	}
	if err := json.Unmarshal(data, &m); err != nil {
		return m, fmt.Errorf("%s is damaged: %w; remove its folder", file, err)
	}
	for _, f := range m.Files {
		if err := checkPath(f.Path); err != nil {
			return m, fmt.Errorf("%s: %w", file, err)
		}
	}
	if len(m.Files) == 0 {
		return m, fmt.Errorf("%s is damaged: it names no files; remove its folder", file)
	}
	if root != s.Root {
		m.Pulled = time.Time{} // its folder has not its name yet
	}
	return m, nil
}

// sameFiles reports whether two lists are of the same files, and all of known content.
func sameFiles(a, b []File) bool {
	return slices.EqualFunc(a, b, func(a, b File) bool { return (b.SHA256 != "" || b.GitSHA != "") && a.same(b) })
}
