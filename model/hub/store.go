package hub

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// List returns the models of the store by name, those on their way among them.
func (s Store) List() (all []Model, err error) {
	defer says(&err)
	for _, root := range []string{s.Root, s.partialAt("")} {
		for _, kind := range []string{"hf", "url"} {
			found, err := s.below(root, kind)
			if err != nil {
				return nil, err
			}
			all = append(all, found...)
		}
	}
	slices.SortStableFunc(all, func(a, b Model) int { return strings.Compare(a.Name, b.Name) })
	return all, nil
}

// below finds the models whose manifests are below a place of a root.
func (s Store) below(root, place string) (all []Model, err error) {
	err = filepath.WalkDir(filepath.Join(root, filepath.FromSlash(place)), func(file string, d fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist): // nothing was pulled, or it is being removed
			return nil
		case err != nil:
			return err
		case d.IsDir() || d.Name() != manifestName:
			return nil
		}
		at, err := filepath.Rel(root, filepath.Dir(file))
		if err != nil {
			return err
		}
		m, err := s.read(root, filepath.ToSlash(at))
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		all = append(all, m)
		return err
	})
	return all, err
}

// Locate returns the path by which a model that has been pulled is opened. A name without a quantization means the one that Pull would prefer among those
// that are there. Nothing is downloaded: the error is ErrAbsent for what is not there.
func (s Store) Locate(name string) (path string, err error) {
	defer says(&err)
	r, err := parse(name)
	if err != nil {
		return "", err
	}
	here, err := s.below(s.Root, r.place())
	if err != nil {
		return "", err
	}
	m, err := find(here, r)
	if err != nil {
		return "", err
	}
	if err := m.check(); err != nil {
		return "", err
	}
	return m.Path(), nil
}

// find is the model of a repository's or a URL's that a reference means.
func find(here []Model, r ref) (Model, error) {
	absent := fmt.Errorf("%s is %w; umbra pull %s", r.name(), ErrAbsent, r.name())
	if len(here) == 0 {
		return Model{}, absent
	}
	if r.url != "" {
		return here[0], nil
	}
	all := make([]variant, len(here))
	for i, m := range here {
		all[i] = m.variant()
	}
	v, _, err := choose(all, r.repo, r.pick)
	if err != nil {
		for _, o := range all { // nothing of it is here: that it is nowhere is not said
			named := o.has(func(file string) bool { return path.Base(file) == r.pick })
			if r.pick == "" || named || strings.EqualFold(o.label, r.pick) {
				return Model{}, err
			}
		}
		return Model{}, fmt.Errorf("%w (there is %s)", absent, offers(all))
	}
	return here[slices.IndexFunc(all, func(o variant) bool { return o.stem == v.stem })], nil
}

// variant is the model as one of its repository's.
func (m Model) variant() variant {
	return variant{label: m.Label, stem: m.place, files: m.Files}
}

// Remove removes a model, and what has come of it if it is not whole, and returns what it was. While the model is being pulled it says so, and waits.
func (s Store) Remove(ctx context.Context, name string, say func(string)) (m Model, err error) {
	defer says(&err)
	r, err := parse(name)
	if err != nil {
		return m, err
	}
	var here []Model
	for _, root := range []string{s.Root, s.partialAt("")} {
		found, err := s.below(root, r.place())
		if err != nil {
			return m, err
		}
		for _, m := range found {
			if !slices.ContainsFunc(here, func(o Model) bool { return o.place == m.place }) {
				here = append(here, m)
			}
		}
	}
	if r.pick == "" && len(here) > 1 {
		var names []string
		for _, m := range here {
			names = append(names, m.Name)
		}
		return m, fmt.Errorf("%s is several models; name one: %s", name, strings.Join(names, ", "))
	}
	m, err = find(here, r)
	if errors.Is(err, ErrAbsent) {
		return m, fmt.Errorf("%s is %w", name, ErrAbsent)
	}
	if err != nil {
		return m, err
	}
	unlock, err := s.lock(ctx, m.place, func() { say("somebody pulls " + m.Name + "; waiting") })
	if err != nil {
		return m, err
	}
	defer unlock()
	// First it loses its name, so that nobody finds half of it.
	gone := s.oldAt(m.place)
	if err := errors.Join(os.RemoveAll(gone), os.MkdirAll(filepath.Dir(gone), 0o755)); err != nil {
		return m, err
	}
	if err := os.Rename(s.at(m.place), gone); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return m, err
	}
	if err := errors.Join(os.RemoveAll(gone), os.RemoveAll(s.partialAt(m.place))); err != nil {
		return m, err
	}
	for up := path.Dir(m.place); up != "."; up = path.Dir(up) {
		if os.Remove(s.at(up)) != nil { // others are in it
			break
		}
	}
	return m, nil
}
