package hub

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// paths are all files of a store but locks, with slashes.
func paths(t *testing.T, s Store) (all []string) {
	t.Helper()
	err := filepath.WalkDir(s.Root, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() && !strings.HasSuffix(path, ".lock") {
			path, err = filepath.Rel(s.Root, path)
			all = append(all, filepath.ToSlash(path))
		}
		return err
	})
	require.NoError(t, err)
	return all
}

// TestModels: pull, list, find and remove several models of one repository.
func TestModels(t *testing.T) {
	f, s := newFake(t), Store{t.TempDir()}
	q4, q8, one, two := gguf(3000, 1), gguf(4000, 2), gguf(500, 3), gguf(600, 4)
	f.files = map[string][]byte{"m-Q4_K_M.gguf": q4, "m-Q8_0.gguf": q8, "big/m-F16-00001-of-00002.gguf": one, "big/m-F16-00002-of-00002.gguf": two, "mmproj-F32.gguf": gguf(9, 9)}
	_, err := s.Locate("hf:o/r")
	require.ErrorIs(t, err, ErrAbsent)
	require.EqualError(t, err, "hub: hf:o/r is not downloaded; umbra pull hf:o/r")
	all, err := s.List()
	require.NoError(t, err)
	require.Empty(t, all)

	o := f.options()
	var said []string
	var done, total int64
	o.Say = func(text string) { said = append(said, text) }
	o.Progress = func(d, all int64) { done, total = d, all }
	m, err := s.Pull(t.Context(), "hf:o/r:q8_0", o)
	require.NoError(t, err)
	assert.Equal(t, "hf:o/r:Q8_0", m.Name)
	assert.Equal(t, []int64{4000, 4000}, []int64{done, total})
	whole(t, s, m, q8)
	path, err := s.Locate("hf:o/r")
	require.NoError(t, err, "there is but one")
	assert.Equal(t, filepath.Join(s.Root, "hf", "o", "r", "m-Q8_0", "m-Q8_0.gguf"), path)
	_, err = s.Locate("hf:o/r:Q4_K_M")
	require.EqualError(t, err, "hub: hf:o/r:Q4_K_M is not downloaded; umbra pull hf:o/r:Q4_K_M (there is Q8_0)")

	assert.Empty(t, said)
	m, err = s.Pull(t.Context(), "hf:o/r", o)
	require.NoError(t, err)
	assert.Equal(t, []string{"o/r: of F16, Q4_K_M, Q8_0 Q4_K_M was chosen"}, said)
	whole(t, s, m, q4)
	for _, name := range []string{"hf:o/r", "hf:o/r:Q4_K_M", "hf:o/r:m-Q4_K_M.gguf", "https://huggingface.co/o/r/blob/main/m-Q4_K_M.gguf"} {
		path, err = s.Locate(name)
		require.NoError(t, err)
		assert.Equal(t, m.Path(), path)
	}

	m, err = s.Pull(t.Context(), "hf:o/r:F16@v1", o)
	require.NoError(t, err)
	assert.Equal(t, "hf:o/r:F16@v1", m.Name)
	assert.Equal(t, "c0ffee", m.Commit)
	assert.Equal(t, one, read(t, m.Path()))
	assert.Equal(t, two, read(t, filepath.Join(m.Folder(), "m-F16-00002-of-00002.gguf")))
	_, err = s.Locate("hf:o/r:F16")
	require.ErrorIs(t, err, ErrAbsent, "that is another revision")

	assert.Equal(t, []string{
		"hf/o/r/m-Q4_K_M/m-Q4_K_M.gguf", "hf/o/r/m-Q4_K_M/umbra.json", "hf/o/r/m-Q8_0/m-Q8_0.gguf", "hf/o/r/m-Q8_0/umbra.json",
		"hf/o/r@v1/big%2Fm-F16/m-F16-00001-of-00002.gguf", "hf/o/r@v1/big%2Fm-F16/m-F16-00002-of-00002.gguf", "hf/o/r@v1/big%2Fm-F16/umbra.json",
	}, paths(t, s))
	all, err = s.List()
	require.NoError(t, err)
	var names []string
	for _, m := range all {
		names = append(names, m.Name)
		assert.Equal(t, m.Size(), m.Here())
	}
	assert.Equal(t, []string{"hf:o/r:F16@v1", "hf:o/r:Q4_K_M", "hf:o/r:Q8_0"}, names)

	// Again: nothing is asked of the store.
	f.asked, said = nil, nil
	_, err = s.Pull(t.Context(), "hf:o/r", o)
	require.NoError(t, err)
	assert.Empty(t, f.asked)
	assert.Contains(t, said, "hf:o/r:Q4_K_M is there already")

	say := func(string) { t.Error("nobody holds a lock") }
	_, err = s.Remove(t.Context(), "hf:o/r", say)
	require.EqualError(t, err, "hub: hf:o/r is several models; name one: hf:o/r:Q4_K_M, hf:o/r:Q8_0")
	for _, name := range names {
		_, err = s.Remove(t.Context(), name, say)
		require.NoError(t, err)
	}
	assert.Empty(t, paths(t, s))
	assert.NoDirExists(t, filepath.Join(s.Root, "hf"))
	_, err = s.Remove(t.Context(), "hf:o/r", say)
	require.EqualError(t, err, "hub: hf:o/r is not downloaded")
}

