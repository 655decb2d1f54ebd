package shaders

import (
	"math/rand/v2"
	"os"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"umbra/gpu"
	"umbra/gpu/gputest"
)

// TestNarrowOrder: on a CPU adapter narrow products of a token are the same to the bit alone and in company of any size. All sum alike; formats
// differ in how a unit of columns comes apart, and but with UMBRA_SOAK=1 some stand for the others.
func TestNarrowOrder(t *testing.T) {
	d := gputest.Device(t)
	if d.Info().Kind != gpu.KindCPU {
		t.Skip("GPU compilers may contract multiply-adds differently in each kernel")
	}
	const most = 9
	soak := os.Getenv("UMBRA_SOAK") != ""
	for _, f := range formats {
		if !soak && !slices.Contains([]string{"q8_0", "q6_k"}, f.Name) { // each kernel is a second to compile
			continue
		}
		for _, s := range []LinearShape{
			{N: 34, K: 1056, Norm: true, Gate: true}, {N: 70, K: 352}, {N: 70, K: 96, Norm: true}, {N: 34, K: 1056, Gate: true}, {N: 20, K: 1536, Residual: true},
		} {
			if f.Name != "q8_0" && (!s.Gate || !s.Norm && (f.HasMin || !soak)) {
				continue
			}
			s.Format, s.K, s.Eps, s.Stride = f, f.whole(s.K), 1e-5, pad(s.Outs())
			b := &bench{device: d, tuning: Tuning{Narrow: true}, rand: rand.New(rand.NewPCG(1, 2))}
			l, err := NewLinear(d, b.tuning, s)
			require.NoError(t, err)
			w, _ := b.weights(f, s.N, s.K)
			x, y := b.normals(most*s.K), b.normals(most*s.Stride)
			a := LinearArgs{Weights: w}
			if s.Norm {
				a.Gain = b.rows("gain", b.normals(s.K), s.K)
			}
			run := func(first, rows int) []byte {
				b.inputs(Step{Rows: uint32(rows)}, nil)
				a.Step = b.step
				a.X = b.rows("x", x[first*s.K:(first+rows)*s.K], s.K)
				a.Y = b.buffer("y", floatBytes(y[first*s.Stride:(first+rows)*s.Stride]))
				got, err := b.submit(a.Y, 4*rows*s.Stride, func(p *gpu.Pass) { l.Run(p, rows, a) })
				require.NoError(t, err)
				return got
			}
			var alone []byte
			for row := range most {
				alone = append(alone, run(row, 1)...)
			}
			for _, rows := range []int{2, 5, most} {
				assert.Equal(t, alone[:4*rows*s.Stride], run(0, rows), "%s %+v, %d rows", f.Name, s, rows)
			}
			b.release()
		}
	}
}
