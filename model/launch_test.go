package model_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"umbra/model"
	"umbra/model/gguf"
	"umbra/scheduler/batch"
)

// BenchmarkLaunch measures what the host does for a decode step of one and of 16 sequences before it hands it over
// (host-ns/op), and the handing over (submit-ns/op). Each step is waited for before the next, which ns/op includes.
func BenchmarkLaunch(b *testing.B) {
	shape, err := model.ShapeOf("gopher-28m")
	require.NoError(b, err)
	m := load(b, model.Synthetic(shape, gguf.Q8_0), model.Options{Sequences: 16, BatchTokens: 32, Blocks: 64, Context: 1024})
	for _, n := range []int{1, 16} {
		b.Run(fmt.Sprintf("rows=%d", n), func(b *testing.B) {
			step := &batch.Batch{}
			for i := range n {
				table := []int32{int32(4 * i), int32(4*i + 1), int32(4*i + 2), int32(4*i + 3)}
				rows(step, make([]int32, 61+i%3), 60+i%3, 61+i%3, table, 1, batch.WantToken)
			}
			_, err := m.Run(step) // compiles
			require.NoError(b, err)
			var host, submit time.Duration
			b.ReportAllocs()
			b.ResetTimer()
			for range b.N {
				start := time.Now()
				f, err := m.Launch(step)
				host += time.Since(start)
				require.NoError(b, err)
				submit += f.Submit
				_, err = f.Wait()
				require.NoError(b, err)
			}
			b.ReportMetric(float64((host-submit).Nanoseconds())/float64(b.N), "host-ns/op")
			b.ReportMetric(float64(submit.Nanoseconds())/float64(b.N), "submit-ns/op")
		})
	}
}
