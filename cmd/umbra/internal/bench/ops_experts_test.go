package bench

import (
	"testing"

	"github.com/stretchr/testify/require"

	"umbra/gpu/gputest"
	"umbra/shaders"
)

// BenchmarkExperts compares products with experts with those of one matrix of as many bytes, both of weights that no cache holds: a token at 4
// experts of 32, and 64 tokens, whose pairs are in tiles.
//
//	go test -run '^$' -bench Experts -benchtime 1x ./cmd/umbra/internal/bench
func BenchmarkExperts(b *testing.B) {
	d := gputest.Device(b)
	o := newOps(d, shaders.TuningFor(d.Info()))
	s := expertSizes{512, 256, 4, 32}
	for b.Loop() {
		for _, f := range shaders.Formats() {
			if f.Name != "q4_0" && f.Name != "q8_0" {
				continue
			}
			for _, rows := range []int{1, 64} {
				dense := 3 * s.width * s.used // rows of a matrix that each token multiplies as much with
				for _, make := range []func() (measured, error){
					func() (measured, error) { return o.expertProducts(f, s, rows) },
					func() (measured, error) { return o.linear(f, dense, s.embed, rows) },
				} {
					m, err := make()
					require.NoError(b, err)
					op, err := o.measure(m)
					require.NoError(b, err)
					b.Logf("%s: %v, %.2f GB/s, %.2f GFLOP/s", op.Name, op.Time, op.Bytes/1e9, op.Flops/1e9)
					o.release()
				}
			}
		}
		m, err := o.routes(s, 64)
		require.NoError(b, err)
		op, err := o.measure(m)
		require.NoError(b, err)
		b.Logf("%s: %v", op.Name, op.Time)
		o.release()
	}
}
