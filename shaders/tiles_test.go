package shaders

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"umbra/gpu"
)

// BenchmarkStreamTiles compares shapes of MatvecStream, and others for a few rows, on the products of an 8B, a 1B and a small model:
// what streamChoices is chosen by. It prints and picks as BenchmarkLinearTiles does; UMBRA_LINEAR_ALL=1 adds the other quantised formats.
//
//	go test -run '^$' -bench StreamTiles -benchtime 1x -timeout 30m ./shaders
func BenchmarkStreamTiles(b *testing.B) {
	m := newLinearBench(b)
	rows := []int{1, 2, 4, 8}
	for b.Loop() {
		for _, p := range []struct{ format, n, k int }{
			{4, 28672, 4096}, {4, 4096, 14336}, {4, 6144, 4096}, {4, 4096, 4096}, {4, 128256, 4096},
			{3, 28672, 4096}, {3, 4096, 14336}, {3, 6144, 4096}, {3, 4096, 4096},
			{3, 16384, 2048}, {3, 2048, 8192}, {3, 3072, 2048}, {3, 2048, 2048}, {3, 128256, 2048},
			{1, 16384, 2048}, {1, 2048, 8192}, {1, 3072, 2048}, {1, 2048, 2048}, {1, 4096, 14336}, {0, 4096, 14336}, {5, 4096, 14336},
			{3, 3072, 512}, {3, 512, 1536}, {3, 512, 512},
		} {
			m.product(m.shape(p.format, p.n, p.k), rows, m.streams)
		}
		for format := allTiles; format < len(formats) && os.Getenv("UMBRA_LINEAR_ALL") != ""; format++ {
			for _, p := range []struct{ n, k int }{{28672, 4096}, {4096, 14336}, {4096, 4096}, {16384, 2048}, {2048, 8192}} {
				m.product(m.shape(format, p.n, p.k), []int{1, 2}, m.streams)
			}
		}
	}
	m.summary()
}

// streams are the kernels worth a try for a few rows.
func (m *linearBench) streams(s LinearShape, rows int) []linearVariant {
	list := []linearVariant{matvecVariant(rows)}
	for _, tokens := range []int{1, 2, 4} {
		if tokens > rows || tokens == 1 && rows > 1 || tokens == 2 && rows > 4 {
			continue
		}
		for _, t := range streamTiles() {
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
	m := newLinearBench(b)
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

// linearBench prints what a linearMeter measures.
type linearBench struct {
	*tileBench
	more   []directTile
	blocks []tileShape
}

func newLinearBench(b *testing.B) *linearBench {
	return &linearBench{tileBench: newTileBench(b, "UMBRA_LINEAR")}
}

// shape is a product as a model has it: the wider of the two matrices of a layer's block with a norm, and the widest with a gate.
func (m *linearBench) shape(format, n, k int) LinearShape {
	s := LinearShape{Format: formats[format], N: n / m.shrink, K: k / m.shrink, Eps: 1e-5}
	s.Norm, s.Residual = n > k && n < 100000, n <= k
	s.Gate = s.Norm && n > 4*k
	s.Stride = s.Outs()
	return s
}

// streamTiles are shapes of MatvecStream with up to 12 pieces of a lane in registers.
func streamTiles() (list []streamTile) {
	for _, threads := range []int{128, 256} {
		for lanes := 16; lanes <= 64; lanes *= 2 {
			for _, perLane := range []int{2, 4} {
				for _, atOnce := range []int{1, 2, 4} {
					for _, ahead := range []bool{false, true} {
						if perLane*atOnce <= 8 && !(ahead && perLane*atOnce > 4) {
							list = append(list, streamTile{lanes, threads / lanes, perLane, atOnce, ahead})
						}
					}
				}
			}
		}
	}
	return list
}

// candidates are the kernels worth a try. GemmDirect's columns are split until its groups of 32 lanes fill a large device.
func (m *linearBench) candidates(s LinearShape, rows int, full bool) []linearVariant {
	list := []linearVariant{matvecVariant(rows), gemmVariant}
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
func (m *linearBench) tiles(s LinearShape, rows int) []linearVariant {
	list := []linearVariant{gemmVariant, directVariant(directTile{4, 16, 4, 1, 1, true, true})}
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
func (m *linearBench) product(s LinearShape, rows []int, candidates func(s LinearShape, rows int) []linearVariant) {
	const beyondCaches, partsBytes = 192 << 20, 256 << 20
	product := fmt.Sprintf("%s %dx%d", s.Format.Name, s.N, s.K)
	var meter *linearMeter
	defer func() {
		if meter != nil {
			meter.release()
		}
	}()
	for _, r := range rows {
		var list []linearVariant
		for _, v := range candidates(s, r) {
			if m.only.MatchString(fmt.Sprintf("%s rows %d %s", product, r, v)) && s.sumBytes(v.parts(), r) <= partsBytes/m.shrink {
				list = append(list, v)
			}
		}
		if len(list) == 0 {
			continue
		}
		var err error
		if meter == nil {
			meter, err = newLinearMeter(m.device, s, rows[len(rows)-1], beyondCaches/(m.shrink*m.shrink), partsBytes/m.shrink)
			require.NoError(m, err)
		}
		require.NoError(m, meter.setRows(r))
		var want []byte
		var best string
		var least time.Duration
		type ready struct {
			linear *Linear
			wrong  string
		}
		var compiled []ready
		for _, v := range append([]linearVariant{matvecVariant(r)}, list...) {
			l, err := meter.launcher(v)
			require.NoError(m, err)
			start := time.Now()
			y, err := meter.result(l, r) // drivers compile at first use
			if err != nil {
				fmt.Printf("%s rows %d %s: %v\n", product, r, v, err)
				continue
			}
			m.compiling += time.Since(start)
			if want == nil {
				want = y
				continue
			}
			wrong := ""
			if e := largestError(y, want); !(e <= s.tolerance()) {
				wrong = fmt.Sprintf("  WRONG by %g", e)
			}
			compiled = append(compiled, ready{l, wrong})
		}
		m.burn(200 * time.Millisecond) // compiling has let it rest
		for _, c := range compiled {
			t := m.time(func(p *gpu.Pass) { meter.record(p, c.linear, r) })
			line := fmt.Sprintf("%-18s rows %3d  %-56s %9.2f us %6.2f TFLOP/s %7.0f GB/s%s", product, r, c.linear.only, t.Seconds()*1e6,
				2*float64(s.N)*float64(s.K)*float64(r)/t.Seconds()/1e12, float64(s.N*s.Format.RowBytes(s.K))/t.Seconds()/1e9, c.wrong)
			fmt.Println(line)
			if c.wrong == "" && (best == "" || t < least) {
				best, least = line, t
			}
		}
		fmt.Fprintln(&m.best, best)
	}
}
