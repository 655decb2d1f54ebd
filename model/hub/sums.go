package hub

import (
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"strings"
)

// sums hashes a file as it comes: with SHA-256, and as git does where only that is known.
type sums struct {
	sha256, git hash.Hash // git may be nil
	want        string    // "" if nothing is known
}

func newSums(f *File) sums {
	s := sums{sha256: sha256.New(), want: strings.ToLower(f.SHA256)}
	if f.SHA256 == "" && f.GitSHA != "" && f.Size >= 0 {
		s.git, s.want = sha1.New(), strings.ToLower(f.GitSHA)
		fmt.Fprintf(s.git, "blob %d\x00", f.Size)
	}
	return s
}

func (s sums) write(b []byte) {
	s.sha256.Write(b)
	if s.git != nil {
		s.git.Write(b)
	}
}

// got is the hash to compare with want.
func (s sums) got() string {
	h := s.sha256
	if s.git != nil {
		h = s.git
	}
	return hex.EncodeToString(h.Sum(nil))
}

// full is the SHA-256 of what came.
func (s sums) full() string { return hex.EncodeToString(s.sha256.Sum(nil)) }
