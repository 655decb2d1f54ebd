package hub

import (
	"fmt"
	"path/filepath"
	"strings"
	"unicode"
)

// checkPath refuses a file name that could lead out of a folder, here or on another system, or that no terminal should show.
func checkPath(name string) error {
	bad := !filepath.IsLocal(name) || strings.ContainsAny(name, `\:*?"<>|`) || strings.ContainsFunc(name, unprintable)
	for part := range strings.SplitSeq(name, "/") {
		bad = bad || part == "" || part == "." || part == ".."
	}
	if bad {
		return fmt.Errorf("file name %q is refused: it does not stay in its folder", name)
	}
	return nil
}

func unprintable(r rune) bool { return !unicode.IsPrint(r) }
