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
		if x.Name == "rope_freqs.weight" {
			continue // the file's are made up; TestLlama3 has the formula
		}
		if less1 {
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
		if key, _ := want.Value(arch + ".attention.key_length"); !ok && kv.Key == arch+".rope.dimension_count" && kv.Value == key {
			continue // all of a head, which readers take it for
		}
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

// TestLlama3 compares factors of frequencies with transformers' definition, which scales the frequencies themselves.
func TestLlama3(t *testing.T) {
	tiny, err := gguf.Open(testdata + "oracle/arch/llama3-scaled.gguf")
	require.NoError(t, err)
	defer tiny.Close()
	got, err := hf.Open(folderOf(t, tiny, styles["llama3-scaled"]).save(t))
	require.NoError(t, err)
	defer got.Close()
	x, ok := got.Tensor("rope_freqs.weight")
	require.True(t, ok)
	kinds := map[string]int{}
	for i, factor := range values(got, x) {
		freq := math.Pow(500000, -float64(2*i)/16)
		wavelength := 2 * math.Pi / freq
		want := freq
		kind := "high"
		if wavelength > 8192/1.0 {
			want, kind = freq/8, "low"
		} else if wavelength >= 8192/4.0 {
			smooth := (8192/wavelength - 1) / (4 - 1)
			want, kind = (1-smooth)*freq/8+smooth*freq, "between"
		}
		kinds[kind]++
		assert.InEpsilon(t, want, freq/float64(factor), 1e-6)
	}
	assert.Len(t, kinds, 3, "%v", kinds)
}
