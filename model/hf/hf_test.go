package hf_test

import (
	"bytes"
	"context"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"umbra/gpu/gputest"
	"umbra/model"
	"umbra/model/gguf"
	"umbra/model/hf"
	"umbra/model/hf/hftest"
	"umbra/model/quantize"
	"umbra/model/tokenizer"
	"umbra/scheduler/batch"
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
			s, ok := hftest.Styles[name]
			require.True(t, ok, "hftest has no style for %s", name)
			d := hftest.FolderOf(t, want, s)
			d.Shards = 3
			got, err := hf.Open(d.Save(t, t.TempDir()))
			require.NoError(t, err)
			defer got.Close()
			requireSame(t, want, got, s.Less1)
			requireConverted(t, got)
			if os.Getenv("UMBRA_SOAK") != "" || slices.Contains([]string{"qwen2", "gpt2", "gemma2", "phi3-longrope", "mixtral"}, name) {
				requireLogits(t, want, got, name)
			}
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
		v, w := hftest.Values(t, want, x), hftest.Values(t, got, y)
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
		if !ok && arch == "granite" && strings.HasSuffix(kv.Key, "_length") {
			continue // width over heads, likewise
		}
		if assert.True(t, ok, kv.Key) {
			assert.Equal(t, kv.Value, v, kv.Key)
		}
	}
}

// requireConverted writes a folder's file out: it is the same, to the bit.
func requireConverted(t *testing.T, folder *gguf.File) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "out.gguf")
	_, err := quantize.File(context.Background(), folder, path, quantize.Options{})
	require.NoError(t, err)
	f, err := gguf.Open(path)
	require.NoError(t, err)
	defer f.Close()
	for _, kv := range folder.Metadata {
		v, ok := f.Value(kv.Key)
		require.True(t, ok, kv.Key)
		require.Equal(t, kv.Value, v)
	}
	require.Len(t, f.Tensors, len(folder.Tensors))
	for _, x := range folder.Tensors {
		y, _ := f.Tensor(x.Name)
		require.Equal(t, x.Dims, y.Dims)
		require.True(t, bytes.Equal(folder.Data(x), f.Data(y)), x.Name)
	}
}

// requireLogits runs a file that umbra has the architecture of, and the folder of the same model: the logits after 40 tokens are the same. Package model's
// tests compare the file's with llama.cpp's.
func requireLogits(t *testing.T, file, folder *gguf.File, name string) {
	t.Helper()
	o := model.Options{Sequences: 1, BatchTokens: 64, Context: 64}
	d := gputest.Device(t)
	if _, err := model.PlanFor(file, o, d.Limits()); err != nil || name == "llama3-scaled" { // whose factors are made up
		return
	}
	b := &batch.Batch{Sequences: []batch.Sequence{{Rows: 40, Outputs: 1, Want: batch.WantLogits, Blocks: []int32{0, 1, 2}}}}
	for i := range int32(40) {
		b.Tokens, b.Positions, b.Slots = append(b.Tokens, i*37%256), append(b.Positions, i), append(b.Slots, i)
	}
	var got [2][]float32
	for i, f := range []*gguf.File{file, folder} {
		m, err := model.New(d, f, o)
		require.NoError(t, err)
		out, err := m.Run(b)
		require.NoError(t, err)
		got[i] = out[0].Logits
		m.Release()
	}
	for i, want := range got[0] {
		require.InDelta(t, want, got[1][i], 1e-4, "logit %d", i)
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
	d := hftest.FolderOf(t, tiny, hftest.Styles["llama-mha-tied"])
	d.Tokenizer = hftest.TokenizerOf(f)
	tokens, _ := f.Strings("tokenizer.ggml.tokens")
	d.Widen(len(tokens))
	got, err := hf.Open(d.Save(t, t.TempDir()))
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
	got, err := hf.Open(hftest.FolderOf(t, tiny, hftest.Styles["llama3-scaled"]).Save(t, t.TempDir()))
	require.NoError(t, err)
	defer got.Close()
	x, ok := got.Tensor("rope_freqs.weight")
	require.True(t, ok)
	kinds := map[string]int{}
	for i, factor := range hftest.Values(t, got, x) {
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
