package kvfile

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func sample(n int) (Header, []int32, []byte) {
	r := rand.New(rand.NewPCG(1, uint64(n)))
	h := Header{Model: "0123456789abcdef", KVType: "f16", BlockSize: 4, BlockBytes: 48}
	tokens := make([]int32, 4*n)
	for i := range tokens {
		tokens[i] = r.Int32()
	}
	blocks := make([]byte, 48*n)
	for i := range blocks {
		blocks[i] = byte(r.Uint32())
	}
	return h, tokens, blocks
}

func TestRoundTrip(t *testing.T) {
	for _, n := range []int{0, 1, 2, 1000} {
		path := filepath.Join(t.TempDir(), "x.umbra-kv")
		h, tokens, blocks := sample(n)
		require.NoError(t, os.WriteFile(path, []byte("what was there before"), 0o600))
		require.NoError(t, Save(path, h, tokens, blocks))
		gotTokens, gotBlocks, err := Load(path, h)
		require.NoError(t, err)
		assert.Equal(t, tokens, gotTokens)
		assert.True(t, bytes.Equal(blocks, gotBlocks))
	}
}

func TestSaveErrors(t *testing.T) {
	dir := t.TempDir()
	h, tokens, blocks := sample(2)
	assert.ErrorContains(t, Save(filepath.Join(dir, "x"), h, tokens[:7], blocks), "7 tokens")
	assert.ErrorContains(t, Save(filepath.Join(dir, "x"), h, tokens, blocks[1:]), "95 bytes")
	assert.ErrorIs(t, Save(filepath.Join(dir, "none", "x"), h, tokens, blocks), os.ErrNotExist)
	require.NoError(t, os.Mkdir(filepath.Join(dir, "taken"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "taken", "x"), nil, 0o600))
	assert.Error(t, Save(filepath.Join(dir, "taken"), h, tokens, blocks), "a folder is in the way")
	left, err := filepath.Glob(filepath.Join(dir, "*.tmp"))
	require.NoError(t, err)
	assert.Empty(t, left, "nothing half-written stays")
}

func TestForeign(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.umbra-kv")
	h, tokens, blocks := sample(3)
	require.NoError(t, Save(path, h, tokens, blocks))
	for _, change := range []func(*Header){
		func(h *Header) { h.Model = "another" }, func(h *Header) { h.KVType = "f32" },
		func(h *Header) { h.BlockSize = 2 }, func(h *Header) { h.BlockBytes = 96 },
	} {
		want := h
		change(&want)
		_, _, err := Load(path, want)
		assert.ErrorIs(t, err, ErrForeign)
	}
	_, _, err := Load(path+"2", h)
	assert.ErrorIs(t, err, os.ErrNotExist)
}

// TestDamaged cuts the file at every length and changes every byte: none may pass for whole.
func TestDamaged(t *testing.T) {
	var b bytes.Buffer
	h, tokens, blocks := sample(2)
	h.Tokens = len(tokens)
	require.NoError(t, write(&b, h, tokens, blocks))
	whole := b.Bytes()
	_, _, err := read(bytes.NewReader(whole), h)
	require.NoError(t, err)
	for n := range whole {
		_, _, err := read(bytes.NewReader(whole[:n]), h)
		require.Error(t, err, "cut at %d of %d", n, len(whole))
	}
	for i := range whole {
		bad := bytes.Clone(whole)
		bad[i] ^= 0x10
		gotTokens, gotBlocks, err := read(bytes.NewReader(bad), h)
		if err == nil { // a bit that means nothing, such as a reserved one
			require.Equal(t, tokens, gotTokens, "byte %d", i)
			require.Equal(t, blocks, gotBlocks, "byte %d", i)
		}
	}
}

func FuzzLoad(f *testing.F) {
	h, tokens, blocks := sample(2)
	h.Tokens = len(tokens)
	var b bytes.Buffer
	if err := write(&b, h, tokens, blocks); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Add([]byte(magic))
	f.Fuzz(func(t *testing.T, data []byte) {
		want := h
		if got, err := readHeader(bytes.NewReader(data)); err == nil {
			want = got
		}
		tokens, blocks, err := read(bytes.NewReader(data), want)
		if err == nil && (len(tokens) != want.Tokens || len(blocks) != want.blocks()*want.BlockBytes) {
			t.Fatalf("%d tokens and %d bytes for %+v", len(tokens), len(blocks), want)
		}
	})
}
