package klfile

import (
	"bytes"
	"errors"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var header = Header{Model: "m.gguf", Fingerprint: "1234", Tokenizer: "abcd", Vocab: 11, Context: 8, Stride: 0, BOS: 1, Rows: 5}

// save writes a small file and returns its path and rows.
func save(t testing.TB) (path string, tokens []int32, rows []Row) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "a.umbra-kl")
	tokens = []int32{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 0}
	w, err := Create(path, header, tokens)
	require.NoError(t, err)
	r := rand.New(rand.NewPCG(3, 3))
	for i := range header.Rows {
		logits := make([]float32, header.Vocab)
		for j := range logits {
			logits[j] = float32(r.NormFloat64() * 6)
		}
		var row Row
		require.True(t, row.Encode(logits, int32(i)))
		require.NoError(t, w.Write(&row))
		rows = append(rows, row)
	}
	require.NoError(t, w.Close())
	require.NoError(t, w.Close())
	return path, tokens, rows
}

// readAll reads a file to its end.
func readAll(path string) (h Header, tokens []int32, rows []Row, err error) {
	r, err := Open(path)
	if err != nil {
		return h, nil, nil, err
	}
	defer r.Close()
	for {
		var row Row
		err := r.Next(&row)
		if err == io.EOF {
			return r.Header, r.Tokens, rows, nil
		}
		if err != nil {
			return h, nil, nil, err
		}
		rows = append(rows, row)
	}
}

func TestRoundTrip(t *testing.T) {
	path, tokens, rows := save(t)
	h, gotTokens, gotRows, err := readAll(path)
	require.NoError(t, err)
	want := header
	want.Tokens = len(tokens)
	assert.Equal(t, want, h)
	assert.Equal(t, tokens, gotTokens)
	assert.Equal(t, rows, gotRows)
	entries, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	assert.Len(t, entries, 1, "nothing temporary is left")
}

// TestEncode: codes are within half a step, ties go to the smaller id, and what is far below the best is at the floor.
func TestEncode(t *testing.T) {
	logits := []float32{-1, 2.5, 2.5, -13.4, -13.6, -40, float32(math.Inf(-1)), 0}
	var r Row
	require.True(t, r.Encode(logits, 7))
	sum := 0.0
	for _, v := range logits {
		sum += math.Exp(float64(v))
	}
	assert.EqualValues(t, 1, r.Best)
	assert.InDelta(t, 2.5-math.Log(sum), r.Top, 1e-6)
	assert.InDelta(t, -math.Log(sum), r.Target, 1e-6)
	for i, v := range logits {
		if v < 2.5-16 {
			assert.EqualValues(t, Floor, r.Codes[i], "token %d", i)
			continue
		}
		assert.InDelta(t, float64(v)-math.Log(sum), r.LogProb(r.Codes[i]), 0.5/Steps+1e-6, "token %d", i)
	}
	assert.Less(t, r.Codes[3], uint16(Floor))
}

// TestDamaged cuts a file at every length and changes every byte: it never passes for whole, unless it reads the same, as with a reserved
// bit of a zstd frame.
func TestDamaged(t *testing.T) {
	path, tokens, rows := save(t)
	good, err := os.ReadFile(path)
	require.NoError(t, err)
	bad := filepath.Join(t.TempDir(), "bad")
	try := func(data []byte) error {
		require.NoError(t, os.WriteFile(bad, data, 0o600))
		_, gotTokens, gotRows, err := readAll(bad)
		if err == nil && len(data) == len(good) {
			require.Equal(t, tokens, gotTokens)
			require.Equal(t, rows, gotRows)
		}
		return err
	}
	refused := func(err error, what string, at, form int) {
		require.ErrorContains(t, err, bad, "%s %d", what, at)
		if at < form {
			require.ErrorIs(t, err, ErrFormat, "%s %d", what, at)
		} else {
			require.ErrorIs(t, err, ErrDamaged, "%s %d", what, at)
		}
	}
	for n := range len(good) {
		refused(try(good[:n]), "cut at", n, len(magic)+12)
	}
	for i := range good {
		for _, change := range []byte{1, 0x80, 0xff} {
			data := append([]byte(nil), good...)
			data[i] ^= change
			if err := try(data); err != nil {
				refused(err, "changed at", i, len(magic)+4)
			}
		}
	}
}

func TestForeign(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x")
	for _, text := range []string{"", "_logits_\x00\x02\x00\x00", "umbra-kv\x01\x00\x00\x00 and so on", "umbra-kl\x02\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"} {
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		_, err := Open(path)
		assert.ErrorIs(t, err, ErrFormat, "%q", text)
	}
	_, err := Open(filepath.Join(t.TempDir(), "none"))
	assert.ErrorIs(t, err, os.ErrNotExist)
}

// TestUnfinished: a file that lacks rows, or gets too many or others, never appears.
func TestUnfinished(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a")
	var row Row
	require.True(t, row.Encode(make([]float32, header.Vocab), 0))
	begin := func() *Writer {
		w, err := Create(path, header, []int32{1})
		require.NoError(t, err)
		return w
	}
	w := begin()
	require.NoError(t, w.Write(&row))
	assert.ErrorContains(t, w.Close(), "1 rows of 5 were written")
	w = begin()
	for range header.Rows {
		require.NoError(t, w.Write(&row))
	}
	assert.ErrorContains(t, w.Write(&row), "row 6 of 5")
	assert.NoError(t, w.Close())
	w = begin()
	assert.ErrorContains(t, w.Write(&Row{Codes: make([]uint16, 3)}), "has 3 tokens of 11")
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Empty(t, entries)
	_, err = Create(filepath.Join(dir, "no", "such"), header, []int32{1})
	assert.Error(t, err)
	_, err = Create(path, Header{Vocab: 5, Rows: 0}, []int32{1})
	assert.Error(t, err)
}

// FuzzRead: whatever a file holds, reading it ends, with rows that are in range.
func FuzzRead(f *testing.F) {
	path, _, _ := save(f)
	good, err := os.ReadFile(path)
	require.NoError(f, err)
	f.Add(good)
	f.Add(good[:len(good)-5])
	f.Add([]byte(magic))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := newReader(bytes.NewReader(data))
		if err != nil {
			return
		}
		defer r.Close()
		for _, id := range r.Tokens {
			require.Less(t, int(id), r.Header.Vocab)
		}
		var row Row
		for err = r.Next(&row); err == nil; err = r.Next(&row) {
			require.Len(t, row.Codes, r.Header.Vocab)
			require.Less(t, int(row.Best), r.Header.Vocab)
		}
		require.True(t, err == io.EOF || errors.Is(err, ErrDamaged), "%v", err)
	})
}
