package hub

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func read(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	return data
}

// nothing checks that no model has its name, nor any file of one.
func nothing(t *testing.T, s Store) {
	t.Helper()
	for _, kind := range []string{"hf", "url"} {
		filepath.WalkDir(filepath.Join(s.Root, kind), func(path string, d os.DirEntry, err error) error {
			if err == nil && !d.IsDir() {
				t.Errorf("%s is there", path)
			}
			return nil
		})
	}
}

const hundredK = 100_000

// partOf is where the file of o/r:a.gguf is on its way.
func partOf(s Store) string {
	return filepath.Join(s.Root, "partial", "hf", "o", "r", "a", "a.gguf"+partial)
}

// TestDropped: connections that break at random places, in one process and over several, end in the exact bytes.
func TestDropped(t *testing.T) {
	f, s := newFake(t), Store{t.TempDir()}
	for seed := range uint64(8) {
		data := gguf(hundredK, seed)
		random := rand.New(rand.NewPCG(seed, 7))
		f.set(func() {
			f.files = map[string][]byte{"a.gguf": data}
			f.commit = fmt.Sprint("commit", seed)
			drops := 0
			f.fault = func(w http.ResponseWriter, r *http.Request, data []byte) bool {
				if drops++; drops > 12 {
					return false
				}
				return cut(w, r, data, random.IntN(hundredK/8))
			}
		})
		name := "hf:o/r"
		m, err := s.Pull(t.Context(), name, f.options())
		for tries := 0; err != nil && tries < 20; tries++ { // a process that gave up, and its successor
			require.ErrorIs(t, err, io.ErrUnexpectedEOF)
			m, err = s.Pull(t.Context(), name, f.options())
		}
		require.NoError(t, err)
		whole(t, s, m, data)
		resumed := false
		for _, a := range f.asked {
			resumed = resumed || strings.Contains(a, "bytes=")
		}
		require.True(t, resumed, "it went on where it stopped")
	}
}

// TestBounded: a server that never gives anything is given up on, after waits that double.
func TestBounded(t *testing.T) {
	f, s := newFake(t), Store{t.TempDir()}
	f.files["a.gguf"] = gguf(1000, 1)
	f.fault = func(w http.ResponseWriter, r *http.Request, data []byte) bool {
		w.Header().Set("Retry-After", "3")
		w.WriteHeader(http.StatusServiceUnavailable)
		return true
	}
	var waits []time.Duration
	o := f.options()
	o.sleep = func(_ context.Context, d time.Duration) error { waits = append(waits, d); return nil }
	_, err := s.Pull(t.Context(), "hf:o/r", o)
	require.ErrorContains(t, err, "hub: hf:o/r:a.gguf: a.gguf: status 503 Service Unavailable (tried 6 times)")
	assert.Equal(t, []time.Duration{3 * time.Second, 3 * time.Second, 4 * time.Second, 8 * time.Second, 16 * time.Second}, waits)
	nothing(t, s)
	f.set(func() {
		f.fault = func(w http.ResponseWriter, r *http.Request, data []byte) bool {
			w.WriteHeader(http.StatusForbidden)
			return true
		}
	})
	waits = nil
	_, err = s.Pull(t.Context(), "hf:o/r", o)
	require.ErrorContains(t, err, "it is private")
	assert.Empty(t, waits, "what is forbidden stays so")
}

// TestStalled: a connection on which nothing comes is given up, and what came is kept.
func TestStalled(t *testing.T) {
	f, s := newFake(t), Store{t.TempDir()}
	data := gguf(hundredK, 1)
	f.files["a.gguf"] = data
	first := true
	f.fault = func(w http.ResponseWriter, r *http.Request, data []byte) bool {
		if !first {
			return false
		}
		first = false
		w.Header().Set("Content-Length", fmt.Sprint(len(data)))
		w.Write(data[:5000])
		w.(http.Flusher).Flush()
		<-r.Context().Done()
		return true
	}
	o := f.options()
	o.stall = 300 * time.Millisecond
	var said []string
	o.Say = func(text string) { said = append(said, text) }
	m, err := s.Pull(t.Context(), "hf:o/r", o)
	require.NoError(t, err)
	whole(t, s, m, data)
	assert.Contains(t, strings.Join(said, "\n"), "nothing came for 300ms; trying again in 1s")
	assert.Contains(t, f.asked, "GET /a.gguf bytes=5000-")
}

