package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
)

// linked is a module of which packages are linked.
type linked struct {
	path, version, folder string
	packages              []string // their folders
}

// writeLicenses writes a target's to a file.
func writeLicenses(path string, t target, tags string) error {
	data, err := t.licenses(tags)
	if err != nil {
		return err
	}
	return os.WriteFile(path, data, 0o644)
}

// licenses are the licences of all that a target's binary is linked from, but umbra's own.
func (t target) licenses(tags string) ([]byte, error) {
	list, err := output(".", []string{"GOOS=" + t.os, "GOARCH=" + t.arch, "CGO_ENABLED=1"}, "go", "list", "-deps", "-tags", tags,
		"-f", "{{with .Module}}{{if not .Main}}{{.Path}}\t{{.Version}}\t{{.Dir}}\t{{$.Dir}}{{end}}{{end}}", "./cmd/umbra")
	if err != nil {
		return nil, err
	}
	root, err := output(".", nil, "go", "env", "GOROOT")
	if err != nil {
		return nil, err
	}
	modules := append(modulesOf(list), linked{path: "Go's standard library and runtime", version: runtime.Version(), folder: root, packages: []string{root}})
	var b bytes.Buffer
	fmt.Fprintf(&b, "umbra for %s contains what follows, each under its own licence.\n", t)
	for _, m := range modules {
		if err := m.write(&b); err != nil {
			return nil, err
		}
	}
	return b.Bytes(), nil
}

// modulesOf reads go list's lines "module version folder package's folder": each module once, in order of its path.
func modulesOf(list string) (all []linked) {
	for line := range strings.Lines(list) {
		f := strings.Split(strings.TrimSpace(line), "\t")
		if len(f) != 4 {
			continue
		}
		at := slices.IndexFunc(all, func(m linked) bool { return m.path == f[0] })
		if at < 0 {
			at = len(all)
			all = append(all, linked{path: f[0], version: f[1], folder: f[2]})
		}
		all[at].packages = append(all[at].packages, f[3])
	}
	slices.SortFunc(all, func(a, b linked) int { return strings.Compare(a.path, b.path) })
	return all
}

// isLicense matches names of files that licences ask to pass on.
var isLicense = regexp.MustCompile(`(?i)^(un)?(licen[sc]e|copying|notice|patents)([-._].*)?$`)

// notes are what files do not say.
var notes = map[string]string{
	"github.com/rajveermalviya/go-webgpu/wgpu": `This module brings wgpu-native (github.com/gfx-rs/wgpu-native) as a library that is linked: under the Apache License 2.0, whose text is
umbra's own LICENSE, or the MIT License, at your choice, as are wgpu and naga in it. It contains other Rust crates, whose licences its
authors list.`,
}

// write adds the text of each licence that lies between a module's root and its linked packages.
func (m linked) write(b *bytes.Buffer) error {
	var files []string
	for _, folder := range append([]string{m.folder}, m.packages...) {
		for {
			found, err := os.ReadDir(folder)
			if err != nil {
				return err
			}
			for _, f := range found {
				if path := filepath.Join(folder, f.Name()); f.Type().IsRegular() && isLicense.MatchString(f.Name()) && !strings.HasSuffix(f.Name(), ".go") && !slices.Contains(files, path) {
					files = append(files, path)
				}
			}
			if folder == m.folder || len(folder) <= len(m.folder) {
				break
			}
			folder = filepath.Dir(folder)
		}
	}
	if len(files) == 0 {
		return fmt.Errorf("%s %s: no licence in %s", m.path, m.version, m.folder)
	}
	slices.Sort(files)
	fmt.Fprintf(b, "\n%s\n%s %s\n", strings.Repeat("=", 80), m.path, m.version)
	if note := notes[m.path]; note != "" {
		fmt.Fprintf(b, "\n%s\n", note)
	}
	for _, path := range files {
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(m.folder, path)
		if err != nil {
			return err
		}
		fmt.Fprintf(b, "\n--- %s\n\n%s\n", filepath.ToSlash(name), bytes.TrimSpace(bytes.ReplaceAll(data, []byte("\r\n"), []byte("\n"))))
	}
	return nil
}
