package shaders

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"umbra/gpu"
	"umbra/gpu/gputest"
)

// BenchmarkStreamTiles compares shapes of MatvecStream, and others for a few rows, on the products of an 8B, a 1B and a small model:
// what streamChoices is chosen by. It prints and picks as BenchmarkLinearTiles does.
//
//	go test -run '^$' -bench StreamTiles -benchtime 1x -timeout 30m ./shaders
func BenchmarkStreamTiles(b *testing.B) {
	m := newLinearMeter(b)
	rows := []int{1, 2, 4, 8}
	for b.Loop() {
		for _, p := range []struct{ format, n, k int }{
			{4, 28672, 4096}, {4, 4096, 14336}, {4, 6144, 4096}, {4, 4096, 4096}, {4, 128256, 4096},
			{3, 28672, 4096}, {3, 4096, 14336}, {3, 4096, 4096},
			{3, 16384, 2048}, {3, 2048, 8192}, {3, 3072, 2048}, {3, 2048, 2048}, {3, 128256, 2048},
			{1, 16384, 2048}, {1, 2048, 8192}, {1, 2048, 2048}, {1, 4096, 14336}, {0, 4096, 14336},
			{3, 3072, 512}, {3, 512, 1536}, {3, 512, 512},
		} {
			m.product(m.shape(p.format, p.n, p.k), rows, m.streams)
		}
	}
	m.summary()
}

// streams are the kernels worth a try for a few rows.
func (m *linearMeter) streams(s LinearShape, rows int) []linearVariant {
	list := []linearVariant{{file: "matvec", tokens: tokensFor(rows, matvecTokens)}}
	for _, tokens := range []int{1, 2, 4} {
		if tokens > rows || tokens == 1 && rows > 1 || tokens == 2 && rows > 4 {
			continue
		}
		for _, t := range []streamTile{
			{8, 16, 4, 2, false}, {16, 8, 4, 2, false}, {16, 8, 4, 1, false}, {16, 4, 4, 2, false}, {16, 4, 4, 1, false}, {16, 8, 2, 2, false}, {32, 4, 4, 1, false},
			{32, 4, 4, 2, false}, {32, 2, 4, 1, false}, {32, 4, 2, 2, false}, {32, 4, 2, 1, false}, {64, 2, 4, 1, false}, {64, 2, 2, 1, false}, {128, 1, 4, 1, false}, {128, 1, 2, 1, false},
			{16, 8, 4, 1, true}, {16, 4, 4, 1, true}, {32, 4, 4, 1, true}, {32, 4, 2, 1, true}, {64, 2, 2, 1, true},
		} {
			if _, err := s.stream(t, tokens); err == nil {
				list = append(list, streamVariant(t, tokens))
			}
		}
	}
	if rows < 4 {
		return list
	}
	for _, t := range []directTile{
		{2, rows, 4, 4, 1, true, false}, {2, rows, 8, 8, 1, true, false}, {4, rows, 4, 4, 1, true, false}, {4, rows, 8, 8, 1, true, false},
		{2, rows, 8, 8, 2, true, false}, {2, rows, 8, 8, 4, true, false}, {4, rows, 8, 8, 2, true, false}, {4, rows, 8, 8, 4, true, false}, {2, rows, 4, 4, 4, true, false},
	} {
		list = append(list, directVariant(t))
	}
	return list
}