// halfway pulls until n bytes have come, and is interrupted.
func halfway(t *testing.T, f *fake, s Store, name string, n int) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	f.set(func() {
		f.fault = func(w http.ResponseWriter, r *http.Request, data []byte) bool {
			w.Header().Set("Content-Length", fmt.Sprint(len(data)))
			w.Write(data[:n])
			w.(http.Flusher).Flush()
			<-r.Context().Done()
			return true
		}
	})
	o := f.options()
	o.Progress = func(done, _ int64) {
		if done == int64(n) {
			cancel()
		}
	}
	_, err := s.Pull(ctx, name, o)
	require.ErrorIs(t, err, context.Canceled)
	nothing(t, s)
	f.set(func() { f.fault, f.asked = nil, nil })
}

func TestInterrupted(t *testing.T) {
	f, s := newFake(t), Store{t.TempDir()}
	data := gguf(hundredK, 1)
	f.files["a.gguf"] = data
	halfway(t, f, s, "hf:o/r", 4321)
	assert.Equal(t, data[:4321], read(t, partOf(s)), "what came is kept")
	all, err := s.List()
	require.NoError(t, err)
	require.Len(t, all, 1)
	assert.False(t, all[0].Whole())
	assert.EqualValues(t, 4321, all[0].Here())
	_, err = s.Locate("hf:o/r")
	require.ErrorIs(t, err, ErrAbsent)
	m, err := s.Pull(t.Context(), "hf:o/r", f.options())
	require.NoError(t, err)
	whole(t, s, m, data)
	assert.Equal(t, []string{"GET /a.gguf bytes=4321-"}, f.asked)
}

// TestNoRanges: a server that answers with the whole file is taken from its first byte.
func TestNoRanges(t *testing.T) {
	f, s := newFake(t), Store{t.TempDir()}
	data := gguf(hundredK, 1)
	f.files["a.gguf"] = data
	halfway(t, f, s, "hf:o/r", 4321)
	f.set(func() {
		f.fault = func(w http.ResponseWriter, r *http.Request, data []byte) bool {
			w.Write(data)
			return true
		}
	})
	m, err := s.Pull(t.Context(), "hf:o/r", f.options())
	require.NoError(t, err)
	whole(t, s, m, data)
}

// TestWrongRange: bytes from elsewhere in the file are refused.
func TestWrongRange(t *testing.T) {
	f, s := newFake(t), Store{t.TempDir()}
	f.files["a.gguf"] = gguf(hundredK, 1)
	halfway(t, f, s, "hf:o/r", 4321)
	f.set(func() {
		f.fault = func(w http.ResponseWriter, r *http.Request, data []byte) bool {
			w.Header().Set("Content-Range", "bytes 4000-99999/100000")
			w.WriteHeader(http.StatusPartialContent)
			w.Write(data[4000:])
			return true
		}
	})
	_, err := s.Pull(t.Context(), "hf:o/r", f.options())
	require.ErrorContains(t, err, `asked for bytes from 4321 on, the server answers with "bytes 4000-99999/100000"`)
	nothing(t, s)
}

// TestOtherFile: a file that has another ETag, by URL and so without a hash, is begun anew, and never mixed.
func TestOtherFile(t *testing.T) {
	for _, knowsIfRange := range []bool{true, false} {
		f, s := newFake(t), Store{t.TempDir()}
		f.files["a.gguf"] = gguf(hundredK, 1)
		name := f.store.URL + "/a.gguf"
		halfway(t, f, s, name, 4321)
		other := gguf(hundredK, 2)
		f.set(func() {
			f.files["a.gguf"] = other
			f.fault = func(w http.ResponseWriter, r *http.Request, data []byte) bool {
				if r.Header.Get("Range") == "" || knowsIfRange {
					return false
				}
				w.Header().Set("Content-Range", fmt.Sprintf("bytes 4321-%d/%d", len(data)-1, len(data)))
				w.WriteHeader(http.StatusPartialContent)
				w.Write(data[4321:])
				return true
			}
		})
		m, err := s.Pull(t.Context(), name, f.options())
		require.NoError(t, err)
		whole(t, s, m, other)
	}
}

