package shaders

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"umbra/gpu"
	"umbra/gpu/gputest"
)

// tileBench is what the comparisons of tiles share.
type tileBench struct {
	*testing.B
	device    *gpu.Device
	burner    *burner
	only      *regexp.Regexp
	shrink    int // of sizes, on a CPU
	compiling time.Duration
	best      strings.Builder
}

// newTileBench prints the adapter. A variable of the environment picks lines.
func newTileBench(b *testing.B, variable string) *tileBench {
	d := gputest.Device(b)
	m := &tileBench{B: b, device: d, only: regexp.MustCompile(os.Getenv(variable)), shrink: 1}
	var err error
	m.burner, err = newBurner(d)
	require.NoError(b, err)
	b.Cleanup(m.burner.release)
	fmt.Printf("%s, %s\n", d.Info().Name, d.Info().Driver)
	if d.Info().Kind == gpu.KindCPU {
		m.shrink = 16
		return m
	}
	m.burn(200 * time.Millisecond)
	turn, err := m.burner.turn()
	require.NoError(b, err)
	fmt.Printf("multiply-adds %.1f TFLOP/s\n", FMAFlops/turn.Seconds()/1e12)
	return m
}

// burn lets the clock go up, which a CPU's does by itself.
func (m *tileBench) burn(d time.Duration) {
	if m.shrink == 1 {
		require.NoError(m, m.burner.burn(d))
	}
}

// time is what one turn of record takes, of many in a submission; the better of two.
func (m *tileBench) time(record func(p *gpu.Pass)) time.Duration {
	n := 1
	if m.shrink == 1 {
		var err error
		n, err = turns(m.device, 20*time.Millisecond, record)
		require.NoError(m, err)
	}
	first, err := timed(m.device, n, record)
	require.NoError(m, err)
	second, err := timed(m.device, n, record)
	require.NoError(m, err)
	return min(first, second)
}

func (m *tileBench) summary() {
	fmt.Printf("\n%d pipelines, %.1f s to compile\nbest:\n%s", len(m.device.Kernels()), m.compiling.Seconds(), m.best.String())
}