// BenchmarkLinearTiles compares Matvec, Gemm and shapes of GemmDirect and GemmTile on the products of an 8B and a 1B model: what
// directChoices and tileChoices are chosen by. It goes through everything once, checks each kernel against Matvec, prints a line for each measurement, and the best
// for each product at the end. UMBRA_LINEAR picks lines by a regular expression over "format NxK rows R kernel";
// UMBRA_LINEAR_TILES is more tiles, as "stack tokens groups split parts ahead unroll" with true or false last, separated by semicolons;
// UMBRA_LINEAR_BLOCKS is more of GemmTile's, as "laneRows laneTokens across down cols buffers steps parts turned";
// UMBRA_LINEAR_ALL=1 adds each format's other products.
// On a CPU shapes are 16 times smaller: it shows that it runs, no more.
//
//	go test -run '^$' -bench LinearTiles -benchtime 1x -timeout 30m ./shaders
func BenchmarkLinearTiles(b *testing.B) {
	m := newLinearMeter(b)
	rows := []int{16, 32, 64, 128, 512}
	if m.shrink > 1 {
		rows = []int{16, 37}
	}
	for _, text := range strings.FieldsFunc(os.Getenv("UMBRA_LINEAR_TILES"), func(r rune) bool { return r == ';' }) {
		var t directTile
		_, err := fmt.Sscan(text, &t.stack, &t.tokens, &t.groups, &t.split, &t.parts, &t.ahead, &t.unroll)
		require.NoError(b, err, text)
		m.more = append(m.more, t)
	}
	for _, text := range strings.FieldsFunc(os.Getenv("UMBRA_LINEAR_BLOCKS"), func(r rune) bool { return r == ';' }) {
		var t tileShape
		_, err := fmt.Sscan(text, &t.laneRows, &t.laneTokens, &t.across, &t.down, &t.cols, &t.buffers, &t.steps, &t.parts, &t.turned)
		require.NoError(b, err, text)
		m.blocks = append(m.blocks, t)
	}
	for b.Loop() {
		for _, p := range []struct {
			format int
			n, k   int
			full   bool // all ways to run a tile, not just one
			more   bool // with UMBRA_LINEAR_ALL only
		}{
			{4, 28672, 4096, true, false}, {4, 4096, 4096, false, false}, {4, 4096, 14336, false, false},
			{4, 16384, 2048, false, true}, {4, 2048, 2048, false, true}, {4, 2048, 8192, false, true},
			{3, 16384, 2048, false, false}, {3, 2048, 2048, false, false}, {3, 2048, 8192, false, false},
			{3, 28672, 4096, true, true}, {3, 4096, 4096, false, true}, {3, 4096, 14336, false, true},
			{1, 4096, 4096, false, false}, {1, 28672, 4096, false, true}, {1, 4096, 14336, false, true},
		} {
			if p.more && os.Getenv("UMBRA_LINEAR_ALL") == "" {
				continue
			}
			m.product(m.shape(p.format, p.n, p.k), rows, func(s LinearShape, rows int) []linearVariant { return m.candidates(s, rows, p.full) })
		}
		for _, p := range []struct {
			format, n, k int
			rows         []int
		}{
			{0, 4096, 4096, []int{512, 4096}}, {1, 4096, 4096, []int{128, 512, 4096}}, {1, 16384, 2048, []int{512}}, {1, 2048, 8192, []int{512}},
			{1, 3072, 2048, []int{512}}, {1, 2048, 2048, []int{512}},
		} {
			if m.shrink > 1 {
				p.rows = []int{69}
			}
			m.product(m.shape(p.format, p.n, p.k), p.rows, m.tiles)
		}
	}
	m.summary()
}

func newLinearMeter(b *testing.B) *linearMeter {
	d := gputest.Device(b)
	m := &linearMeter{B: b, device: d, only: regexp.MustCompile(os.Getenv("UMBRA_LINEAR")), dispatches: 20, shrink: 1, rand: rand.New(rand.NewPCG(1, 2))}
	if d.Info().Kind == gpu.KindCPU {
		m.dispatches, m.shrink = 1, 16
	}
	fmt.Printf("%s, %s; multiply-adds %.1f TFLOP/s\n", d.Info().Name, d.Info().Driver, m.peak())
	return m
}

// shape is a product as a model has it: the wider of the two matrices of a layer's block with a norm, and the widest with a gate.
func (m *linearMeter) shape(format, n, k int) LinearShape {
	s := LinearShape{Format: formats[format], N: n / m.shrink, K: k / m.shrink, Eps: 1e-5}
	s.Norm, s.Residual = n > k && n < 100000, n <= k
	s.Gate = s.Norm && n > 4*k
	s.Stride = s.Outs()
	return s
}

