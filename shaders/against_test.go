//go:build linux && amd64 && cgo

package shaders

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"umbra/gpu"
	"umbra/gpu/gputest"
	"umbra/shaders/internal/cref"
)

// TestC checks the C that BenchmarkAgainstC compares with, and attendGo, against the references.
func TestC(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	normals := func(n int) []float32 {
		v := make([]float32, n)
		for i := range v {
			v[i] = float32(r.NormFloat64())
		}
		return v
	}
	for _, c := range []struct{ n, k, tokens, threads int }{{1, 32, 1, 1}, {7, 96, 1, 2}, {7, 96, 3, 3}, {10, 64, 8, 2}, {5, 352, 15, 2}, {2, 32, 22, 4}} {
		if !cref.Available() {
			t.Log("no AVX2")
			break
		}
		s := LinearShape{Format: formats[3], N: c.n, K: c.k, Stride: c.n}
		q, d := planes(r, s)
		x, got, want := normals(c.tokens*c.k), make([]float32, c.tokens*c.n), make([]float32, c.tokens*c.n)
		cref.Q8(c.threads, q, d, x, got, c.n, c.k, c.tokens)
		LinearRef(s, s.Format.Decode(q, padScales(d, c.n, c.k), c.n, c.k), x, nil, nil, want, c.tokens)
		for i := range want {
			assert.InDelta(t, want[i], got[i], 2e-4, "%+v: %d", c, i)
		}
	}
	const dim, context = 48, 37
	q, k, v := normals(dim), normals(context*dim), normals(context*dim)
	var ks, vs [][]float32
	for i := range context {
		ks, vs = append(ks, k[i*dim:(i+1)*dim]), append(vs, v[i*dim:(i+1)*dim])
	}
	got := make([]float32, dim)
	attendGo(got, q, k, v, make([]float32, context))
	for i, w := range AttentionRef(AttentionShape{}, q, ks, vs) {
		assert.InDelta(t, w, got[i], 2e-5)
	}
}

// planes are random weights with two bytes of scale for each block, without padding of rows.
func planes(r *rand.Rand, s LinearShape) (quants, scales []byte) {
	q, d := s.Format.Random(r, s.N, s.K)
	for i := range s.N {
		scales = append(scales, d[i*s.Format.ScaleBytes(s.K):][:s.K/16]...)
	}
	return q, scales
}

// padScales fills rows of scales up to whole words, as the device has them.
func padScales(d []byte, n, k int) (padded []byte) {
	for i := range n {
		padded = append(padded, d[i*k/16:][:k/16]...)
		padded = append(padded, make([]byte, formats[3].ScaleBytes(k)-k/16)...)
	}
	return padded
}

// attendGo is attention of one head over contiguous keys and values as one writes it in Go; scores is scratch.
func attendGo(y, q, k, v, scores []float32) {
	dim, scale, most := len(q), float32(1/math.Sqrt(float64(len(q)))), float32(math.Inf(-1))
	for t := range scores {
		row := k[t*dim : t*dim+dim]
		var a, b, c, d float32
		for i := 0; i+4 <= len(row) && i+4 <= len(q); i += 4 {
			a += q[i] * row[i]
			b += q[i+1] * row[i+1]
			c += q[i+2] * row[i+2]
			d += q[i+3] * row[i+3]
		}
		scores[t] = (a + b + c + d) * scale
		most = max(most, scores[t])
	}
	clear(y)
	var sum float32
	for t, s := range scores {
		p := float32(math.Exp(float64(s - most)))
		sum += p
		for i, x := range v[t*dim : t*dim+dim] {
			y[i] += p * x
		}
	}
	for i := range y {
		y[i] /= sum
	}
}

// BenchmarkAgainstC times kernels on a CPU adapter and plain code for the same CPU in turns, and reports the fastest of each and
// their ratio: products of q8_0 weights against C with AVX2 on two threads, attention against Go on one.
//
//	go test -run '^$' -bench AgainstC -benchtime 1x ./shaders
func BenchmarkAgainstC(b *testing.B) {
	d := gputest.Device(b)
	if d.Info().Kind != gpu.KindCPU || !cref.Available() {
		b.Skip("for CPU adapters and CPUs with AVX2")
	}
	for _, s := range []struct{ n, k, tokens int }{{2048, 2048, 1}, {2048, 2048, 8}, {2048, 2048, 16}, {2048, 2048, 64}, {512, 1536, 1}, {512, 1536, 64}} {
		b.Run(fmt.Sprintf("q8_0_%dx%d/tokens=%d", s.n, s.k, s.tokens), func(b *testing.B) { productAgainstC(b, d, s.n, s.k, s.tokens) })
	}
	for _, context := range []int{128, 1024} {
		b.Run(fmt.Sprintf("attention_8/4_heads_of_64/context=%d", context), func(b *testing.B) { attentionAgainstGo(b, d, context) })
	}
}

