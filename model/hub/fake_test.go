package hub

import (
	"context"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// fake is a hub with one repository, o/r, and a second host where its large files are.
type fake struct {
	hub, store *httptest.Server

	mu      sync.Mutex
	commit  string
	files   map[string][]byte
	small   map[string]bool // those that git has itself
	token   string          // what the hub asks for
	etag    func() string   // "" is the hash
	asked   []string        // "GET /path [Range]" of the store
	leaked  []string        // tokens that the store was given
	fault   func(w http.ResponseWriter, r *http.Request, data []byte) bool
	entries func(all []map[string]any) []map[string]any // changes what the hub lists
}

func newFake(t *testing.T) *fake {
	t.Helper()
	f := &fake{commit: "c0ffee", files: map[string][]byte{}, small: map[string]bool{}}
	f.store = httptest.NewServer(http.HandlerFunc(f.serveStore))
	f.hub = httptest.NewServer(http.HandlerFunc(f.serveHub))
	t.Cleanup(f.store.Close)
	t.Cleanup(f.hub.Close)
	return f
}

// gguf are bytes that begin as a GGUF file does.
func gguf(n int, seed uint64) []byte {
	data := make([]byte, n)
	random := rand.New(rand.NewPCG(seed, 1))
	for i := range data {
		data[i] = byte(random.Uint32())
	}
	copy(data, magic)
	return data
}

func sha(data []byte) string { return fmt.Sprintf("%x", sha256.Sum256(data)) }

func (f *fake) serveHub(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.token != "" && r.Header.Get("Authorization") != "Bearer "+f.token {
		w.Header().Set("X-Error-Code", "GatedRepo")
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	rest, api := strings.CutPrefix(r.URL.Path, "/api/models/o/r/")
	switch file, resolves := strings.CutPrefix(r.URL.Path, "/o/r/resolve/"+f.commit+"/"); {
	case api && rest == "revision/main", api && rest == "revision/v1":
		json.NewEncoder(w).Encode(map[string]any{"sha": f.commit, "id": "o/r"})
	case api && strings.HasPrefix(rest, "revision/"):
		w.Header().Set("X-Error-Code", "RevisionNotFound")
		w.WriteHeader(http.StatusNotFound)
	case api && rest == "tree/"+f.commit && r.URL.Query().Get("recursive") == "true":
		f.tree(w, r)
	case resolves && f.small[file]:
		w.Write(f.files[file])
	case resolves && f.files[file] != nil:
		http.Redirect(w, r, f.store.URL+"/"+url.PathEscape(file), http.StatusFound)
	default:
		w.Header().Set("X-Error-Code", "RepoNotFound")
		w.WriteHeader(http.StatusUnauthorized)
	}
}

// tree lists two files a page.
func (f *fake) tree(w http.ResponseWriter, r *http.Request) {
	all := []map[string]any{{"type": "directory", "path": "sub", "oid": "1", "size": 0}}
	var names []string
	for name := range f.files {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		data := f.files[name]
		e := map[string]any{"type": "file", "path": name, "size": len(data), "oid": fmt.Sprintf("%x", sha1.Sum(append(fmt.Appendf(nil, "blob %d\x00", len(data)), data...)))}
		if !f.small[name] {
			e["oid"] = "0123"
			e["lfs"] = map[string]any{"oid": sha(data), "size": len(data), "pointerSize": 134}
		}
		all = append(all, e)
	}
	if f.entries != nil {
		all = f.entries(all)
	}
	var from int
	fmt.Sscan(r.URL.Query().Get("cursor"), &from)
	to := min(len(all), from+2)
	if to < len(all) {
		w.Header().Set("Link", fmt.Sprintf(`<https://elsewhere.example%s?recursive=true&cursor=%d>; rel="next"`, r.URL.Path, to))
	}
	json.NewEncoder(w).Encode(all[from:to])
}

func (f *fake) serveStore(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	f.asked = append(f.asked, strings.TrimSpace(r.Method+" "+r.URL.Path+" "+r.Header.Get("Range")))
	if a := r.Header.Get("Authorization"); a != "" {
		f.leaked = append(f.leaked, a)
	}
	data, ok := f.files[strings.TrimPrefix(r.URL.Path, "/")]
	fault, etag := f.fault, ""
	if f.etag != nil {
		etag = f.etag()
	} else {
		etag = `"` + sha(data)[:8] + `"`
	}
	f.mu.Unlock()
	if !ok {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	if etag != "" {
		w.Header().Set("ETag", etag)
	}
	if fault != nil && fault(w, r, data) {
		return
	}
	http.ServeContent(w, r, "", time.Time{}, strings.NewReader(string(data)))
}

// set changes the fake while nobody asks it.
func (f *fake) set(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

// options ask the fake, and wait for nothing.
func (f *fake) options() Options {
	return Options{Endpoint: f.hub.URL, sleep: func(ctx context.Context, _ time.Duration) error { return ctx.Err() }}
}

// cut sends bytes from to to of what was asked for and drops the connection.
func cut(w http.ResponseWriter, r *http.Request, data []byte, n int) bool {
	from := 0
	fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-", &from)
	rest := data[from:]
	w.Header().Set("Content-Length", fmt.Sprint(len(rest)))
	if r.Header.Get("Range") != "" {
		w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, len(data)-1, len(data)))
		w.WriteHeader(http.StatusPartialContent)
	}
	w.Write(rest[:min(n, len(rest))])
	w.(http.Flusher).Flush()
	panic(http.ErrAbortHandler)
}

// whole checks that a store has exactly one model, that its file is exact, and nothing half-done under any final name.
func whole(t *testing.T, s Store, m Model, data []byte) {
	t.Helper()
	require.True(t, m.Whole())
	require.Equal(t, data, read(t, m.Path()))
	require.Equal(t, sha(data), m.Files[0].SHA256)
	halves, err := filepath.Glob(filepath.Join(s.Root, "hf", "*", "*", "*", "*"+partial))
	require.NoError(t, err)
	require.Empty(t, halves)
}