func (m *linearMeter) summary() {
	fmt.Printf("\n%d pipelines, %.1f s to compile\nbest:\n%s", len(m.device.Kernels()), m.compiling.Seconds(), m.best.String())
}

// linearMeter measures products.
type linearMeter struct {
	*testing.B
	device     *gpu.Device
	only       *regexp.Regexp
	more       []directTile
	blocks     []tileShape
	dispatches int // at least, in a submission
	shrink     int
	rand       *rand.Rand
	compiling  time.Duration
	best       strings.Builder
	burn       func(time.Duration) // keeps the device busy until its clock is up
}

// peak is the speed of multiply-adds in registers.
func (m *linearMeter) peak() float64 {
	k, err := NewPeak(m.device)
	require.NoError(m, err)
	y, err := m.device.NewBuffer("peak", gpu.Scratch, FMABytes)
	require.NoError(m, err)
	m.burn = func(time.Duration) {}
	if m.shrink > 1 {
		return 0
	}
	turn := func() time.Duration { return m.time(func(p *gpu.Pass) { k.FMA(p, y) }) }
	m.burn = func(d time.Duration) {
		for start := time.Now(); time.Since(start) < d; {
			turn()
		}
	}
	m.burn(200 * time.Millisecond)
	return FMAFlops / turn().Seconds() / 1e12
}

// time is what one turn of record takes, of many in a submission; the better of two.
func (m *linearMeter) time(record func(p *gpu.Pass)) time.Duration {
	submit := func(n int) time.Duration {
		p := m.device.Begin("linear")
		for range n {
			record(p)
		}
		start := time.Now()
		fence, err := p.Submit()
		require.NoError(m, err)
		require.NoError(m, fence.Wait())
		return time.Since(start)
	}
	first := submit(min(3, m.dispatches)) / 3
	n := max(m.dispatches, min(300, int(15*time.Millisecond/max(1, first))))
	if m.shrink > 1 {
		n = 1
	}
	return min(submit(n), submit(n)) / time.Duration(n)
}

// candidates are the kernels worth a try. GemmDirect's columns are split until its groups of 32 lanes fill a large device.
func (m *linearMeter) candidates(s LinearShape, rows int, full bool) []linearVariant {
	list := []linearVariant{{file: "matvec", tokens: matvecTokens, full: rows > 2*matvecTokens}, {file: "gemm", tokens: gemmTile}}
	styles := []directTile{
		{stack: 4, tokens: 16, ahead: true}, {stack: 8, tokens: 16}, {stack: 4, tokens: 32, ahead: true}, {stack: 2, tokens: 16, ahead: true},
		{stack: 8, tokens: 8, ahead: true},
	}
	if full {
		styles = append(styles, directTile{stack: 4, tokens: 16}, directTile{stack: 4, tokens: 16, ahead: true, unroll: true},
			directTile{stack: 2, tokens: 32, ahead: true}, directTile{stack: 4, tokens: 8, ahead: true}, directTile{stack: 8, tokens: 16, ahead: true})
	}
	const few, many = 800, 2100 // 1.5 to 4 groups for each of the 528 schedulers of an H200
	for _, t := range styles {
		if t.tokens > rows {
			continue
		}
		groups := ceilDiv(s.N*m.shrink, 32*t.stack) * ceilDiv(rows, t.tokens)
		most := min(8, 128/t.tokens)
		for _, split := range []int{1, 4, 8, 16, 32, 64} {
			if split == 8 && most < 8 || groups*split < few && split < 64 {
				continue
			}
			t.split, t.parts = min(split, most), max(1, split/most)
			t.groups = max(4, t.split)
			list = append(list, directVariant(t))
			if groups*split >= many {
				break
			}
		}
	}
	for _, t := range m.more {
		list = append(list, directVariant(t))
	}
	return list
}