// TestUpdate: a new commit replaces a model as a whole, and takes files over that are the same.
func TestUpdate(t *testing.T) {
	f, s := newFake(t), Store{t.TempDir()}
	one, two, three := gguf(500, 1), gguf(600, 2), gguf(600, 3)
	f.files = map[string][]byte{"m-00001-of-00002.gguf": one, "m-00002-of-00002.gguf": two}
	first, err := s.Pull(t.Context(), "hf:o/r", f.options())
	require.NoError(t, err)
	f.set(func() { f.commit, f.files["m-00002-of-00002.gguf"], f.asked = "beef", three, nil })
	f.fault = func(w http.ResponseWriter, r *http.Request, data []byte) bool {
		w.WriteHeader(http.StatusNotFound)
		return true
	}
	_, err = s.Pull(t.Context(), "hf:o/r", f.options())
	require.ErrorContains(t, err, "404")
	second := filepath.Join(first.Folder(), "m-00002-of-00002.gguf")
	assert.Equal(t, two, read(t, second), "the old one is as it was")
	path, err := s.Locate("hf:o/r")
	require.NoError(t, err)
	assert.Equal(t, first.Path(), path)

	f.set(func() { f.fault, f.asked = nil, nil })
	m, err := s.Pull(t.Context(), "hf:o/r", f.options())
	require.NoError(t, err)
	assert.Equal(t, []string{"GET /m-00002-of-00002.gguf"}, f.asked, "the first part is the same")
	assert.Equal(t, "beef", m.Commit)
	assert.Equal(t, one, read(t, m.Path()))
	assert.Equal(t, three, read(t, second))
	assert.Len(t, paths(t, s), 3)

	// A commit that changes other files only.
	f.set(func() { f.commit, f.asked = "cafe", nil })
	m, err = s.Pull(t.Context(), "hf:o/r", f.options())
	require.NoError(t, err)
	assert.Empty(t, f.asked)
	m, err = s.read(s.Root, m.place)
	require.NoError(t, err)
	assert.Equal(t, "cafe", m.Commit)

	// A file that somebody cut short, or took away, is brought again.
	require.NoError(t, os.Truncate(second, 10))
	_, err = s.Locate("hf:o/r")
	require.ErrorContains(t, err, "has 10 bytes, not 600; remove it and pull it again")
	_, err = s.Pull(t.Context(), "hf:o/r", f.options())
	require.NoError(t, err)
	assert.Equal(t, three, read(t, second))
	require.NoError(t, os.Remove(second))
	_, err = s.Locate("hf:o/r")
	require.ErrorContains(t, err, "is gone; pull it again: umbra pull hf:o/r")
	_, err = s.Pull(t.Context(), "hf:o/r", f.options())
	require.NoError(t, err)
	assert.Equal(t, three, read(t, second))
}

