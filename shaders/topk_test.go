package shaders

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"umbra/gpu"
	"umbra/gpu/gputest"
)

// BenchmarkTopK compares one workgroup a row with slices: what sliceVocab and topKSlice were chosen by.
//
//	go test -run '^$' -bench TopK ./shaders
func BenchmarkTopK(b *testing.B) {
	d := gputest.Device(b)
	if d.Info().Kind == gpu.KindCPU {
		b.Skip("for GPUs")
	}
	for _, vocab := range []int{sliceVocab + 32, 128_256} {
		for _, outputs := range []int{1, 64} {
			for _, k := range []int{1, 8, MaxTopK} {
				for _, sliced := range []bool{false, true} {
					b.Run(fmt.Sprintf("%d/outputs=%d/k=%d/sliced=%v", vocab, outputs, k, sliced),
						func(b *testing.B) { benchmarkTopK(b, d, vocab, outputs, k, sliced) })
				}
			}
		}
	}
}

func benchmarkTopK(b *testing.B, d *gpu.Device, vocab, outputs, k int, sliced bool) {
	const dispatches = 20
	t := NewTopK(d, Tuning{}, vocab)
	t.sliced = sliced
	bench := &bench{device: d, rand: rand.New(rand.NewPCG(1, 2))}
	defer bench.release()
	bench.inputs(Step{Outputs: uint32(outputs)}, nil)
	a := TopKArgs{Step: bench.step, Logits: bench.rows("logits", bench.normals(outputs*vocab), vocab),
		Candidates: bench.buffer("candidates", make([]byte, outputs*TopKCandidateBytes(vocab))),
		Y:          bench.buffer("y", make([]byte, outputs*t.Capacity(k)*8))}
	run := func() {
		_, err := bench.submit(a.Y, 8, func(p *gpu.Pass) {
			for range dispatches {
				t.Run(p, outputs, k, a)
			}
		})
		require.NoError(b, err)
	}
	run() // compiles
	for b.Loop() {
		run()
	}
	b.ReportMetric(b.Elapsed().Seconds()*1e6/float64(b.N)/dispatches, "us/run")
}