// TestEverOther: a file that is another each time is given up on.
func TestEverOther(t *testing.T) {
	f, s := newFake(t), Store{t.TempDir()}
	f.files["a.gguf"] = gguf(hundredK, 1)
	n := 0
	f.etag = func() string { n++; return fmt.Sprintf(`"%d"`, n) }
	f.fault = func(w http.ResponseWriter, r *http.Request, data []byte) bool { return cut(w, r, data, 5000) }
	_, err := s.Pull(t.Context(), f.store.URL+"/a.gguf", f.options())
	require.ErrorContains(t, err, "(tried 6 times)")
	nothing(t, s)
}

// TestWrongHash: what has another hash is refused and removed, also where git has the file.
func TestWrongHash(t *testing.T) {
	f, s := newFake(t), Store{t.TempDir()}
	data := gguf(hundredK, 1)
	f.files["a.gguf"] = data
	wrong := append([]byte{}, data...)
	wrong[99]++
	f.fault = func(w http.ResponseWriter, r *http.Request, data []byte) bool { w.Write(wrong); return true }
	_, err := s.Pull(t.Context(), "hf:o/r", f.options())
	require.ErrorContains(t, err, "its hash is "+sha(wrong)+", not "+sha(data))
	nothing(t, s)
	assert.NoFileExists(t, partOf(s))

	_, err = s.Pull(t.Context(), f.store.URL+"/a.gguf", Options{SHA256: sha(data), sleep: f.options().sleep})
	require.ErrorContains(t, err, "its hash is")
	nothing(t, s)

	f.set(func() {
		f.small["a.gguf"] = true
		f.entries = func(all []map[string]any) []map[string]any {
			all[1]["oid"] = strings.Repeat("0", 40)
			return all
		}
	})
	_, err = s.Pull(t.Context(), "hf:o/r", f.options())
	require.ErrorContains(t, err, ", not "+strings.Repeat("0", 40))
	nothing(t, s)
	f.set(func() { f.entries, f.fault = nil, nil })
	m, err := s.Pull(t.Context(), "hf:o/r", f.options())
	require.NoError(t, err)
	whole(t, s, m, data)
}

// TestDamagedPart: what an earlier pull left and something else has changed does not get through; after that it is downloaded whole.
func TestDamagedPart(t *testing.T) {
	f, s := newFake(t), Store{t.TempDir()}
	data := gguf(hundredK, 1)
	f.files["a.gguf"] = data
	halfway(t, f, s, "hf:o/r", 4321)
	damaged := read(t, partOf(s))
	damaged[77]++
	require.NoError(t, os.WriteFile(partOf(s), damaged, 0o644))
	_, err := s.Pull(t.Context(), "hf:o/r", f.options())
	require.ErrorContains(t, err, "its hash is")
	nothing(t, s)
	m, err := s.Pull(t.Context(), "hf:o/r", f.options())
	require.NoError(t, err)
	whole(t, s, m, data)
	halfway(t, f, Store{t.TempDir()}, "hf:o/r", 4321)
	long := Store{t.TempDir()}
	halfway(t, f, long, "hf:o/r", 4321)
	require.NoError(t, os.WriteFile(partOf(long), gguf(hundredK+1, 3), 0o644))
	m, err = long.Pull(t.Context(), "hf:o/r", f.options())
	require.NoError(t, err, "a part longer than the file is no beginning of it")
	whole(t, long, m, data)
}