// TestURL: a file by URL is known by its ETag.
func TestURL(t *testing.T) {
	f, s := newFake(t), Store{t.TempDir()}
	data := gguf(3000, 1)
	f.files["a.gguf"] = data
	name := f.store.URL + "/a.gguf"
	m, err := s.Pull(t.Context(), name, f.options())
	require.NoError(t, err)
	whole(t, s, m, data)
	path, err := s.Locate(name)
	require.NoError(t, err)
	assert.Equal(t, m.Path(), path)
	_, err = s.Pull(t.Context(), name, f.options())
	require.NoError(t, err)
	assert.Equal(t, []string{"GET /a.gguf", "HEAD /a.gguf"}, f.asked)
	other := gguf(3000, 2)
	f.set(func() { f.files["a.gguf"] = other })
	o := f.options()
	o.SHA256 = sha(data)
	_, err = s.Pull(t.Context(), name, o)
	require.NoError(t, err, "what is there has that hash")
	m, err = s.Pull(t.Context(), name, f.options())
	require.NoError(t, err)
	whole(t, s, m, other)
	for _, bad := range []string{"x", "abcd", strings.Repeat("g", 64)} {
		o.SHA256 = bad
		_, err = s.Pull(t.Context(), name, o)
		assert.ErrorContains(t, err, "is not 64 hexadecimal digits")
	}
	_, err = s.Locate(f.store.URL + "/b.gguf")
	require.ErrorIs(t, err, ErrAbsent)
}

// TestFolder: a repository without GGUF files is pulled as the folder that package hf opens.
func TestFolder(t *testing.T) {
	f, s := newFake(t), Store{t.TempDir()}
	index := []byte(`{"weight_map": {"a": "w-1.safetensors", "b": "w-2.safetensors", "c": "w-1.safetensors"}}`)
	f.files = map[string][]byte{"config.json": []byte(`{}`), "tokenizer.json": []byte(`[]`), "model.safetensors.index.json": index, "w-1.safetensors": []byte("one"), "w-2.safetensors": []byte("two"),
		"consolidated.safetensors": []byte("again"), "original/config.json": []byte("x"), "README.md": []byte("x"), "pytorch_model.bin": []byte("x")}
	for _, name := range []string{"config.json", "model.safetensors.index.json"} {
		f.small[name] = true
	}
	m, err := s.Pull(t.Context(), "hf:o/r", f.options())
	require.NoError(t, err)
	assert.Equal(t, "hf:o/r", m.Name)
	path, err := s.Locate("hf:o/r")
	require.NoError(t, err)
	assert.Equal(t, m.Folder(), path)
	assert.Equal(t, []string{"hf/o/r/r/config.json", "hf/o/r/r/model.safetensors.index.json", "hf/o/r/r/tokenizer.json", "hf/o/r/r/umbra.json", "hf/o/r/r/w-1.safetensors", "hf/o/r/r/w-2.safetensors"}, paths(t, s))
	assert.Equal(t, sha([]byte("{}")), m.Files[0].SHA256, "git's hash was checked, and SHA-256 noted")
	f.asked = nil
	_, err = s.Pull(t.Context(), "hf:o/r", f.options())
	require.NoError(t, err)
	assert.Empty(t, f.asked)

	f.set(func() { f.files["m-Q8_0.gguf"] = gguf(50, 1); f.commit = "beef" })
	m, err = s.Pull(t.Context(), "hf:o/r:safetensors", f.options())
	require.NoError(t, err)
	assert.Equal(t, "hf:o/r:safetensors", m.Name)
	delete(f.files, "w-2.safetensors")
	_, err = s.Pull(t.Context(), "hf:o/r:safetensors", f.options())
	require.ErrorContains(t, err, `lacks "w-2.safetensors", which its model.safetensors.index.json lists`)
	f.files = map[string][]byte{"config.json": []byte(`{}`), "pytorch_model.bin": []byte("x")}
	_, err = s.Pull(t.Context(), "hf:o/r", f.options())
	require.ErrorContains(t, err, "has no model that umbra could open")
}

