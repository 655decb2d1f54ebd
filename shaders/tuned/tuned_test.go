package tuned

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"umbra/gpu"
	"umbra/shaders"
)

// inFolder makes a new folder the user's cache, and returns a discrete adapter.
func inFolder(t *testing.T) gpu.AdapterInfo {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("the cache folder is moved by XDG_CACHE_HOME here only")
	}
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	t.Setenv(Variable, "")
	return gpu.AdapterInfo{Name: "Card 3000", Driver: "driver 1.2", Backend: "vulkan", Kind: gpu.KindDiscrete, VendorID: 0x10de, DeviceID: 7}
}

func someChoices() shaders.Choices {
	c := shaders.Choices{}
	c.Set("q4_0 4096x4096 norm", "1", "matvec1")
	c.Set("q4_0 4096x4096 norm", "2", shaders.DefaultKernel)
	return c
}

func TestSaveAndLoad(t *testing.T) {
	info := inFolder(t)
	choices, path, err := Load(info)
	require.NoError(t, err)
	assert.Nil(t, choices)
	saved, err := Save(info, someChoices())
	require.NoError(t, err)
	assert.Equal(t, path, saved)
	choices, _, err = Load(info)
	require.NoError(t, err)
	assert.Equal(t, someChoices(), choices)

	// Saved again, and nothing else is left in the folder.
	_, err = Save(info, shaders.Choices{})
	require.NoError(t, err)
	choices, _, err = Load(info)
	require.NoError(t, err)
	assert.Empty(t, choices)
	entries, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	assert.Len(t, entries, 1)

	// Each adapter has a file of its own.
	other := info
	other.DeviceID++
	choices, elsewhere, err := Load(other)
	require.NoError(t, err)
	assert.Nil(t, choices)
	assert.NotEqual(t, path, elsewhere)
}

func TestOff(t *testing.T) {
	info := inFolder(t)
	_, err := Save(info, someChoices())
	require.NoError(t, err)
	t.Setenv(Variable, "off")
	tuning, path, err := For(info)
	require.NoError(t, err)
	assert.Equal(t, shaders.Tuning{}, tuning)
	assert.Empty(t, path)
	choices, _, err := Load(info) // what umbra tune adds to
	require.NoError(t, err)
	assert.Equal(t, someChoices(), choices)
}

// TestFor: choices come with the path of their file; CPUs have none.
func TestFor(t *testing.T) {
	info := inFolder(t)
	tuning, path, err := For(info)
	require.NoError(t, err)
	assert.Equal(t, shaders.Tuning{}, tuning)
	assert.Empty(t, path)
	saved, err := Save(info, someChoices())
	require.NoError(t, err)
	tuning, path, err = For(info)
	require.NoError(t, err)
	assert.Equal(t, shaders.Tuning{Choices: someChoices()}, tuning)
	assert.Equal(t, saved, path)

	require.NoError(t, os.WriteFile(saved, []byte("nothing"), 0o644))
	tuning, path, err = For(info)
	require.Error(t, err)
	assert.Equal(t, shaders.Tuning{}, tuning)
	assert.Empty(t, path)

	info.Kind = gpu.KindCPU
	tuning, path, err = For(info)
	require.NoError(t, err)
	assert.Equal(t, shaders.Tuning{Narrow: true}, tuning)
	assert.Empty(t, path)
}

// TestIgnored: a file that is not this adapter's own and whole is an error of one line that says so, and what to do.
func TestIgnored(t *testing.T) {
	for name, c := range map[string]struct {
		change func(text string) string
		want   string
	}{
		"empty":          {func(string) string { return "" }, "it is damaged"},
		"cut":            {func(s string) string { return s[:len(s)/2] }, "it is damaged"},
		"not JSON":       {func(string) string { return "\x00\x01\x02" }, "it is damaged"},
		"other types":    {func(s string) string { return strings.Replace(s, `"matvec1"`, `7`, 1) }, "it is damaged"},
		"other JSON":     {func(string) string { return "{}" }, "it is of version 0"},
		"newer":          {func(s string) string { return strings.Replace(s, `"Version": `, `"Version": 99`, 1) }, "it is of version 99"},
		"another driver": {func(s string) string { return strings.Replace(s, "driver 1.2", "driver 1.1", 1) }, `it was measured with driver "driver 1.1", and this is "driver 1.2"`},
		"another card":   {func(s string) string { return strings.Replace(s, "Card 3000", "Card 2000", 1) }, `it is of another adapter ("Card 2000")`},
		"another vendor": {func(s string) string { return strings.Replace(s, "4318", "4098", 1) }, "it is of another adapter"},
	} {
		t.Run(name, func(t *testing.T) {
			info := inFolder(t)
			path, err := Save(info, someChoices())
			require.NoError(t, err)
			raw, err := os.ReadFile(path)
			require.NoError(t, err)
			changed := c.change(string(raw))
			require.NotEqual(t, string(raw), changed)
			require.NoError(t, os.WriteFile(path, []byte(changed), 0o644))
			choices, _, err := Load(info)
			assert.Nil(t, choices)
			require.ErrorContains(t, err, c.want)
			assert.ErrorContains(t, err, "`umbra tune`")
			assert.NotContains(t, err.Error(), "\n")
			_, err = Save(info, someChoices()) // anew
			require.NoError(t, err)
			_, _, err = Load(info)
			require.NoError(t, err)
		})
	}
}

// TestUnreadable: a folder in the file's place is no reason to fail, nor leaves it anything behind when saving.
func TestUnreadable(t *testing.T) {
	info := inFolder(t)
	path, err := Path(info)
	require.NoError(t, err)
	require.NoError(t, os.MkdirAll(filepath.Join(path, "in the way"), 0o755))
	_, _, err = Load(info)
	require.ErrorContains(t, err, "is ignored")
	_, err = Save(info, someChoices())
	require.Error(t, err)
	entries, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	assert.Len(t, entries, 1)
}
