package main

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
)

// hubCommit is what main is at a hubFor.
const hubCommit = "0123abcd"

// hubFor serves folders as repositories of a hub. The first connection for a file of tests/dropped breaks halfway.
func hubFor(t *testing.T, repos map[string]string) string {
	t.Helper()
	var dropped atomic.Bool
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for repo, dir := range repos {
			if r.URL.Path == "/api/models/"+repo+"/revision/main" {
				json.NewEncoder(w).Encode(map[string]string{"sha": hubCommit})
				return
			}
			if r.URL.Path == "/api/models/"+repo+"/tree/"+hubCommit {
				serveTree(w, dir)
				return
			}
			file, ok := strings.CutPrefix(r.URL.Path, "/"+repo+"/resolve/"+hubCommit+"/")
			if !ok {
				continue
			}
			path := filepath.Join(dir, filepath.Base(file))
			if repo == "tests/dropped" && dropped.CompareAndSwap(false, true) {
				data, _ := os.ReadFile(path)
				w.Header().Set("Content-Length", fmt.Sprint(len(data)))
				w.Write(data[:len(data)/2])
				panic(http.ErrAbortHandler)
			}
			http.ServeFile(w, r, path)
			return
		}
		w.Header().Set("X-Error-Code", "RepoNotFound")
		w.WriteHeader(http.StatusUnauthorized)
	}))
	t.Cleanup(s.Close)
	return s.URL
}

func serveTree(w http.ResponseWriter, dir string) {
	type lfs struct {
		OID  string `json:"oid"`
		Size int    `json:"size"`
	}
	type entry struct {
		Type string `json:"type"`
		Path string `json:"path"`
		LFS  lfs    `json:"lfs"`
	}
	entries, _ := os.ReadDir(dir)
	all := []entry{}
	for _, e := range entries {
		if data, err := os.ReadFile(filepath.Join(dir, e.Name())); err == nil {
			all = append(all, entry{"file", e.Name(), lfs{fmt.Sprintf("%x", sha256.Sum256(data)), len(data)}})
		}
	}
	json.NewEncoder(w).Encode(all)
}