func productAgainstC(b *testing.B, d *gpu.Device, n, k, tokens int) {
	x := &bench{device: d, tuning: TuningFor(d.Info()), rand: rand.New(rand.NewPCG(1, 2))}
	defer x.release()
	s := LinearShape{Format: formats[3], N: n, K: k, Stride: n}
	l, err := NewLinear(d, x.tuning, s)
	require.NoError(b, err)
	quants, scales := planes(x.rand, s)
	in, out := x.normals(tokens*k), make([]float32, tokens*n)
	x.inputs(Step{Rows: uint32(tokens)}, nil)
	a := LinearArgs{Step: x.step, X: x.buffer("x", floatBytes(in)), Y: x.buffer("y", make([]byte, 4*tokens*n))}
	// Both go round copies of the weights that no cache holds, as a model's are when their turn comes.
	const beyondCaches = 96 << 20
	var copies [][]byte
	var weights []Weights
	for len(copies)*len(quants) < beyondCaches {
		copies = append(copies, append([]byte(nil), quants...))
		weights = append(weights, Weights{x.buffer("quants", quants), x.buffer("scales", padScales(scales, n, k))})
	}
	require.NoError(b, x.err)
	next := 0
	inTurns(b, x, "C", func() {
		next++
		cref.Q8(2, copies[next%len(copies)], scales, in, out, n, k, tokens)
	}, func(p *gpu.Pass) {
		next++
		a.Weights = weights[next%len(weights)]
		l.Run(p, tokens, a)
	})
	got, err := d.Read(a.Y, 0, uint64(4*tokens*n))
	require.NoError(b, err)
	for i, w := range out {
		require.InDelta(b, w, math.Float32frombits(binary.LittleEndian.Uint32(got[4*i:])), 1e-2)
	}
}

func attentionAgainstGo(b *testing.B, d *gpu.Device, context int) {
	const heads, kvHeads, dim = 8, 4, 64
	x := &bench{device: d, tuning: TuningFor(d.Info()), rand: rand.New(rand.NewPCG(1, 2))}
	defer x.release()
	blocks := context / 16
	kv, err := KVShape{KVHeads: kvHeads, HeadDim: dim, Slots: 16, Blocks: blocks}.Fit(d.Limits().StorageBindingSize)
	require.NoError(b, err)
	shape := AttentionShape{KV: kv, Heads: heads, QStride: (heads + 2*kvHeads) * dim, YStride: heads * dim}
	a, err := NewAttention(d, x.tuning, shape)
	require.NoError(b, err)
	pool, chunks := x.kv(kv)
	var words []uint32
	keys, values := make([][]float32, kvHeads), make([][]float32, kvHeads)
	for _, block := range x.rand.Perm(blocks) {
		words = append(words, uint32(block))
		for h := range kvHeads {
			for slot := range 16 {
				keys[h], values[h] = append(keys[h], pool.row(false, h, block*16+slot)...), append(values[h], pool.row(true, h, block*16+slot)...)
			}
		}
	}
	splits := a.SplitCount(context)
	x.inputs(Step{Rows: 1, FewTiles: uint32(blocks), FewCount: 1, Splits: uint32(splits)}, append(words, 0, 1, 0, uint32(context-1)))
	q, out, scores := x.normals(shape.QStride), make([]float32, heads*dim), make([]float32, context)
	args := AttentionArgs{Step: x.step, Input: x.input, Q: x.buffer("q", floatBytes(q)), Y: x.buffer("y", make([]byte, 4*heads*dim)),
		Partial: x.buffer("partial", make([]byte, shape.PartialBytes(1, context))), KV: chunks}
	require.NoError(b, x.err)
	inTurns(b, x, "Go", func() {
		for h := range heads {
			attendGo(out[h*dim:(h+1)*dim], q[h*dim:(h+1)*dim], keys[h/(heads/kvHeads)], values[h/(heads/kvHeads)], scores)
		}
	}, func(p *gpu.Pass) { a.Run(p, 1, splits, 0, args) })
	got, err := d.Read(args.Y, 0, 4*heads*dim)
	require.NoError(b, err)
	for i, w := range out {
		require.InDelta(b, w, math.Float32frombits(binary.LittleEndian.Uint32(got[4*i:])), 1e-4)
	}
}

// inTurns times plain code and what record records until both have had enough turns, each turn some milliseconds of work.
func inTurns(b *testing.B, x *bench, name string, plain func(), record func(p *gpu.Pass)) {
	const turns, turn = 100, 3 * time.Millisecond
	calls := func(n int) time.Duration {
		start := time.Now()
		for range n {
			plain()
		}
		return time.Since(start)
	}
	dispatches := func(n int) time.Duration {
		p := x.device.Begin("against")
		for range n {
			record(p)
		}
		start := time.Now()
		f, err := p.Submit()
		require.NoError(b, err)
		require.NoError(b, f.Wait())
		return time.Since(start)
	}
	enough := func(run func(n int) time.Duration) int {
		run(1) // compiles
		n := 1
		for run(n) < turn && n < 1<<12 {
			n *= 2
		}
		return n
	}
	n, m := enough(calls), enough(dispatches)
	least, ours := time.Hour, time.Hour
	for b.Loop() {
		for range turns {
			least = min(least, calls(n)/time.Duration(n))
			ours = min(ours, dispatches(m)/time.Duration(m))
		}
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(least.Seconds()*1e6, name+"-us")
	b.ReportMetric(ours.Seconds()*1e6, "umbra-us")
	b.ReportMetric(ours.Seconds()/least.Seconds(), "ratio")
}
