package umbra_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"umbra"
	"umbra/model/kvfile"
)

// TestSessions saves the cache of a prompt and loads it into another engine, which gives the same tokens and computes
// less than a block of the prompt.
func TestSessions(t *testing.T) {
	for _, kv := range []string{"f32", "f16", "int8"} {
		t.Run(kv, func(t *testing.T) {
			g, main := oracle(t)[8], subject() // 285 tokens
			if kv == "f32" {
				main = gopher
			}
			o := umbra.Options{Context: 384, Sequences: 1, KVType: kv}
			request := umbra.Request{Tokens: g.PromptIDs, MaxTokens: 16}
			path := filepath.Join(t.TempDir(), "prompt.umbra-kv")

			first := open(t, main, o)
			_, err := first.SaveSession(path, g.PromptIDs)
			assert.ErrorContains(t, err, "the cache holds no whole block of 16 tokens")
			assert.NoFileExists(t, path)
			want := generate(context.Background(), first, request)
			require.NoError(t, want.err)
			assert.Zero(t, want.Usage.Cached)
			saved, err := first.SaveSession(path, append(g.PromptIDs[:len(g.PromptIDs):len(g.PromptIDs)], want.tokens...))
			require.NoError(t, err)
			assert.Equal(t, (len(g.PromptIDs)+len(want.tokens)-1)/16*16, saved, "the last token was never computed on")

			second := open(t, main, o)
			tokens, err := second.LoadSession(path)
			require.NoError(t, err)
			assert.Equal(t, g.PromptIDs, tokens[:len(g.PromptIDs)])
			got := generate(context.Background(), second, request)
			require.NoError(t, got.err)
			assert.Equal(t, want.tokens, got.tokens)
			assert.Equal(t, len(g.PromptIDs)/16*16, got.Usage.Cached)
			if kv == "f32" {
				assert.Equal(t, g.IDs[:16], got.tokens, "as the other engine has it")
			}
		})
	}
}

func TestSessionErrors(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "x.umbra-kv")
	g := oracle(t)[0]
	e := open(t, draft, umbra.Options{Context: 128, Sequences: 1})
	require.NoError(t, generate(context.Background(), e, umbra.Request{Tokens: append(g.PromptIDs, g.PromptIDs...), MaxTokens: 2}).err)
	_, err := e.SaveSession(filepath.Join(dir, "none", "x"), append(g.PromptIDs, g.PromptIDs...))
	assert.ErrorIs(t, err, os.ErrNotExist)
	_, err = e.SaveSession(path, append(g.PromptIDs, g.PromptIDs...))
	require.NoError(t, err)

	_, err = e.LoadSession(path + "2")
	assert.ErrorIs(t, err, os.ErrNotExist)
	_, err = open(t, draft, umbra.Options{Context: 128, Sequences: 1, KVType: "f16"}).LoadSession(path)
	assert.ErrorIs(t, err, kvfile.ErrForeign, "another KV type")
	_, err = open(t, gopher, umbra.Options{Context: 128, Sequences: 1}).LoadSession(path)
	assert.ErrorIs(t, err, kvfile.ErrForeign, "another model")
	raw, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, raw[:len(raw)-9], 0o600))
	_, err = e.LoadSession(path)
	assert.ErrorIs(t, err, kvfile.ErrDamaged)
	require.NoError(t, os.WriteFile(path, []byte("something else"), 0o600))
	_, err = e.LoadSession(path)
	assert.ErrorIs(t, err, kvfile.ErrFormat)

	require.NoError(t, e.Close())
	_, err = e.SaveSession(path, g.PromptIDs)
	assert.ErrorIs(t, err, umbra.ErrClosed)
}
