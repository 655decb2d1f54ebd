package hf_test

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"umbra/model/gguf"
	"umbra/model/hf"
	"umbra/model/tokenizer"
)

const testdata = "../../testdata/"

// TestArchitectures writes the tiny models of testdata, whose logits other tests compare with llama.cpp's, as folders: opened, they have the
// same tensors and the same metadata. Gains that are stored less one differ by that rounding.
func TestArchitectures(t *testing.T) {
	paths, err := filepath.Glob(testdata + "oracle/arch/*.gguf")
	require.NoError(t, err)
	require.NotEmpty(t, paths)
	for _, path := range paths {
		name := strings.TrimSuffix(filepath.Base(path), ".gguf")
		t.Run(name, func(t *testing.T) {
			want, err := gguf.Open(path)
			require.NoError(t, err)
			defer want.Close()
			s, ok := styles[name]
			require.True(t, ok, "folder_test.go has no style for %s", name)
			d := folderOf(t, want, s)
			d.shards = 3
			got, err := hf.Open(d.save(t))
			require.NoError(t, err)
			defer got.Close()
			requireSame(t, want, got, s.less1)
		})
	}
}

// requireSame requires the tensors of two files alike, and the metadata of the first in the second.
func requireSame(t *testing.T, want, got *gguf.File, less1 bool) {
	t.Helper()
	assert.Len(t, got.Tensors, len(want.Tensors))
	for _, x := range want.Tensors {
		y, ok := got.Tensor(x.Name)
		if !assert.True(t, ok, x.Name) {
			continue
		}
		assert.Equal(t, x.Type, y.Type, x.Name)
		assert.Equal(t, x.Dims, y.Dims, x.Name)
		assert.Equal(t, x.Size, y.Size, x.Name)
		v, w := values(want, x), values(got, y)
		worst := 0.0
		for i := range v {
			worst = max(worst, math.Abs(float64(v[i])-float64(w[i])))
		}
		if less1 || strings.HasPrefix(x.Name, "rope_") {
			assert.Less(t, worst, 1e-6, x.Name)
		} else {
			assert.Zero(t, worst, x.Name)
		}
	}
	arch, _ := want.String("general.architecture")
	for _, kv := range want.Metadata {
		if !strings.HasPrefix(kv.Key, arch+".") {
			continue
		}
		v, ok := got.Value(kv.Key)
		if assert.True(t, ok, kv.Key) {
			assert.Equal(t, kv.Value, v, kv.Key)
		}
	}
}

// TestGopherTokenizer writes the built-in model's vocabulary as tokenizer.json: ids are those of llama.cpp.
func TestGopherTokenizer(t *testing.T) {
	f, err := gguf.Open(testdata + "gopher-28m-q8_0.gguf")
	require.NoError(t, err)
	defer f.Close()
	tiny, err := gguf.Open(testdata + "oracle/arch/llama-mha-tied.gguf")
	require.NoError(t, err)
	defer tiny.Close()
	d := folderOf(t, tiny, styles["llama-mha-tied"])
	d.tokenizer = tokenizerOf(f)
	tokens, _ := f.Strings("tokenizer.ggml.tokens")
	d.widen(len(tokens))
	got, err := hf.Open(d.save(t))
	require.NoError(t, err)
	defer got.Close()
	again, _ := got.Strings("tokenizer.ggml.tokens")
	require.Equal(t, tokens, again)
	tok, err := tokenizer.New(got)
	require.NoError(t, err)
	raw, err := os.ReadFile(testdata + "oracle/gopher-tokens.json")
	require.NoError(t, err)
	var texts []struct {
		Text string  `json:"text"`
		IDs  []int32 `json:"ids"`
	}
	require.NoError(t, json.Unmarshal(raw, &texts))
	require.NotEmpty(t, texts)
	for _, x := range texts {
		assert.Equal(t, x.IDs, append([]int32{}, tok.Encode(x.Text, tokenizer.EncodeOptions{})...), "%q", x.Text)
	}
}
