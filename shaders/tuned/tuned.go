// Package tuned keeps shaders.Choices in the user's cache folder, one file for each adapter, bound to its driver. It measures nothing.
package tuned

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"umbra/gpu"
	"umbra/internal/atomicfile"
	"umbra/shaders"
)

// Variable is the environment variable that, set to "off", has For take the defaults.
const Variable = "UMBRA_TUNE"

// mostBytes is more than any file of ours has.
const mostBytes = 4 << 20

// file is what is written: JSON, for people to read too.
type file struct {
	Version int // shaders.ChoicesVersion
	Adapter adapter
	Choices shaders.Choices
}

// adapter is what choices hold for.
type adapter struct {
	Name, Backend, Driver string
	VendorID, DeviceID    uint32
}

func adapterOf(i gpu.AdapterInfo) adapter {
	return adapter{i.Name, i.Backend, i.Driver, i.VendorID, i.DeviceID}
}

// Path is where an adapter's choices are, whatever its driver: in the folder umbra of os.UserCacheDir.
func Path(info gpu.AdapterInfo) (string, error) {
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("tuned: %w", err)
	}
	name := sha256.Sum256(fmt.Appendf(nil, "%q %q %d %d", info.Name, info.Backend, info.VendorID, info.DeviceID))
	return filepath.Join(dir, "umbra", fmt.Sprintf("tune-%x.json", name[:8])), nil
}

// For is shaders.TuningFor with what Load finds, unless UMBRA_TUNE is off, and the path of the file that is in use, if any. With an error, which is Load's, it is the
// default.
func For(info gpu.AdapterInfo) (t shaders.Tuning, path string, err error) {
	t = shaders.TuningFor(info)
	if t.Narrow || os.Getenv(Variable) == "off" {
		return t, "", nil // a narrow tuning has no choice
	}
	if t.Choices, path, err = Load(info); t.Choices == nil {
		path = ""
	}
	return t, path, err
}

// Load returns an adapter's choices and the path of their file; none and no error if there is no file. A file that
// is damaged, or of another adapter, driver or version of umbra is an error that says what to do; defaults will do then.
func Load(info gpu.AdapterInfo) (shaders.Choices, string, error) {
	path, err := Path(info)
	if err != nil {
		return nil, "", nil // without a cache folder there is no file
	}
	choices, err := load(path, info)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, path, nil
	}
	if err != nil {
		return nil, path, fmt.Errorf("tuned: %s is ignored: %w; `umbra tune` makes it anew", path, err)
	}
	return choices, path, nil
}

func load(path string, info gpu.AdapterInfo) (shaders.Choices, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, mostBytes))
	if err != nil {
		return nil, err
	}
	var got file
	if err := json.Unmarshal(raw, &got); err != nil {
		return nil, fmt.Errorf("it is damaged (%w)", err)
	}
	want := adapterOf(info)
	switch here := got.Adapter; {
	case got.Version != shaders.ChoicesVersion:
		return nil, fmt.Errorf("it is of version %d of the kernels, and these are of version %d", got.Version, shaders.ChoicesVersion)
	case here.Driver != want.Driver && (adapter{here.Name, here.Backend, want.Driver, here.VendorID, here.DeviceID}) == want:
		return nil, fmt.Errorf("it was measured with driver %q, and this is %q", here.Driver, want.Driver)
	case here != want:
		return nil, fmt.Errorf("it is of another adapter (%q)", here.Name)
	}
	return got.Choices, nil
}

// Save writes an adapter's choices in place of those that were there, and returns the path. The file appears under its name only when it is
// whole.
func Save(info gpu.AdapterInfo, choices shaders.Choices) (path string, err error) {
	if path, err = Path(info); err != nil {
		return "", err
	}
	if err := save(path, file{shaders.ChoicesVersion, adapterOf(info), choices}); err != nil {
		return "", fmt.Errorf("tuned: %w", err)
	}
	return path, nil
}

func save(path string, content file) error {
	raw, err := json.MarshalIndent(content, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return atomicfile.Write(path, 0o600, func(f io.Writer) error {
		_, err := f.Write(append(raw, '\n'))
		return err
	})
}