// tiles are the kernels worth a try for many rows of weights with 2 or 4 bytes.
func (m *linearMeter) tiles(s LinearShape, rows int) []linearVariant {
	list := []linearVariant{{file: "gemm", tokens: gemmTile}, directVariant(directTile{4, 16, 4, 1, 1, true, false})}
	for _, t := range append([]tileShape{
		{8, 8, 2, 2, 8, 2, 2, 1, true}, {8, 8, 2, 2, 8, 2, 2, 1, false}, {8, 8, 2, 2, 8, 2, 4, 1, true}, {8, 8, 2, 2, 16, 1, 1, 1, true}, {8, 8, 2, 2, 16, 1, 1, 1, false},
		{8, 8, 2, 4, 8, 2, 2, 1, true}, {8, 8, 2, 4, 8, 2, 2, 1, false}, {8, 8, 2, 4, 16, 1, 1, 1, true}, {8, 8, 2, 4, 16, 1, 1, 1, false},
		{8, 8, 1, 2, 8, 2, 2, 1, true}, {8, 8, 1, 2, 16, 2, 2, 1, true}, {8, 8, 1, 2, 16, 2, 2, 1, false}, {8, 8, 1, 2, 32, 1, 1, 1, true}, {8, 8, 1, 4, 8, 2, 2, 1, true},
		{8, 16, 2, 1, 8, 2, 2, 1, true}, {16, 8, 1, 2, 8, 2, 2, 1, true}, {8, 16, 2, 2, 8, 2, 2, 1, true}, {8, 16, 2, 2, 16, 1, 1, 1, true}, {8, 4, 2, 4, 8, 2, 2, 1, true},
		{8, 8, 2, 2, 8, 2, 2, 2, true}, {8, 8, 2, 2, 8, 2, 2, 4, true}, {8, 8, 2, 2, 16, 1, 1, 2, true}, {8, 8, 2, 2, 16, 1, 1, 4, true}, {8, 8, 1, 2, 16, 2, 2, 2, true},
		{8, 8, 1, 2, 16, 2, 2, 4, true}, {8, 8, 2, 4, 8, 2, 2, 2, true}, {8, 8, 2, 4, 8, 2, 2, 4, true},
	}, m.blocks...) {
		// Parts are for products that leave a large device's 132 processors with fewer than 4 workgroups each.
		if t.parts == 1 || ceilDiv(s.N*m.shrink, t.rows())*ceilDiv(rows, t.tokens()) <= 4*132 {
			list = append(list, tileVariant(t))
		}
	}
	return list
}

