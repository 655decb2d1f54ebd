package shaders

import (
	"errors"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"umbra/gpu/gputest"
)

// TestTuner measures a few kernels of tiny products on any adapter, and rejects what gives another result or none.
func TestTuner(t *testing.T) {
	d := gputest.Device(t)
	tuner, err := NewTuner(d)
	require.NoError(t, err)
	defer tuner.Release()
	tuner.effort = effort{weights: 1, submission: time.Microsecond, rounds: 2}
	short := directVariant(directTile{2, 8, 2, 2, 1, true, false})
	short.tokens = 16 // half as many workgroups as rows need
	good := directVariant(directTile{2, 8, 2, 2, 1, true, false})
	none := directVariant(directTile{4, 16, 9, 1, 1, true, false})
	parted := directVariant(directTile{2, 8, 2, 2, 2, true, false})
	tuner.candidates = func(_ LinearShape, rows int) []linearVariant {
		if rows == 1 {
			return []linearVariant{matvecVariant(1)}
		}
		return []linearVariant{matvecVariant(rows), short, none, good, parted}
	}
	s := LinearShape{Format: formats[4], N: 66, K: 80, Norm: true, Gate: true, Eps: 1e-5, Stride: 64}
	var all []Measured
	require.NoError(t, tuner.Linear(s, []int{1, 13}, func(m Measured) error { all = append(all, m); return nil }))
	held := d.Memory() // the tuner's, and what readbacks go through
	require.Len(t, all, 2)
	for i, m := range all {
		assert.Equal(t, "q4_0 66x80 norm gate", m.Product)
		assert.Positive(t, m.DefaultTime)
		assert.LessOrEqual(t, m.BestTime, m.DefaultTime)
		assert.Equal(t, []string{"1", "9-16"}[i], m.Class)
		assert.Equal(t, []int{1, 13}[i], m.Rows)
		if m.Best != m.Default {
			assert.LessOrEqual(t, float64(m.BestTime), worthwhile*float64(m.DefaultTime))
			assert.Equal(t, m.Best, m.Choice())
		} else {
			assert.Equal(t, DefaultKernel, m.Choice())
		}
	}
	assert.Equal(t, "stream/lanes=32,groups=8,rows=2,atonce=1,ahead,tokens=1", all[0].Default)
	assert.Contains(t, []string{all[0].Default, "matvec1"}, all[0].Best)
	assert.Empty(t, all[0].Rejected)
	assert.Equal(t, "matvec8", all[1].Default)
	assert.Contains(t, []string{"matvec8", good.String()}, all[1].Best)
	require.Len(t, all[1].Rejected, 2, "%v", all[1].Rejected)
	assert.Contains(t, all[1].Rejected[0], short.String()+": off by ")
	assert.Contains(t, all[1].Rejected[1], none.String()+": shaders: linear: no tile")

	stop := errors.New("enough")
	assert.ErrorIs(t, tuner.Linear(s, []int{1, 13}, func(Measured) error { return stop }), stop)
	assert.ErrorContains(t, tuner.Linear(LinearShape{Format: formats[4], N: 3, K: 32, Gate: true, Stride: 3}, []int{1}, nil), "tuning q4_0 3x32 gate")
	assert.Equal(t, held, d.Memory())
}

// TestLargestError: no number is no small error.
func TestLargestError(t *testing.T) {
	nan := float32(math.NaN())
	for _, c := range []struct{ got, want float32 }{{nan, 1}, {1, nan}} {
		assert.False(t, largestError(floatBytes([]float32{0, c.got, 0}), floatBytes([]float32{0, c.want, 0})) <= 1)
	}
	assert.InDelta(t, 0.5, largestError(floatBytes([]float32{1, 3}), floatBytes([]float32{1, 2})), 1e-6)
}
