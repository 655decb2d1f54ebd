package quant

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"umbra/model/gguf"
)

// weightsLike draws rows × cols weights: Gaussian, or heavy-tailed as the oracle's are.
func weightsLike(heavy bool, rows, cols int, seed uint64) []float32 {
	r := rand.New(rand.NewPCG(seed, 2))
	values := make([]float32, rows*cols)
	for i := range values {
		v := r.NormFloat64()
		if heavy {
			var s float64
			for range 3 {
				s += math.Pow(r.NormFloat64(), 2)
			}
			v /= math.Sqrt(s / 3)
			if i%cols%64 == 0 {
				v *= 6
			}
		}
		values[i] = float32(0.02 * v)
	}
	return values
}

// relativeError is the root of Σ(x-y)² / Σx².
func relativeError(x, y []float32) float64 { return weightedError(x, y, nil) }

// weightedError is the root of Σ w(x-y)² / Σ wx², w by column.
func weightedError(x, y, w []float32) float64 {
	var diff, norm float64
	for i := range x {
		weight := 1.
		if w != nil {
			weight = float64(w[i%len(w)])
		}
		diff += weight * math.Pow(float64(y[i])-float64(x[i]), 2)
		norm += weight * math.Pow(float64(x[i]), 2)
	}
	return math.Sqrt(diff / norm)
}

// quantized encodes rows, decodes them, and returns that.
func quantized(t *testing.T, typ gguf.Type, x []float32, cols int, importance []float32) []float32 {
	t.Helper()
	raw := make([]byte, len(x)/typ.BlockSize()*typ.BlockBytes())
	require.NoError(t, QuantizeRows(typ, x, cols, importance, 0, raw))
	y := make([]float32, len(x))
	require.NoError(t, DequantizeRows(typ, raw, cols, 0, y))
	return y
}

// Weights of both of the oracle's distributions must come back as close as from llama.cpp's quantisers, within 1 %: the draws are
// not the same. F16's listed figures have three digits.
func TestErrorMatchesOracle(t *testing.T) {
	listed := readOracle(t).Error
	for _, heavy := range []bool{false, true} {
		x := weightsLike(heavy, 512, 512, 1)
		for _, typ := range Quantizable() {
			want, ok := listed[typ.String()]
			if !ok {
				require.Equal(t, gguf.F32, typ)
				continue
			}
			figure := want.Gaussian
			if heavy {
				figure = want.Heavy
			}
			got := relativeError(x, quantized(t, typ, x, 512, nil))
			t.Logf("%-7v heavy %-5v %.6f, listed %.6f: %.3f", typ, heavy, got, figure, got/figure)
			assert.LessOrEqual(t, got, 1.01*figure, "%v, heavy %v", typ, heavy)
		}
	}
}

// With an importance matrix the error that counts is smaller than without, in each format whose blocks have anything to choose.
func TestImportance(t *testing.T) {
	const rows, cols = 64, 512
	x := weightsLike(false, rows, cols, 7)
	r := rand.New(rand.NewPCG(8, 9))
	importance := make([]float32, cols)
	for i := range importance {
		importance[i] = float32(math.Exp(2*r.NormFloat64())) * 1e-3 // any unit
	}
	for _, typ := range Quantizable() {
		if typ.BlockSize() == 1 {
			continue
		}
		plain := weightedError(x, quantized(t, typ, x, cols, nil), importance)
		weighed := weightedError(x, quantized(t, typ, x, cols, importance), importance)
		t.Logf("%-7v %.5f -> %.5f: %.3f", typ, plain, weighed, weighed/plain)
		most := 0.95
		switch typ {
		case gguf.MXFP4: // powers of two are all it has
			most = 1
		}
		assert.Less(t, weighed, most*plain, "%v", typ)
	}

	y := quantized(t, gguf.Q4_K, x, cols, nil)
	for name, w := range map[string][]float32{"ones": slices.Repeat([]float32{1}, cols), "zeros": make([]float32, cols), "thousands": slices.Repeat([]float32{1000}, cols)} {
		assert.Equal(t, y, quantized(t, gguf.Q4_K, x, cols, w), "all the same is none: %s", name)
	}
	importance[3] = float32(math.NaN())
	raw := make([]byte, cols/256*144)
	assert.ErrorContains(t, QuantizeRows(gguf.Q4_K, x[:cols], cols, importance, 0, raw), "importance of column 3 is NaN")
	assert.ErrorContains(t, QuantizeRows(gguf.Q4_K, x[:cols], cols, importance[:9], 0, raw), "got 9 weights of columns, want 512")
}

// Rows give the same on any number of goroutines; the lowest bad value is named.
func TestRowsInParallel(t *testing.T) {
	const rows, cols = 301, 512
	x := weightsLike(true, rows, cols, 3)
	want := make([]byte, rows*cols/32*18)
	require.NoError(t, Quantize(gguf.Q4_0, x, want))
	for _, workers := range []int{0, 1, 3, 100} {
		got := make([]byte, len(want))
		require.NoError(t, QuantizeRows(gguf.Q4_0, x, cols, nil, workers, got))
		assert.Equal(t, want, got)
	}
	for _, i := range []int{290*cols + 5, 77*cols + 9, 150 * cols} {
		x[i] = float32(math.Inf(1))
	}
	var bad *ValueError
	require.ErrorAs(t, QuantizeRows(gguf.Q4_0, x, cols, nil, 4, want), &bad)
	assert.Equal(t, 77*cols+9, bad.Index)

	var size *SizeError
	assert.ErrorAs(t, QuantizeRows(gguf.Q4_0, x, 511, nil, 0, want), &size)
	assert.ErrorAs(t, QuantizeRows(gguf.Q4_0, x[:cols+32], cols, nil, 0, want), &size)
	assert.ErrorAs(t, QuantizeRows(gguf.Q4_0, x, cols, nil, 0, want[1:]), &size)
	assert.ErrorAs(t, QuantizeRows(gguf.Q4_0, x, 0, nil, 0, want), &size)
	assert.ErrorAs(t, DequantizeRows(gguf.Q4_0, want, 0, 0, x), &size)
	assert.ErrorAs(t, DequantizeRows(gguf.Q4_0, want[18:], cols, 0, x), &size)
}

// BenchmarkQuantize counts bytes of values on one goroutine.
func BenchmarkQuantize(b *testing.B) {
	x := weightsLike(false, 16, 512, 1)
	for _, typ := range Quantizable() {
		b.Run(typ.String(), func(b *testing.B) {
			raw := make([]byte, len(x)/typ.BlockSize()*typ.BlockBytes())
			b.SetBytes(int64(4 * len(x)))
			for b.Loop() {
				if err := Quantize(typ, x, raw); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