// product measures a matrix with each number of rows and each candidate.
func (m *linearMeter) product(s LinearShape, rows []int, candidates func(s LinearShape, rows int) []linearVariant) {
	const beyondCaches, partsBytes = 192 << 20, 256 << 20
	var a LinearArgs
	var weights []Weights
	var parts *gpu.Buffer
	defer func() {
		held := []*gpu.Buffer{a.Step, a.X, a.Y, a.Gain, parts}
		for _, w := range weights {
			held = append(held, w.Quants, w.Scales)
		}
		for _, x := range held {
			if x != nil {
				x.Release()
			}
		}
	}()
	buffer := func(size int, data []byte) *gpu.Buffer {
		x, err := m.device.NewBuffer("bench", gpu.Scratch, uint64(size))
		require.NoError(m, err)
		require.NoError(m, m.device.Write(x, 0, data))
		return x
	}
	normals := func(n int) []byte {
		v := make([]float32, n)
		for i := range v {
			v[i] = float32(m.rand.NormFloat64())
		}
		return floatBytes(v)
	}
	product := fmt.Sprintf("%s %dx%d", s.Format.Name, s.N, s.K)
	for _, r := range rows {
		var list []linearVariant
		for _, v := range candidates(s, r) {
			if m.only.MatchString(fmt.Sprintf("%s rows %d %s", product, r, v)) {
				list = append(list, v)
			}
		}
		if len(list) == 0 {
			continue
		}
		if weights == nil {
			most := rows[len(rows)-1]
			a = LinearArgs{Step: buffer(StepBytes, nil), X: buffer(4*most*s.K, normals(most*s.K)), Y: buffer(4*most*s.Stride, nil)}
			if s.Norm {
				a.Gain = buffer(4*s.K, normals(s.K))
			}
			parts = buffer(partsBytes/m.shrink, nil)
			for len(weights) == 0 || m.shrink == 1 && len(weights) < beyondCaches/(s.N*s.Format.RowBytes(s.K)) {
				w := Weights{Quants: buffer(s.N*s.Format.QuantBytes(s.K), nil)}
				if s.Format.ScaleHalfs > 0 {
					w.Scales = buffer(s.N*s.Format.ScaleBytes(s.K), nil)
				}
				require.NoError(m, FillRandom(m.device, s.Format, s.K, w, uint32(len(weights))))
				weights = append(weights, w)
			}
		}
		require.NoError(m, m.device.Write(a.Step, 0, Step{Rows: uint32(r)}.Append(nil)))
		clear := make([]byte, 4*r*s.Stride)
		result := func(l *Linear) []byte {
			require.NoError(m, m.device.Write(a.Y, 0, clear))
			a.Weights = weights[0]
			y := make([]byte, len(clear))
			p := m.device.Begin("linear")
			l.Run(p, r, a)
			p.Read(a.Y, 0, y)
			fence, err := p.Submit()
			require.NoError(m, err)
			require.NoError(m, fence.Wait())
			return y
		}
		var want []byte
		var best string
		var least time.Duration
		type ready struct {
			linear *Linear
			wrong  string
		}
		var compiled []ready
		first := linearVariant{file: "matvec", tokens: tokensFor(r, matvecTokens), full: r > 2*matvecTokens}
		for _, v := range append([]linearVariant{first}, list...) {
			l, err := NewLinear(m.device, Tuning{}, s)
			require.NoError(m, err)
			l.only, l.Parts = v, parts
			if v.parts() > 1 && 4*v.parts()*r*s.joinCols() > int(parts.Size()) {
				continue
			}
			start := time.Now()
			if err := l.Warm(r); err != nil {
				fmt.Printf("%s rows %d %s: %v\n", product, r, v, err)
				continue
			}
			y := result(l) // drivers compile at first use
			m.compiling += time.Since(start)
			if want == nil {
				want = y
				continue
			}
			wrong := ""
			if e := largestError(y, want); !(e < 1e-2) {
				wrong = fmt.Sprintf("  WRONG by %g", e)
			}
			compiled = append(compiled, ready{l, wrong})
		}
		m.burn(200 * time.Millisecond) // compiling has let it rest
		for _, c := range compiled {
			l, v := c.linear, c.linear.only
			i := 0
			t := m.time(func(p *gpu.Pass) {
				a.Weights = weights[i%len(weights)]
				i++
				l.Run(p, r, a)
			})
			line := fmt.Sprintf("%-18s rows %3d  %-56s %9.2f us %6.2f TFLOP/s %7.0f GB/s%s", product, r, v, t.Seconds()*1e6,
				2*float64(s.N)*float64(s.K)*float64(r)/t.Seconds()/1e12, float64(s.N*s.Format.RowBytes(s.K))/t.Seconds()/1e9, c.wrong)
			fmt.Println(line)
			if c.wrong == "" && (best == "" || t < least) {
				best, least = line, t
			}
		}
		fmt.Fprintln(&m.best, best)
	}
}

// largestError is the largest |got - want| over max(1, |want|) of f32.
func largestError(got, want []byte) float64 {
	worst := 0.0
	for i := 0; i < len(want); i += 4 {
		g := float64(math.Float32frombits(binary.LittleEndian.Uint32(got[i:])))
		w := float64(math.Float32frombits(binary.LittleEndian.Uint32(want[i:])))
		worst = max(worst, math.Abs(g-w)/max(1, math.Abs(w))) // NaN stays
	}
	return worst
}
