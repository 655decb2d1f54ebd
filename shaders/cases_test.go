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

// TestCases runs kernels in both shapes against their references. Drivers compile late, and where that is on a CPU it takes hundreds of times as long as to
// run: so without UMBRA_SOAK=1 cases with More are compiled only, as far as WebGPU does; of the others every third narrow one runs and every sixth wide
// one, beginning with each operation's first; and on a device held to floor limits each operation's first. All run by `umbra selftest`, too.
func TestCases(t *testing.T) {
	d := gputest.Device(t)
	before := d.Memory()
	for _, tuning := range []shaders.Tuning{{Narrow: true}, {}} {
		name, every := "wide", 6
		if tuning.Narrow {
			name, every = "narrow", 3
		}
		t.Run(name, func(t *testing.T) {
			seen := map[string]int{} // by operation, of cases that others do not stand for
			for _, c := range shaders.Cases() {
				operation, _, _ := strings.Cut(c.Name, " ")
				others := c.More || c.Own && tuning.Narrow
				if !others {
					others = seen[operation]%every > 0
					seen[operation]++
				}
				t.Run(c.Name, func(t *testing.T) {
					if others && !soak {
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