// TestToken: the token goes to the hub alone, and what is refused says what to do.
func TestToken(t *testing.T) {
	f, s := newFake(t), Store{t.TempDir()}
	data := gguf(3000, 1)
	f.files["a.gguf"], f.token = data, "hf_secret"
	_, err := s.Pull(t.Context(), "hf:o/r", f.options())
	require.ErrorContains(t, err, "accepted its terms: do so at "+f.hub.URL+"/o/r; a token in HF_TOKEN may be what is missing")
	o := f.options()
	o.Token = "hf_other"
	_, err = s.Pull(t.Context(), "hf:o/r", o)
	require.ErrorContains(t, err, "the token in HF_TOKEN does not open it")
	assert.NotContains(t, err.Error(), "hf_other")
	o.Token = "hf_secret"
	m, err := s.Pull(t.Context(), "hf:o/r", o)
	require.NoError(t, err)
	whole(t, s, m, data)
	assert.NotEmpty(t, f.asked)
	assert.Empty(t, f.leaked, "the host that the hub redirects to")
	_, err = s.Pull(t.Context(), f.store.URL+"/a.gguf", o)
	require.NoError(t, err)
	assert.Empty(t, f.leaked, "another URL")
	for _, path := range paths(t, s) {
		assert.NotContains(t, string(read(t, filepath.Join(s.Root, path))), "hf_secret")
	}
}

func TestRefusals(t *testing.T) {
	f, s := newFake(t), Store{t.TempDir()}
	f.files["a-Q8_0.gguf"] = gguf(30, 1)
	for name, want := range map[string]string{
		"hf:o/none":    "there is no " + f.hub.URL + "/o/none, or it is private",
		"hf:o/r@v9":    `o/r has no revision "v9"`,
		"hf:o/r:Q4_0":  "o/r has no Q4_0; there is Q8_0",
		"hf:o":         "is no name of a model",
		"model.gguf":   "is no name of a model",
		"ftp://x/y":    "is no name of a model",
		f.store.URL:    "status 404",
		"http://[::1/": "is no name of a model",
	} {
		_, err := s.Pull(t.Context(), name, f.options())
		assert.ErrorContains(t, err, want, name)
	}
	for _, endpoint := range []string{"hub", "ftp://x", "https://me:pw@x", "https://x?y=1"} {
		_, err := s.Pull(t.Context(), "hf:o/r", Options{Endpoint: endpoint})
		assert.ErrorContains(t, err, "is not the URL of a hub")
		assert.NotContains(t, err.Error(), "pw")
	}
	for _, bad := range []string{"../../a.gguf", "/etc/a.gguf", "x/../../../a.gguf", `..\a.gguf`, "a\x00.gguf"} {
		f.set(func() {
			f.entries = func(all []map[string]any) []map[string]any { all[1]["path"] = bad; return all }
		})
		_, err := s.Pull(t.Context(), "hf:o/r", f.options())
		assert.ErrorContains(t, err, "it does not stay in its folder", bad)
	}
	f.set(func() {
		f.entries = func(all []map[string]any) []map[string]any { delete(all[1], "lfs"); delete(all[1], "oid"); return all }
	})
	_, err := s.Pull(t.Context(), "hf:o/r", f.options())
	assert.ErrorContains(t, err, "does not tell a hash of a-Q8_0.gguf")
	nothing(t, s)

	// Redirects: none from https to http, and no more than ten.
	loop := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/x", http.StatusFound) }))
	defer loop.Close()
	_, err = s.Pull(t.Context(), loop.URL+"/a.gguf", f.options())
	assert.ErrorContains(t, err, "redirected 10 times")
	secure, _ := http.NewRequest(http.MethodGet, "https://a/", nil)
	plain, _ := http.NewRequest(http.MethodGet, "http://a/", nil)
	assert.ErrorContains(t, checkRedirect(plain, []*http.Request{secure}), "redirected from https to http://a")
	assert.NoError(t, checkRedirect(secure, []*http.Request{plain}))
}

