package hub

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestReplace: a staged model takes the place of what has its name; where it cannot, that stays.
func TestReplace(t *testing.T) {
	s := Store{t.TempDir()}
	m := &Model{place: "hf/owner/repo"}
	made := func(text string) {
		m.folder = s.partialAt(m.place)
		require.NoError(t, os.MkdirAll(m.folder, 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(m.folder, "x"), []byte(text), 0o644))
	}
	holds := func(want string) {
		t.Helper()
		got, err := os.ReadFile(filepath.Join(s.at(m.place), "x"))
		require.NoError(t, err)
		require.Equal(t, want, string(got))
	}
	for _, text := range []string{"first", "second"} {
		made(text)
		require.NoError(t, s.replace(m))
		require.Equal(t, s.at(m.place), m.folder)
		holds(text)
	}
	m.folder = filepath.Join(s.Root, "gone")
	require.ErrorIs(t, s.replace(m), fs.ErrNotExist)
	holds("second")
	made("third")
	require.NoError(t, s.replace(m))
	holds("third")
	require.NoDirExists(t, s.oldAt(m.place))
}
