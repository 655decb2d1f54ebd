package server

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"
)

// wrap adds what all requests have: an id, a log line, keys, origins, and that a panic is one request's.
func (s *Server) wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		seen := &watched{ResponseWriter: w}
		id := requestID(r.Header.Get("X-Request-Id"))
		seen.Header().Set("X-Request-Id", id)
		defer func() {
			if p := recover(); p != nil && p != http.ErrAbortHandler {
				s.options.Log.Error("panic", "id", id, "path", r.URL.Path, "panic", p)
				if seen.status == 0 {
					s.fail(seen, &apiError{status: http.StatusInternalServerError, kind: serverError, message: "internal error"})
				}
			}
			level := slog.LevelInfo
			if r.Method == http.MethodGet && slices.Contains([]string{"/health", "/ready", "/metrics"}, r.URL.Path) { // asked for all the time
				level = slog.LevelDebug
			}
			s.options.Log.Log(r.Context(), level, "request", "id", id, "method", r.Method, "path", r.URL.Path, "status", seen.status, "bytes", seen.bytes,
				"seconds", time.Since(start).Seconds())
		}()
		if s.crossOrigin(seen, r) {
			return
		}
		if r.URL.Path != "/health" && r.URL.Path != "/ready" && !s.ofPage(r.URL.Path) && !s.admitted(r) {
			s.fail(seen, &apiError{status: http.StatusUnauthorized, kind: invalidRequest, code: "invalid_api_key", message: "give a valid key: Authorization: Bearer KEY"})
			return
		}
		next.ServeHTTP(seen, r)
	})
}

// watched remembers what was answered.
type watched struct {
	http.ResponseWriter
	status int
	bytes  int64
}

func (w *watched) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *watched) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	n, err := w.ResponseWriter.Write(b)
	w.bytes += int64(n)
	return n, err
}

// Unwrap is for http.ResponseController.
func (w *watched) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// requestID is the client's, if it is one, or a new one.
func requestID(given string) string {
	ok := func(r rune) bool { return r > ' ' && r <= '~' }
	if given != "" && len(given) <= 128 && strings.IndexFunc(given, func(r rune) bool { return !ok(r) }) < 0 {
		return given
	}
	return "req-" + rand.Text()
}

func hashed(key string) [32]byte { return sha256.Sum256([]byte(key)) }

// admitted reports whether the request has one of the keys, in a time that does not depend on which or on how much of it is right.
func (s *Server) admitted(r *http.Request) bool {
	if len(s.keys) == 0 {
		return true
	}
	key, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	given, found := hashed(key), 0
	for _, k := range s.keys {
		found |= subtle.ConstantTimeCompare(given[:], k[:])
	}
	return found == 1
}

// crossOrigin answers what browsers ask before they ask across origins, and reports whether it did.
func (s *Server) crossOrigin(w http.ResponseWriter, r *http.Request) bool {
	origin := r.Header.Get("Origin")
	if origin == "" || len(s.options.Origins) == 0 {
		return false
	}
	h := w.Header()
	h.Add("Vary", "Origin")
	switch {
	case slices.Contains(s.options.Origins, "*"):
		h.Set("Access-Control-Allow-Origin", "*")
	case slices.Contains(s.options.Origins, origin):
		h.Set("Access-Control-Allow-Origin", origin)
	default:
		return false
	}
	if r.Method != http.MethodOptions || r.Header.Get("Access-Control-Request-Method") == "" {
		return false
	}
	h.Set("Access-Control-Allow-Methods", "GET, POST")
	h.Set("Access-Control-Allow-Headers", "Authorization, Content-Type, X-Request-Id")
	h.Set("Access-Control-Max-Age", "600")
	w.WriteHeader(http.StatusNoContent)
	return true
}
