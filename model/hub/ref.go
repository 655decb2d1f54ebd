package hub

import (
	"crypto/sha256"
	"fmt"
	"net/url"
	"path"
	"regexp"
	"strings"
)

// defaultRevision is the branch that is meant where none is named.
const defaultRevision = "main"

// ref is a name taken apart.
type ref struct {
	repo     string // owner/name
	pick     string // a file of it, a quantization, or ""
	revision string // a branch, a tag or a commit
	url      string // instead of all that
}

// IsName reports whether a text is the name of a model, hf:... or a URL, and no path.
func IsName(text string) bool {
	return strings.HasPrefix(text, "hf:") || strings.HasPrefix(text, "https://") || strings.HasPrefix(text, "http://")
}

var repoPattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*/[A-Za-z0-9][A-Za-z0-9._-]*$`)

// parse reads hf:OWNER/REPOSITORY[:PICK][@REVISION], a URL of the hub that comes to the same, or another URL.
func parse(name string) (ref, error) {
	text, isHub := strings.CutPrefix(name, "hf:")
	if !isHub {
		return parseURL(name)
	}
	r := ref{revision: defaultRevision}
	if at := strings.LastIndex(text, "@"); at >= 0 {
		text, r.revision = text[:at], text[at+1:]
	}
	r.repo, r.pick, _ = strings.Cut(text, ":")
	return r, r.check(name)
}

func (r ref) check(name string) error {
	switch {
	case !repoPattern.MatchString(r.repo) || strings.Contains(r.repo, ".."):
		return fmt.Errorf("%q is no name of a model; give hf:OWNER/REPOSITORY, with :FILE or :QUANTIZATION and @REVISION if need be, or a URL", name)
	case r.revision == "" || strings.ContainsFunc(r.revision, unprintable) || strings.Contains(r.revision, ".."):
		return fmt.Errorf("%q has %q for a revision; give a branch, a tag or a commit", name, r.revision)
	case r.pick != "" && checkPath(r.pick) != nil:
		return fmt.Errorf("%q: %w", name, checkPath(r.pick))
	}
	return nil
}

func parseURL(name string) (ref, error) {
	u, err := url.Parse(name)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return ref{}, fmt.Errorf("%q is no name of a model; give hf:OWNER/REPOSITORY or an http(s) URL", name)
	}
	if u.Host == "huggingface.co" || u.Host == "hf.co" {
		if r, ok := pageOf(u); ok {
			return r, r.check(name)
		}
	}
	u.Fragment, u.RawFragment = "", ""
	return ref{url: u.String()}, nil
}

// pageOf reads a URL of the hub's pages: a repository, or OWNER/REPOSITORY/(resolve|blob|tree)/REVISION[/FILE].
func pageOf(u *url.URL) (ref, bool) {
	parts := strings.Split(strings.Trim(u.Path, "/"), "/")
	r := ref{revision: defaultRevision}
	switch {
	case len(parts) == 2:
		r.repo = path.Join(parts...)
	case len(parts) >= 4 && (parts[2] == "resolve" || parts[2] == "blob" || parts[2] == "tree"):
		r.repo, r.revision, r.pick = path.Join(parts[:2]...), parts[3], path.Join(parts[4:]...)
	default:
		return r, false
	}
	return r, true
}

// name is what Pull takes to bring the same: of a URL, without the user and the password that may be in it.
func (r ref) name() string {
	if r.url != "" {
		u, _ := url.Parse(r.url)
		u.User = nil
		return u.String()
	}
	return nameOf(r.repo, r.pick, r.revision)
}

func nameOf(repo, pick, revision string) string {
	name := "hf:" + repo
	if pick != "" {
		name += ":" + pick
	}
	if revision != defaultRevision {
		name += "@" + revision
	}
	return name
}

// place is the folder of the store, with slashes, in which the models of a repository are, or the model of a URL is.
func (r ref) place() string {
	if r.url != "" {
		u, _ := url.Parse(r.url)
		sum := sha256.Sum256([]byte(r.name()))
		return fmt.Sprintf("url/%s/%x", strings.ReplaceAll(u.Host, ":", "_"), sum[:8])
	}
	if r.revision == defaultRevision {
		return "hf/" + r.repo
	}
	return "hf/" + r.repo + "@" + flat(r.revision)
}

// flat makes one element of a path of a text that may have slashes in it; different texts give different elements. None is one that means
// another folder, as ".." does: a file may be called "...gguf".
func flat(text string) string {
	if strings.Trim(text, ". ") == "" {
		return "%" + strings.NewReplacer(".", "%2E", " ", "%20").Replace(text)
	}
	return strings.NewReplacer("%", "%25", "/", "%2F").Replace(text)
}
