package atomicfile

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// names are the files of a folder.
func names(t *testing.T, dir string) (all []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return all
}

func says(text string) func(io.Writer) error {
	return func(w io.Writer) error { _, err := io.WriteString(w, text); return err }
}

func content(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(data)
}

func TestWrite(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a")
	require.NoError(t, Write(path, 0o600, says("first and long")))
	require.NoError(t, Write(path, 0o600, says("second")))
	assert.Equal(t, "second", content(t, path))
	assert.Equal(t, []string{"a"}, names(t, dir))

	broken := errors.New("broken")
	assert.ErrorIs(t, Write(path, 0o600, func(w io.Writer) error { io.WriteString(w, "half"); return broken }), broken)
	assert.ErrorIs(t, Write(filepath.Join(dir, "b"), 0o600, func(io.Writer) error { return broken }), broken)
	assert.Equal(t, "second", content(t, path))
	assert.ErrorIs(t, Write(filepath.Join(dir, "none", "x"), 0o600, says("")), os.ErrNotExist)
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "folder", "full"), 0o700))
	assert.Error(t, Write(filepath.Join(dir, "folder"), 0o600, says("x")), "a folder is in the way")
	assert.Panics(t, func() { Write(path, 0o600, func(io.Writer) error { panic("in the middle") }) })
	assert.Equal(t, []string{"a", "folder"}, names(t, dir), "nothing half-written stays")
}

func TestEndedTwice(t *testing.T) {
	dir := t.TempDir()
	f, err := Create(filepath.Join(dir, "a"), 0o600)
	require.NoError(t, err)
	require.NoError(t, f.Commit())
	assert.ErrorIs(t, f.Commit(), os.ErrClosed)
	require.NoError(t, f.Drop())
	assert.Equal(t, []string{"a"}, names(t, dir))
	g, err := Create(filepath.Join(dir, "b"), 0o600)
	require.NoError(t, err)
	require.NoError(t, g.Close(), "by mistake")
	require.NoError(t, g.Drop())
	assert.Equal(t, []string{"a"}, names(t, dir))
}

// TestTogether: writers of the same file never mix, and one of them has the last word.
func TestTogether(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a")
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for range 50 {
				text := string(rune('a'+i)) + "ll of one"
				assert.NoError(t, Write(path, 0o600, says(text)))
				data, err := os.ReadFile(path)
				if runtime.GOOS == "windows" && err != nil {
					continue // nobody reads a file at the moment in which it is replaced
				}
				assert.NoError(t, err)
				assert.Regexp(t, "^[a-h]ll of one$", string(data))
			}
		})
	}
	all.Wait()
	assert.Equal(t, []string{"a"}, names(t, dir))
}

// folder, set in the environment, makes TestKilled the process that is killed.
const folder = "ATOMICFILE_TEST_FOLDER"

// TestKilled: what a killed process wrote is never under the name, and the next write leaves nothing of it.
func TestKilled(t *testing.T) {
	if dir := os.Getenv(folder); dir != "" {
		err := Write(filepath.Join(dir, "a"), 0o600, func(w io.Writer) error {
			io.WriteString(w, "half of a long text")
			os.WriteFile(filepath.Join(dir, "halfway"), nil, 0o600)
			time.Sleep(time.Minute)
			return nil
		})
		t.Fatalf("not killed: %v", err)
	}
	dir := t.TempDir()
	child := exec.Command(os.Args[0], "-test.run", "^TestKilled$")
	child.Env = append(os.Environ(), folder+"="+dir)
	require.NoError(t, child.Start())
	require.Eventually(t, func() bool { _, err := os.Stat(filepath.Join(dir, "halfway")); return err == nil }, 30*time.Second, 5*time.Millisecond)
	require.NoError(t, Write(filepath.Join(dir, "b"), 0o600, says("another file meanwhile")))
	require.NoError(t, child.Process.Kill())
	_ = child.Wait()
	_, err := os.Stat(filepath.Join(dir, "a"))
	require.ErrorIs(t, err, os.ErrNotExist)
	require.NoError(t, Write(filepath.Join(dir, "a"), 0o600, says("whole")))
	assert.Equal(t, "whole", content(t, filepath.Join(dir, "a")))
	assert.Equal(t, []string{"a", "b", "halfway"}, names(t, dir))
}