// TestOddNames: files whose names less their ending would mean other folders, or those of locks, stay in folders of their own.
func TestOddNames(t *testing.T) {
	f, s := newFake(t), Store{t.TempDir()}
	odd := []string{"a.gguf", "...gguf", "..gguf", ".gguf", "....gguf", "a.old.gguf", "a.lock.gguf", "%2E.gguf", "sub/...gguf"}
	for i, name := range odd {
		f.files[name] = gguf(100+i, uint64(i))
	}
	for range 2 { // the second replaces what the first has brought
		for i, name := range odd {
			m, err := s.Pull(t.Context(), "hf:o/r:"+name, f.options())
			require.NoError(t, err, name)
			assert.Equal(t, filepath.Join(s.Root, "hf", "o", "r"), filepath.Dir(m.Folder()), name)
			f.set(func() { f.files[name] = gguf(200+i, uint64(i)) })
		}
		all, err := s.List()
		require.NoError(t, err)
		assert.Len(t, all, len(odd))
		for _, m := range all {
			path, err := s.Locate(m.Name)
			require.NoError(t, err, m.Name)
			assert.EqualValues(t, m.Size(), len(read(t, path)), m.Name)
		}
	}
}

// TestTogether: several pulls of one model at once bring it once, whole.
func TestTogether(t *testing.T) {
	f, s := newFake(t), Store{t.TempDir()}
	data := gguf(hundredK, 1)
	f.files["a.gguf"] = data
	var all sync.WaitGroup
	for range 6 {
		all.Go(func() {
			m, err := s.Pull(t.Context(), "hf:o/r", f.options())
			assert.NoError(t, err)
			assert.Equal(t, data, read(t, m.Path()))
		})
	}
	all.Wait()
	assert.Equal(t, []string{"GET /a.gguf"}, f.asked)

	unlock, err := s.lock(t.Context(), "hf/o/r/a", func() {})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	o := f.options()
	o.Say = func(text string) {
		assert.Equal(t, "somebody else pulls hf:o/r:a.gguf; waiting", text)
		cancel()
	}
	_, err = s.Pull(ctx, "hf:o/r", o)
	require.ErrorIs(t, err, context.Canceled)
	unlock()
	_, err = s.Pull(t.Context(), "hf:o/r", f.options())
	require.NoError(t, err, "who no longer waits holds nothing")
}

// TestDamagedManifest: a manifest that is no manifest, or names files elsewhere, opens nothing.
func TestDamagedManifest(t *testing.T) {
	f, s := newFake(t), Store{t.TempDir()}
	f.files["a.gguf"] = gguf(300, 1)
	m, err := s.Pull(t.Context(), "hf:o/r", f.options())
	require.NoError(t, err)
	file := filepath.Join(m.Folder(), manifestName)
	for text, want := range map[string]string{
		"{": "is damaged", `{"files": []}`: "it names no files", `{"files": [{"path": "../../../../etc/passwd"}]}`: "does not stay in its folder",
	} {
		require.NoError(t, os.WriteFile(file, []byte(text), 0o644))
		_, err = s.Locate("hf:o/r")
		assert.ErrorContains(t, err, want)
		_, err = s.List()
		assert.ErrorContains(t, err, want)
	}
	_, err = s.Pull(t.Context(), "hf:o/r", f.options())
	require.NoError(t, err, "it is pulled anew")
	_, err = s.Locate("hf:o/r")
	require.NoError(t, err)
}

func TestDefault(t *testing.T) {
	t.Setenv(Variable, "")
	t.Setenv("XDG_CACHE_HOME", "/cache") // where the system has that
	cache, err := os.UserCacheDir()
	require.NoError(t, err)
	s, err := Default()
	require.NoError(t, err)
	assert.Equal(t, filepath.Join(cache, "umbra", "models"), s.Root)
	t.Setenv(Variable, "/models")
	s, err = Default()
	require.NoError(t, err)
	assert.Equal(t, "/models", s.Root)
}