// TestLengths: a server that lies about a length, or tells none, gets nothing through.
func TestLengths(t *testing.T) {
	data := gguf(hundredK, 1)
	raw := func(head string, body []byte) func(w http.ResponseWriter, r *http.Request, data []byte) bool {
		return func(w http.ResponseWriter, r *http.Request, _ []byte) bool {
			c, out, err := w.(http.Hijacker).Hijack()
			if err != nil {
				return false
			}
			fmt.Fprintf(out, "HTTP/1.1 200 OK\r\n%sConnection: close\r\n\r\n", head)
			out.Write(body)
			out.Flush()
			c.Close()
			return true
		}
	}
	for _, c := range []struct {
		name  string
		url   bool
		fault func(w http.ResponseWriter, r *http.Request, data []byte) bool
		want  string
	}{
		{"too short", false, raw("Content-Length: 5000\r\n", data[:5000]), "it should have 100000 bytes, and the server has one of 5000"},
		{"too long", false, raw("Content-Length: 100001\r\n", append(data, 1)), "and the server has one of 100001"},
		{"chunks too long", false, func(w http.ResponseWriter, r *http.Request, data []byte) bool {
			w.Write(data)
			w.(http.Flusher).Flush()
			w.Write(data)
			return true
		}, "it should have 100000 bytes, and the server sends more"},
		{"chunks too short", false, func(w http.ResponseWriter, r *http.Request, data []byte) bool {
			w.Write(data[:5000])
			w.(http.Flusher).Flush()
			return true
		}, "5000 of 100000 bytes came"},
		{"less than it says", true, raw("Content-Length: 100000\r\n", data[:5000]), "unexpected EOF"},
		{"no length", true, raw("", data[:5000]), "does not say how long it is"},
		{"no length, hub", false, raw("", data[:5000]), "5000 of 100000 bytes came"},
		{"an error in words", true, raw("Content-Length: 9\r\n", []byte("<!DOCTYPE")), `it is no GGUF file: it begins with "<!DO"`},
	} {
		f, s := newFake(t), Store{t.TempDir()}
		f.files["a.gguf"], f.fault = data, c.fault
		name := "hf:o/r"
		if c.url {
			name = f.store.URL + "/a.gguf"
		}
		_, err := s.Pull(t.Context(), name, f.options())
		assert.ErrorContains(t, err, c.want, c.name)
		nothing(t, s)
	}
	f, s := newFake(t), Store{t.TempDir()}
	f.files["a.gguf"], f.fault = data, raw("", data)
	m, err := s.Pull(t.Context(), f.store.URL+"/a.gguf", Options{SHA256: sha(data)})
	require.NoError(t, err, "the hash says that it is whole")
	whole(t, s, m, data)
}

// TestDiskFull: the error says that there is no room and what to do, nothing has its name, and the rest comes later.
func TestDiskFull(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("/dev/full is Linux's")
	}
	f, s := newFake(t), Store{t.TempDir()}
	data := gguf(hundredK, 1)
	f.files["a.gguf"] = data
	halfway(t, f, s, "hf:o/r", 4321)
	kept := partOf(s) + ".kept"
	require.NoError(t, os.Rename(partOf(s), kept))
	require.NoError(t, os.Symlink("/dev/full", partOf(s)))
	one := fetch{want: &File{Path: "a.gguf", Size: hundredK, SHA256: sha(data)}, sized: true, folder: filepath.Dir(partOf(s)),
		retry: f.options().filled().retry(), stall: time.Minute, save: func() error { return nil }, moved: func(int64) {}, url: f.store.URL + "/a.gguf"}
	var err error
	one.client, err = newClient("", "")
	require.NoError(t, err)
	defer one.client.close()
	one.sums = newSums(one.want)
	one.file, err = os.OpenFile(partOf(s), os.O_WRONLY, 0)
	require.NoError(t, err)
	_, err = one.attempt(t.Context())
	require.ErrorIs(t, err, syscall.ENOSPC)
	require.ErrorContains(t, full(one.retry.again(t.Context(), err), one.folder), "no room on the disk: ")
	one.file.Close()
	assert.Equal(t, 1, one.retry.tries, "room does not come by itself")
	require.NoError(t, os.Rename(kept, partOf(s)))
	m, err := s.Pull(t.Context(), "hf:o/r", f.options())
	require.NoError(t, err)
	whole(t, s, m, data)
}

func TestPassing(t *testing.T) {
	assert.False(t, passing(fmt.Errorf("x: %w", permanent{errors.New("no")})))
	assert.False(t, passing(&os.PathError{Err: syscall.ENOSPC}))
	assert.True(t, passing(io.ErrUnexpectedEOF))
	assert.True(t, passing(&refusal{status: 429}))
	assert.False(t, passing(&refusal{status: 404}))
}
