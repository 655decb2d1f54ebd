package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var (
	files = []entry{{"u/README.md", []byte("read me"), 0o644}, {"u/umbra", []byte{0, 1, 2}, 0o755}}
	at    = time.Date(2026, 2, 3, 4, 5, 6, 0, time.FixedZone("somewhere", 3600))
)

// TestArchives: archives have the files with their modes and the given time, and the same bytes whatever the order and the zone.
func TestArchives(t *testing.T) {
	for name, write := range map[string]func(io.Writer, []entry, time.Time) error{"tar": writeTar, "zip": writeZip} {
		var one, other bytes.Buffer
		require.NoError(t, write(&one, files, at))
		turned := slices.Clone(files)
		slices.Reverse(turned)
		require.NoError(t, write(&other, turned, at.UTC()))
		assert.Equal(t, one.Bytes(), other.Bytes(), name)
	}
	var b bytes.Buffer
	require.NoError(t, writeTar(&b, files, at))
	unzipped, err := gzip.NewReader(&b)
	require.NoError(t, err)
	archive := tar.NewReader(unzipped)
	for _, want := range files {
		h, err := archive.Next()
		require.NoError(t, err)
		assert.Equal(t, want.name, h.Name)
		assert.EqualValues(t, want.mode, h.Mode)
		assert.True(t, h.ModTime.Equal(at))
		data, err := io.ReadAll(archive)
		require.NoError(t, err)
		assert.Equal(t, want.data, data)
	}
	_, err = archive.Next()
	assert.Equal(t, io.EOF, err)

	b.Reset()
	require.NoError(t, writeZip(&b, files, at))
	zipped, err := zip.NewReader(bytes.NewReader(b.Bytes()), int64(b.Len()))
	require.NoError(t, err)
	require.Len(t, zipped.File, len(files))
	for i, want := range files {
		f := zipped.File[i]
		assert.Equal(t, want.name, f.Name)
		assert.Equal(t, want.mode, f.Mode())
		assert.True(t, f.Modified.Equal(at), f.Modified)
	}
}

func TestSums(t *testing.T) {
	folder := t.TempDir()
	b, a := filepath.Join(folder, "b"), filepath.Join(folder, "a")
	require.NoError(t, os.WriteFile(a, nil, 0o644))
	require.NoError(t, os.WriteFile(b, []byte("abc"), 0o644))
	sums, err := writeSums(filepath.Join(folder, "SHA256SUMS"), []string{b, a})
	require.NoError(t, err)
	assert.Equal(t, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855  a\n"+
		"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad  b\n", sums)
}

// TestLicenses: each module that is linked, for Linux and for Windows, has its licence in the text; what is only for tests has not.
func TestLicenses(t *testing.T) {
	t.Chdir("../..")
	for _, x := range []struct {
		target    target
		with, not string
	}{
		{target{"linux", "amd64"}, "github.com/prometheus/procfs", "github.com/stretchr/testify"},
		{target{"windows", "amd64"}, "golang.org/x/sys", "github.com/prometheus/procfs"},
	} {
		data, err := x.target.licenses("")
		require.NoError(t, err)
		text := string(data)
		for _, want := range []string{"umbra for " + x.target.String(), x.with, "Go's standard library and runtime go1.", "github.com/rajveermalviya/go-webgpu/wgpu v",
			"wgpu-native", "The MIT License", "Redistribution and use in source and binary forms", "--- LICENSE\n",
			"--- zstd/internal/xxhash/LICENSE.txt\n"} {
			assert.Contains(t, text, want, x.target)
		}
		assert.NotContains(t, text, x.not+" v", x.target)
		again, err := x.target.licenses("")
		require.NoError(t, err)
		assert.Equal(t, data, again)
	}
}

// TestNoLicense: a module without one is refused, by name.
func TestNoLicense(t *testing.T) {
	folder := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(folder, "license.go"), []byte("package license"), 0o644))
	m := linked{path: "example.com/x", version: "v1.0.0", folder: folder, packages: []string{folder}}
	assert.ErrorContains(t, m.write(new(bytes.Buffer)), "example.com/x v1.0.0: no licence")
	for _, name := range []string{"LICENSE", "LICENCE.md", "license.txt", "COPYING", "NOTICE", "LICENSE-MIT", "UNLICENSE", "PATENTS"} {
		assert.True(t, isLicense.MatchString(name), name)
	}
	for _, name := range []string{"licenses", "noticed.txt", "README", "copyingx"} {
		assert.False(t, isLicense.MatchString(name), name)
	}
}

func TestTargets(t *testing.T) {
	all, err := parseTargets("linux/amd64,windows/amd64")
	require.NoError(t, err)
	assert.Equal(t, []target{{"linux", "amd64"}, {"windows", "amd64"}}, all)
	assert.Equal(t, []string{"umbra", "umbra.exe"}, []string{all[0].binary(), all[1].binary()})
	for _, bad := range []string{"", "linux", "linux/", "/amd64", "linux/amd64,"} {
		_, err := parseTargets(bad)
		assert.ErrorContains(t, err, "want OS/ARCH", bad)
	}
	_, err = target{"plan9", "amd64"}.environment()
	assert.ErrorContains(t, err, "built on plan9 only")
}

// TestCommit: the version of a commit is its tag, or the tag before it, or what Go calls it; changes are seen.
func TestCommit(t *testing.T) {
	folder := t.TempDir()
	git := func(args ...string) string {
		t.Helper()
		text, err := output(folder, []string{"GIT_AUTHOR_DATE=2026-02-03T04:05:06Z", "GIT_COMMITTER_DATE=2026-02-03T04:05:06Z", "GIT_CONFIG_GLOBAL=", "GIT_CONFIG_NOSYSTEM=1"},
			"git", append([]string{"-c", "user.name=x", "-c", "user.email=x@example.com"}, args...)...)
		require.NoError(t, err)
		return text
	}
	t.Setenv("SOURCE_DATE_EPOCH", "")
	git("init", "-q")
	file := filepath.Join(folder, "f")
	require.NoError(t, os.WriteFile(file, []byte("1"), 0o644))
	git("add", "f")
	git("commit", "-q", "-m", "one")
	c, err := headCommit(folder)
	require.NoError(t, err)
	assert.Equal(t, "v0.0.0-20260203040506-"+c.hash[:12], c.version)
	assert.False(t, c.changed)
	assert.True(t, c.time.Equal(time.Date(2026, 2, 3, 4, 5, 6, 0, time.UTC)))
	git("tag", "v1.2.3")
	c, err = headCommit(folder)
	require.NoError(t, err)
	assert.Equal(t, "v1.2.3", c.version)
	require.NoError(t, os.WriteFile(file, []byte("2"), 0o644))
	t.Setenv("SOURCE_DATE_EPOCH", "7")
	c, err = headCommit(folder)
	require.NoError(t, err)
	assert.True(t, c.changed)
	assert.EqualValues(t, 7, c.time.Unix())
	t.Setenv("SOURCE_DATE_EPOCH", "yesterday")
	_, err = headCommit(folder)
	assert.ErrorContains(t, err, "SOURCE_DATE_EPOCH must be seconds")
	_, err = headCommit(t.TempDir())
	assert.ErrorContains(t, err, "which commit is this?")
}
