package shaders_test

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"umbra/gpu"
	"umbra/gpu/gputest"
	"umbra/shaders"
)

// soak runs cases that others stand for.
var soak = os.Getenv("UMBRA_SOAK") != ""

// TestCases runs every kernel in both shapes against its reference. Most kernels of cases with More are compiled only, without UMBRA_SOAK=1, those with a kernel of their own in one shape, and
// on a device held to floor limits all but the first of each operation.
func TestCases(t *testing.T) {
	d := gputest.Device(t)
	before := d.Memory()
	for _, tuning := range []shaders.Tuning{{Narrow: true}, {}} {
		name := "wide"
		if tuning.Narrow {
			name = "narrow"
		}
		t.Run(name, func(t *testing.T) {
			for _, c := range shaders.Cases() {
				t.Run(c.Name, func(t *testing.T) {
					if (c.More || c.Own && tuning.Narrow) && !soak {
						require.NoError(t, c.Compile(d, tuning))
						return
					}
					r, err := c.Run(d, tuning)
					require.NoError(t, err)
					assert.LessOrEqual(t, r.Error, r.Tolerance)
				})
			}
		})
	}
	t.Run("floor", func(t *testing.T) { // as this adapter runs them, within the limits of every WebGPU device
		floor, err := gpu.Open(gpu.Options{Limits: gpu.FloorLimits})
		require.NoError(t, err)
		defer floor.Release()
		ran := map[string]bool{}
		for _, c := range shaders.Cases() {
			operation, _, _ := strings.Cut(c.Name, " ")
			if ran[operation] && !soak {
				require.NoError(t, c.Compile(floor, shaders.TuningFor(floor.Info())), c.Name)
				continue
			}
			ran[operation] = true
			r, err := c.Run(floor, shaders.TuningFor(floor.Info()))
			require.NoError(t, err, c.Name)
			assert.LessOrEqual(t, r.Error, r.Tolerance, c.Name)
		}
	})
	after := d.Memory()
	assert.LessOrEqual(t, after.Total(), before.Total()+1<<20, "buffers are given back")
}
