package imatrix

import (
	"bytes"
	"math"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"umbra/model/gguf"
)

func TestRoundTrip(t *testing.T) {
	m := &Matrix{Datasets: []string{"a.txt", "b.txt"}, Chunks: 7, ChunkSize: 512}
	require.NoError(t, m.Add("blk.0.attn_q.weight", []float64{8, 0, 2}, 4))
	require.NoError(t, m.Add("blk.0.attn_q.weight", []float64{0, 4, 2}, 4))
	require.NoError(t, m.Add("blk.0.ffn_down_exps.weight", []float64{4, 8, 0, 0}, 1, 0))
	require.NoError(t, m.Add("blk.0.ffn_down_exps.weight", []float64{2, 1, 0, 0}, 2, 0))
	path := filepath.Join(t.TempDir(), "m.gguf")
	require.NoError(t, m.Save(path))
	got, err := Load(path)
	require.NoError(t, err)
	assert.Equal(t, m, got)
	assert.Equal(t, []float32{1, 0.5, 0.5}, got.Entries["blk.0.attn_q.weight"].Weights(0))
	experts := got.Entries["blk.0.ffn_down_exps.weight"]
	assert.Equal(t, []float32{2, 3}, experts.Weights(0))
	assert.Equal(t, []float32{1, 1}, experts.Weights(1), "no token came to this one")
	assert.Equal(t, 1, experts.Unseen())
	assert.Equal(t, []float32{6, 9, 0, 0}, experts.Sums, "Weights gives a copy")

	assert.ErrorContains(t, got.Add("blk.0.attn_q.weight", []float64{1}, 1), `"blk.0.attn_q.weight" has 3 × 1 sums, not 1 × 1`)
	assert.ErrorContains(t, got.Add("blk.0.ffn_down_exps.weight", []float64{1, 1}, 1), "has 2 × 2 sums, not 2 × 1")
	assert.ErrorContains(t, got.Add("x", []float64{1, 1, 1}, 1, 1), "3 sums are no whole columns of 2 matrices")
	assert.ErrorContains(t, got.Add("x", nil), "of 0 matrices")
}

// The tensors' names, types and shapes are those that llama.cpp's tool writes and reads.
func TestLayout(t *testing.T) {
	m := &Matrix{}
	require.NoError(t, m.Add("x.weight", []float64{1, 2}, 3))
	var b bytes.Buffer
	_, err := m.WriteTo(&b)
	require.NoError(t, err)
	f, err := gguf.Parse(b.Bytes())
	require.NoError(t, err)
	assert.Equal(t, []string{"general.type", "imatrix.datasets", "imatrix.chunk_count", "imatrix.chunk_size"}, f.Keys())
	sums, _ := f.Tensor("x.weight.in_sum2")
	assert.Equal(t, []uint64{2, 1}, sums.Dims)
	counts, _ := f.Tensor("x.weight.counts")
	assert.Equal(t, []uint64{1, 1}, counts.Dims)
	assert.Equal(t, gguf.F32, counts.Type)
}

func TestRefuses(t *testing.T) {
	sums := func(v ...float32) []byte { return raw(v) }
	for _, c := range []struct {
		name, kind string
		add        func(w *gguf.Writer)
		want       string
	}{
		{"a model", "model", func(*gguf.Writer) {}, "no importance matrix"},
		{"nothing in it", "imatrix", func(*gguf.Writer) {}, `no tensor ends in ".in_sum2"`},
		{"no counts", "imatrix", func(w *gguf.Writer) { w.Add("x.in_sum2", gguf.F32, []uint64{1}, sums(1)) }, `"x.counts" is missing`},
		{"too few counts", "imatrix", func(w *gguf.Writer) {
			w.Add("x.in_sum2", gguf.F32, []uint64{1, 2}, sums(1, 1))
			w.Add("x.counts", gguf.F32, []uint64{1, 1}, sums(1))
		}, "has 1 values for 2 matrices"},
		{"other type", "imatrix", func(w *gguf.Writer) {
			w.Add("x.in_sum2", gguf.F16, []uint64{1, 2}, make([]byte, 4))
			w.Add("x.counts", gguf.F32, []uint64{1, 2}, sums(1, 1))
		}, `"x.in_sum2" is F16, not F32`},
		{"NaN", "imatrix", func(w *gguf.Writer) {
			w.Add("x.in_sum2", gguf.F32, []uint64{2, 1}, sums(1, float32(math.NaN())))
			w.Add("x.counts", gguf.F32, []uint64{1, 1}, sums(1))
		}, `"x.in_sum2": value 1 is NaN`},
		{"negative", "imatrix", func(w *gguf.Writer) {
			w.Add("x.in_sum2", gguf.F32, []uint64{1, 1}, sums(1))
			w.Add("x.counts", gguf.F32, []uint64{1, 1}, sums(-1))
		}, `"x.counts": value 0 is -1`},
	} {
		w := gguf.NewWriter()
		w.Set("general.type", c.kind)
		c.add(w)
		path := filepath.Join(t.TempDir(), "m.gguf")
		require.NoError(t, w.Save(path), c.name)
		_, err := Load(path)
		assert.ErrorContains(t, err, c.want, c.name)
		assert.ErrorContains(t, err, path, c.name)
	}
	_, err := Load("imatrix_test.go")
	assert.ErrorContains(t, err, "older .dat format")
}
