package shaders

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"umbra/gpu"
	"umbra/gpu/gputest"
)

// BenchmarkMatvecTiles compares shapes of Matvec on the shapes of an 8B and a 1B model: what matvecTiles was chosen by.
//
//	go test -run '^$' -bench MatvecTiles -benchtime 10x ./shaders
func BenchmarkMatvecTiles(b *testing.B) {
	d := gputest.Device(b)
	if d.Info().Kind == gpu.KindCPU {
		b.Skip("for GPUs")
	}
	tiles := map[int][]matvecTile{
		1: {{32, 4, 4, 2}, {32, 4, 4, 1}, {32, 2, 4, 2}, {32, 4, 2, 2}, {64, 2, 4, 1}, {16, 8, 4, 2}, {16, 4, 4, 2}},
		2: {{32, 4, 4, 1}, {32, 4, 2, 1}, {16, 8, 4, 2}},
		4: {{16, 8, 4, 1}, {16, 8, 2, 1}, {16, 4, 4, 1}, {8, 8, 4, 2}},
		8: {{8, 8, 4, 1}, {8, 8, 2, 1}, {4, 16, 4, 2}},
	}
	for _, s := range []struct {
		format int
		n, k   int
	}{{4, 28672, 4096}, {4, 4096, 14336}, {4, 6144, 4096}, {4, 4096, 4096}, {3, 16384, 2048}, {3, 2048, 8192}, {3, 2048, 2048}} {
		f := formats[s.format]
		for tokens, list := range tiles {
			if tokens > 1 && s.n != 6144 && s.n != 16384 {
				continue
			}
			for _, tile := range list {
				b.Run(fmt.Sprintf("%s/%dx%d/tokens=%d/lanes=%d,groups=%d,rows=%d,buffers=%d", f.Name, s.n, s.k, tokens, tile.lanes, tile.groups, tile.perLane, tile.buffers),
					func(b *testing.B) { benchmarkTile(b, d, f, s.n, s.k, tokens, tile) })
			}
		}
	}
}

func benchmarkTile(b *testing.B, d *gpu.Device, f Format, n, k, tokens int, tile matvecTile) {
	const dispatches, beyondCaches = 64, 192 << 20
	l, err := NewLinear(d, Tuning{matvec: map[int]matvecTile{tokens: tile}}, LinearShape{Format: f, N: n, K: k, Stride: n, Norm: true, Eps: 1e-5})
	require.NoError(b, err)
	if err := l.Warm(tokens); err != nil {
		b.Skip(err)
	}
	var held []*gpu.Buffer
	defer func() {
		for _, x := range held {
			x.Release()
		}
	}()
	buffer := func(size int) *gpu.Buffer {
		x, err := d.NewBuffer("bench", gpu.Scratch, uint64(size))
		require.NoError(b, err)
		held = append(held, x)
		return x
	}
	a := LinearArgs{Step: buffer(StepBytes), X: buffer(4 * tokens * k), Y: buffer(4 * tokens * n), Gain: buffer(4 * k)}
	require.NoError(b, d.Write(a.Step, 0, Step{Rows: uint32(tokens)}.Append(nil)))
	var weights []Weights
	for range max(1, beyondCaches/(n*f.RowBytes(k))) {
		w := Weights{buffer(n * f.QuantBytes(k)), buffer(n * f.ScaleBytes(k))}
		require.NoError(b, FillRandom(d, f, k, w, uint32(len(weights))))
		weights = append(weights, w)
	}
	b.SetBytes(int64(dispatches * n * f.RowBytes(k)))
	for b.Loop() {
		p := d.Begin("tiles")
		for i := range dispatches {
			a.Weights = weights[i%len(weights)]
			l.Run(p, tokens, a)
		}
		fence, err := p.Submit()
		require.NoError(b, err)
		require.NoError(b, fence.Wait())
	}
}
