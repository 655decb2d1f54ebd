package model

import (
	"context"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"umbra/gpu/gputest"
	"umbra/model/gguf"
)

// zeros is a source whose tensors all share one piece of zeros.
type zeros struct {
	Source
	data []byte
}

func (z zeros) Data(t gguf.Tensor) []byte { return z.data[:t.Size] }

// TestLoadStagesLittle loads 72 MiB and watches what is staged between flushes, since that is host memory too.
func TestLoadStagesLittle(t *testing.T) {
	d := gputest.Device(t)
	const cols, rows = 4096, 17000
	x := gguf.Tensor{Name: "x", Type: gguf.Q8_0, Dims: []uint64{cols, rows}, Size: rows * cols / 32 * 34}
	src := zeros{data: make([]byte, x.Size)}
	b := &builder{src: src, limits: d.Limits(), weights: &weights{}, used: map[string]bool{}}
	b.matrix(cols, x)
	require.NoError(t, b.err)
	w := b.weights
	defer w.release()
	var done, longest int64
	flushes, staged := 0, 0
	l := &loader{ctx: context.Background(), device: d, src: src, total: int64(w.bytes())}
	l.progress = func(now, total int64) {
		longest = max(longest, now-done)
		if l.staged < staged {
			flushes++
		}
		done, staged = now, l.staged
		assert.Less(t, staged, flushBytes)
	}
	require.NoError(t, l.load(w))
	assert.Equal(t, l.total, done)
	assert.LessOrEqual(t, longest, int64(pieceBytes)) // so at most flushBytes + pieceBytes are staged
	assert.Equal(t, int(x.Size)/flushBytes, flushes)
}

// TestLoadHeap loads a model of 31 MB: tensors pass through pieces on the heap, they do not gather there. Progress never
// goes back and ends at the total.
func TestLoadHeap(t *testing.T) {
	f, err := gguf.Open("../testdata/gopher-28m-q8_0.gguf")
	require.NoError(t, err)
	defer f.Close()
	var before, now runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	var most uint64
	var last, end int64
	calls := 0
	m, err := New(gputest.Device(t), f, Options{Sequences: 1, Context: 64, BatchTokens: 16, Progress: func(done, total int64) {
		calls++
		assert.GreaterOrEqual(t, done, last)
		assert.LessOrEqual(t, done, total)
		last, end = done, total
		runtime.ReadMemStats(&now)
		most = max(most, now.HeapAlloc)
	}})
	require.NoError(t, err)
	defer m.Release()
	assert.Equal(t, last, end)
	assert.EqualValues(t, m.Plan().Weights, end)
	assert.Greater(t, calls, 50)
	grown := int64(most) - int64(before.HeapAlloc)
	t.Logf("heap grew by %.1f MB", float64(grown)/1e6)
	assert.Less(t, grown, int64(24<<20))
}

// TestProgressEndsAtTotal loads a model whose planes are not all multiples of the 16 bytes that buffers are.
func TestProgressEndsAtTotal(t *testing.T) {
	src := Synthetic(Shape{Name: "odd", Architecture: "llama", Layers: 1, Embed: 32, FeedForward: 32, Heads: 2, KV: 1, HeadDim: 16,
		Vocab: 33, Context: 64, Base: 10000}, gguf.Q8_0)
	var last, end int64
	m, err := New(gputest.Device(t), src, Options{Progress: func(done, total int64) { last, end = done, total }})
	require.NoError(t, err)
	defer m.Release()
	assert.Equal(t, end, last)
	assert.EqualValues(t, m.Plan().Weights, end)
}
