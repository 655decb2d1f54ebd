package server

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"fmt"
	"net/http"
	"path"
	"strings"
	"sync"
)

// The page is plain HTML, CSS and modules of JavaScript, sent as they are.
//
//go:embed page
var pageFiles embed.FS

// pagePolicy has browsers take nothing but the server's own files, run no script in the page's text, and refuse to make HTML of text: what a model
// writes is text.
const pagePolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; " +
	"frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

// asset is a file of the page.
type asset struct {
	kind, tag     string // content type; entity tag
	plain, packed []byte // packed by gzip
}

var pageKinds = map[string]string{".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8",
	".svg": "image/svg+xml"}

// assets are the page's files by name.
var assets = sync.OnceValue(func() map[string]asset {
	all := map[string]asset{}
	files, err := pageFiles.ReadDir("page")
	if err != nil {
		panic(err) // they are in the binary
	}
	for _, f := range files {
		data, err := pageFiles.ReadFile("page/" + f.Name())
		if err != nil {
			panic(err)
		}
		var packed bytes.Buffer
		w, _ := gzip.NewWriterLevel(&packed, gzip.BestCompression)
		w.Write(data)
		w.Close()
		all[f.Name()] = asset{pageKinds[path.Ext(f.Name())], fmt.Sprintf(`"%x"`, sha256.Sum256(data))[:18] + `"`, data, packed.Bytes()}
	}
	return all
})

// ofPage reports whether a path is the page's, which has nothing to hide: who looks at it may not have given a key yet.
func (s *Server) ofPage(path string) bool {
	return !s.options.NoPage && (path == "/" || strings.HasPrefix(path, "/page/"))
}

// page answers / and the files that the page takes.
func (s *Server) page(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("file")
	if r.URL.Path == "/" {
		name = "index.html"
	}
	a, ok := assets()[name]
	if !ok {
		s.fail(w, notFound("there is no %s", r.URL.Path))
		return
	}
	h := w.Header()
	h.Set("Content-Security-Policy", pagePolicy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cache-Control", "no-cache") // ask each time whether the tag is still the same
	h.Add("Vary", "Accept-Encoding")
	body, tag := a.plain, a.tag
	if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		body, tag = a.packed, strings.TrimSuffix(tag, `"`)+`-gzip"`
		h.Set("Content-Encoding", "gzip")
	}
	h.Set("ETag", tag)
	if strings.Contains(r.Header.Get("If-None-Match"), tag) {
		h.Del("Content-Encoding")
		w.WriteHeader(http.StatusNotModified)
		return
	}
	h.Set("Content-Type", a.kind)
	h.Set("Content-Length", fmt.Sprint(len(body)))
	w.WriteHeader(http.StatusOK)
	if r.Method != http.MethodHead {
		w.Write(body)
	}
}
