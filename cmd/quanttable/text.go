package main

import (
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Texts are files of the Go distribution, by SHA-256 and name, one a line. They are read from where Go is installed.
var (
	//go:embed validation.txt
	validation string
	//go:embed calibration.txt
	calibration string
)

// goRoot is where the Go distribution is.
func goRoot() (string, error) {
	out, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return "", fmt.Errorf("go env GOROOT: %w", err)
	}
	return strings.TrimSpace(string(out)), nil
}

// text puts a list's files end to end. It refuses files that are not those of the list.
func text(list, root string) ([]byte, error) {
	var all []byte
	of := ""
	for _, line := range strings.Split(strings.TrimSpace(list), "\n") {
		if comment, ok := strings.CutPrefix(line, "#"); ok {
			of, _, _ = strings.Cut(strings.TrimSpace(comment), ".  ")
			of, _, _ = strings.Cut(of, ". ")
			continue
		}
		want, name, ok := strings.Cut(line, "  ")
		if !ok {
			return nil, fmt.Errorf("line %q is not a hash and a name", line)
		}
		data, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(name)))
		if err != nil {
			return nil, fmt.Errorf("%w (the text is of %s)", err, of)
		}
		if sum := sha256.Sum256(data); hex.EncodeToString(sum[:]) != want {
			return nil, fmt.Errorf("%s is not the file of %s that was listed: its SHA-256 is %x", name, of, sum)
		}
		all = append(all, data...)
	}
	return all, nil
}
