package shaders_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"umbra/gpu"
	"umbra/gpu/gputest"
	"umbra/shaders"
)

// TestFillRandom checks that random weights of every format have mean 0 and a spread near 1/√cols, and differ by seed.
func TestFillRandom(t *testing.T) {
	d := gputest.Device(t)
	const rows, cols = 64, 256
	for _, f := range shaders.Formats() {
		read := func(seed uint32) []float32 {
			q, err := d.NewBuffer("q", gpu.Scratch, uint64(rows*f.QuantBytes(cols)))
			require.NoError(t, err)
			defer q.Release()
			w := shaders.Weights{Quants: q}
			var scales []byte
			if f.HasScales() {
				w.Scales, err = d.NewBuffer("s", gpu.Scratch, uint64(rows*f.ScaleBytes(cols)))
				require.NoError(t, err)
				defer w.Scales.Release()
			}
			require.NoError(t, shaders.FillRandom(d, f, cols, w, seed))
			quants, err := d.Read(q, 0, q.Size())
			require.NoError(t, err)
			if w.Scales != nil {
				scales, err = d.Read(w.Scales, 0, w.Scales.Size())
				require.NoError(t, err)
			}
			return f.Decode(quants, scales, rows, cols)
		}
		sum, square := 0.0, 0.0
		values := read(1)
		for _, v := range values {
			sum += float64(v)
			square += float64(v) * float64(v)
		}
		n := float64(len(values))
		spread := math.Sqrt(square/n) * math.Sqrt(cols)
		assert.InDelta(t, 0, sum/n*math.Sqrt(cols), 0.25, f.Name) // q4_0 reaches from -8 to 7, q3_k from -4 to 3
		assert.Greater(t, spread, 0.6, f.Name)
		assert.Less(t, spread, 2.0, f.Name)
		assert.NotEqual(t, values, read(2), f.Name)
	}
}
