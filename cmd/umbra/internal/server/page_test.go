package server

import (
	"io"
	"net/http"
	"path"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// fetch asks for a path, with headers in pairs. The transport unpacks nothing.
func fetch(t *testing.T, method, url string, headers ...string) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequest(method, url, nil)
	require.NoError(t, err)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	got, err := (&http.Transport{DisableCompression: true, DisableKeepAlives: true}).RoundTrip(r)
	require.NoError(t, err)
	defer got.Body.Close()
	body, err := io.ReadAll(got.Body)
	require.NoError(t, err)
	return got, string(body)
}

// TestPage: the page and what it takes come whole, once, packed where that is wanted, and under the policy.
func TestPage(t *testing.T) {
	e := parroting(t)
	_, url := serve(t, e, Options{})
	seen := map[string]bool{}
	for next := []string{"/"}; len(next) > 0; next = next[1:] {
		at := next[0]
		if seen[at] {
			continue
		}
		seen[at] = true
		got, body := fetch(t, "GET", url+at)
		require.Equal(t, 200, got.StatusCode, at)
		h := got.Header
		assert.Equal(t, pagePolicy, h.Get("Content-Security-Policy"))
		assert.Equal(t, "nosniff", h.Get("X-Content-Type-Options"))
		assert.Equal(t, "no-cache", h.Get("Cache-Control"))
		assert.Equal(t, "Accept-Encoding", h.Get("Vary"))
		kind := pageKinds[path.Ext(at)]
		if at == "/" {
			kind = pageKinds[".html"]
		}
		assert.Equal(t, kind, h.Get("Content-Type"), at)

		again, empty := fetch(t, "GET", url+at, "If-None-Match", h.Get("ETag"))
		assert.Equal(t, []any{304, ""}, []any{again.StatusCode, empty}, at)
		packed, less := fetch(t, "GET", url+at, "Accept-Encoding", "br, gzip", "If-None-Match", h.Get("ETag"))
		assert.Equal(t, []any{200, "gzip"}, []any{packed.StatusCode, packed.Header.Get("Content-Encoding")}, "not the same bytes, not the same tag")
		assert.Less(t, len(less), len(body), at)
		head, empty := fetch(t, "HEAD", url+at)
		assert.Equal(t, []any{200, "", h.Get("Content-Length")}, []any{head.StatusCode, empty, head.Header.Get("Content-Length")}, at)

		for _, m := range regexp.MustCompile(`(?:href|src)="(/[^"]*)"|from "\./([^"]+)"`).FindAllStringSubmatch(body, -1) {
			if m[2] != "" {
				m[1] = "/page/" + m[2]
			}
			next = append(next, m[1])
		}
		code := strings.ReplaceAll(body, "http://www.w3.org/2000/svg", "")
		assert.NotRegexp(t, `(?i)innerHTML|outerHTML|insertAdjacent|document\.write|\beval\(|new Function|<style|\sstyle="|\son[a-z]+="|<script>|(href|src)="?http|//cdn|@import|url\(['"]?http`, code, at)
	}
	assert.Len(t, seen, len(assets()), "no file is there for nothing, / is index.html")

	for _, c := range []struct {
		method, path string
		status       int
		says         string
	}{
		{"POST", "/", 405, "/ takes GET, not POST"},
		{"GET", "/page/nothing.js", 404, "there is no /page/nothing.js"},
		{"GET", "/page/..%2fserver.go", 404, "there is no /page/../server.go"},
		{"GET", "/nothing", 404, "there is no /nothing"},
	} {
		got, body := fetch(t, c.method, url+c.path)
		assert.Equal(t, c.status, got.StatusCode, c.path)
		assert.Contains(t, body, c.says)
	}
}

// TestPageKeys: the page is there for who has no key yet, and nothing else is; without it nothing is.
func TestPageKeys(t *testing.T) {
	e := parroting(t)
	_, url := serve(t, e, Options{Keys: []string{"secret"}})
	_, bare := serve(t, e, Options{NoPage: true})
	for path, status := range map[string]int{"/": 200, "/page/app.js": 200, "/page/nothing": 404, "/live": 401, "/props": 401, "/page": 401} {
		got, _ := fetch(t, "GET", url+path)
		assert.Equal(t, status, got.StatusCode, path)
	}
	for _, path := range []string{"/", "/page/app.js", "/live"} {
		got, body := fetch(t, "GET", bare+path)
		assert.Equal(t, 404, got.StatusCode, path)
		assert.Contains(t, body, "there is no "+path)
	}
}
