package hub

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// stage makes the folder in which a model comes together. What is there of an earlier pull stays if it is of the same content, and files that the model had
// before are taken from there.
func (s Store) stage(m *Model) error {
	m.folder = s.partialAt(m.place)
	if err := os.MkdirAll(m.folder, 0o755); err != nil {
		return err
	}
	was, _ := s.read(s.partialAt(""), m.place) // a damaged one tells nothing, and is written anew
	have, _ := s.read(s.Root, m.place)
	keep := map[string]bool{manifestName: true}
	for i := range m.Files {
		f := &m.Files[i]
		path := filepath.Join(m.folder, f.name())
		_, err := os.Stat(path)
		there := err == nil
		for _, w := range was.Files {
			if w.same(*f) {
				keep[f.name()], keep[f.name()+partial] = true, true
				f.ETag, f.Size = w.ETag, max(f.Size, w.Size)
				if there && f.SHA256 == "" {
					f.SHA256 = w.SHA256
				}
			}
		}
		for _, h := range have.Files {
			if (f.SHA256 != "" || f.GitSHA != "") && h.same(*f) && !keep[f.name()] {
				os.Remove(path)
				if os.Link(filepath.Join(have.folder, h.name()), path) == nil { // else it is downloaded
					keep[f.name()], f.SHA256, f.Size = true, h.SHA256, h.Size
				}
			}
		}
	}
	entries, err := os.ReadDir(m.folder)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !keep[e.Name()] {
			if err := os.RemoveAll(filepath.Join(m.folder, e.Name())); err != nil {
				return err
			}
		}
	}
	return m.write()
}

// replace gives a staged model its name, in place of what has it.
func (s Store) replace(m *Model) error {
	final, staged, old := s.at(m.place), m.folder, s.oldAt(m.place)
	if err := errors.Join(os.RemoveAll(old), os.MkdirAll(filepath.Dir(old), 0o755), os.MkdirAll(filepath.Dir(final), 0o755)); err != nil {
		return err
	}
	if err := os.Rename(final, old); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.Rename(staged, final); err != nil {
		back := os.Rename(old, final)
		if errors.Is(back, fs.ErrNotExist) {
			back = nil // there was none
		}
		return errors.Join(err, back)
	}
	m.folder = final
	return os.RemoveAll(old)
}
