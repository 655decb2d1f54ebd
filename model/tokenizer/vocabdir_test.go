package tokenizer

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"umbra/model/gguf"
)

// TestVocabularies compares with ids published for the vocabularies in a folder: NAME.gguf with texts in NAME.gguf.inp, between lines
// "__ggml_vocab_test__", and the ids of each on a line of NAME.gguf.out.
func TestVocabularies(t *testing.T) {
	dir := os.Getenv("UMBRA_VOCAB_DIR")
	if dir == "" {
		t.Skip("UMBRA_VOCAB_DIR names no folder of vocabularies (NAME.gguf, NAME.gguf.inp, NAME.gguf.out)")
	}
	outs, err := filepath.Glob(filepath.Join(dir, "*.gguf.out"))
	require.NoError(t, err)
	require.NotEmpty(t, outs)
	for _, out := range outs {
		name := strings.TrimSuffix(out, ".out")
		t.Run(filepath.Base(name), func(t *testing.T) {
			f, err := gguf.Open(name)
			require.NoError(t, err)
			defer f.Close()
			tok := mustNew(t, f)
			texts, err := os.ReadFile(name + ".inp")
			require.NoError(t, err)
			ids, err := os.ReadFile(out)
			require.NoError(t, err)
			inputs := strings.Split(strings.TrimSuffix(string(texts), "\n__ggml_vocab_test__\n"), "\n__ggml_vocab_test__\n")
			outputs := strings.Split(strings.TrimSuffix(string(ids), "\n"), "\n")
			require.Len(t, outputs, len(inputs))
			for i, text := range inputs {
				got := tok.Encode(text, EncodeOptions{})
				assert.Equal(t, strings.TrimSpace(outputs[i]), strings.Trim(fmt.Sprint(got), "[]"), "%q", text)
				if tok.kind != "bert" {
					assert.Equal(t, text, tok.Decode(got))
				}
			}
		})
	}
}

// TestArchitectures loads the tokenizer of each model in a folder.
func TestArchitectures(t *testing.T) {
	dir := os.Getenv("UMBRA_ARCH_DIR")
	if dir == "" {
		t.Skip("UMBRA_ARCH_DIR names no folder of models (NAME.gguf)")
	}
	names, err := filepath.Glob(filepath.Join(dir, "*.gguf"))
	require.NoError(t, err)
	require.NotEmpty(t, names)
	for _, name := range names {
		f, err := gguf.Open(name)
		require.NoError(t, err)
		tok, err := New(f)
		if assert.NoError(t, err, name) {
			assert.Equal(t, "any text\x00\xff", tok.Decode(tok.Encode("any text\x00\xff", EncodeOptions{})), name)
		}
		require.NoError(t, f.Close())
	}
}
