// Release builds what is published of umbra: for each target an archive of the binary, README, LICENSE and the licences of all that is
// linked into it, and SHA256SUMS of the archives.
//
//	release [-o DIR] [-targets linux/amd64,windows/amd64] [-version V]
//	release -check [-targets ...]
//	release -licenses FILE [-targets linux/amd64] [-tags TAGS]
//
// The same commit gives the same bytes, wherever and whenever it is built by the same Go and C compilers: no path, no build id and no
// time is in them but the commit's (SOURCE_DATE_EPOCH, if set, takes its place). -check builds what is committed twice more, in other
// folders and without what is cached, and compares. -licenses writes only the licences.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

func main() {
	out := flag.String("o", "dist", "`folder` for the archives")
	list := flag.String("targets", "linux/amd64,windows/amd64", "`OS/ARCH` of each binary")
	version := flag.String("version", "", "the `version`; default: what git describe says of the commit")
	check := flag.Bool("check", false, "build twice, and compare")
	licenses := flag.String("licenses", "", "write only the licences, to this `file`")
	tags := flag.String("tags", "", "build `tags` of -licenses")
	flag.Parse()
	if flag.NArg() != 0 {
		flag.Usage()
		os.Exit(2)
	}
	targets, err := parseTargets(*list)
	switch {
	case err != nil:
	case *licenses != "":
		err = writeLicenses(*licenses, targets[0], *tags)
	case *check:
		err = checkTwice(os.Stdout, targets, *version)
	default:
		err = release(os.Stdout, *out, *version, targets)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

// target is what a binary is for.
type target struct{ os, arch string }

func (t target) String() string { return t.os + "/" + t.arch }

// parseTargets reads a list like linux/amd64,windows/amd64.
func parseTargets(list string) (all []target, err error) {
	for word := range strings.SplitSeq(list, ",") {
		goos, arch, ok := strings.Cut(word, "/")
		if !ok || goos == "" || arch == "" {
			return nil, fmt.Errorf("target %q: want OS/ARCH, as linux/amd64", word)
		}
		all = append(all, target{goos, arch})
	}
	return all, nil
}

// release builds all targets of the tree in the working folder.
func release(w io.Writer, out, version string, targets []target) error {
	c, err := headCommit(".")
	if err != nil {
		return err
	}
	if version == "" {
		version = c.version
	}
	if c.changed {
		fmt.Fprintln(w, "release: the tree has changes that are not committed; the version says so")
		version += "+changes"
	}
	if err := os.MkdirAll(out, 0o755); err != nil {
		return err
	}
	var archives []string
	for _, t := range targets {
		archive, err := t.release(out, version, c)
		if err != nil {
			return fmt.Errorf("%s: %w", t, err)
		}
		archives = append(archives, archive)
	}
	sums, err := writeSums(filepath.Join(out, "SHA256SUMS"), archives)
	if err != nil {
		return err
	}
	_, err = io.WriteString(w, sums)
	return err
}

// release builds one target's archive, and returns its path.
func (t target) release(out, version string, c commit) (string, error) {
	work, err := os.MkdirTemp("", "umbra-release")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(work)
	binary := filepath.Join(work, t.binary())
	if err := t.build(".", binary, version+" "+c.hash[:12]+" "+c.time.UTC().Format("2006-01-02T15:04:05Z")); err != nil {
		return "", err
	}
	licenses, err := t.licenses("")
	if err != nil {
		return "", err
	}
	top := "umbra-" + version + "-" + t.os + "-" + t.arch
	files := []entry{{name: top + "/THIRD_PARTY_LICENSES", data: licenses, mode: 0o644}}
	for _, f := range []struct {
		path string
		mode os.FileMode
	}{{"LICENSE", 0o644}, {"README.md", 0o644}, {binary, 0o755}} {
		data, err := os.ReadFile(f.path)
		if err != nil {
			return "", err
		}
		files = append(files, entry{name: top + "/" + filepath.Base(f.path), data: data, mode: f.mode})
	}
	archive, write := filepath.Join(out, top+".tar.gz"), writeTar
	if t.os == "windows" {
		archive, write = filepath.Join(out, top+".zip"), writeZip
	}
	f, err := os.Create(archive)
	if err != nil {
		return "", err
	}
	return archive, errors.Join(write(f, files, c.time), f.Close())
}
