package shaders

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"umbra/gpu"
)

// BenchmarkAttentionTiles compares shapes of AttentionFew and AttentionMany on the heads of an 8B and a 1B model and of gopher: what
// AttentionShape.tile is chosen by. Pages are taken from all over a pool larger than caches. It goes through everything once, checks some
// rows of each variant against the reference and all of them against the first variant, prints a line for each measurement, and
// the best for each load at the end; a merge counts in its time. UMBRA_ATTENTION picks lines by a regular expression over "model type
// sequences x rows@context variant"; UMBRA_ATTENTION_TILES is more variants, as "few lanes keyLanes keys heads ahead next whole
// part most" or "many down rows", with true or false for next, separated by semicolons.
// On a CPU loads are 16 times smaller and the variants few: it shows that it runs, no more.
//
//	go test -run '^$' -bench AttentionTiles -benchtime 1x ./shaders
func BenchmarkAttentionTiles(b *testing.B) {
	m := &attentionMeter{
		tileBench: newTileBench(b, "UMBRA_ATTENTION"), rand: rand.New(rand.NewPCG(1, 2)),
		few: []attentionTile{
			fewVariant(fewTile{256, 4, 2, 4, 8, false}, 128, 128, 64), fewVariant(fewTile{256, 4, 2, 4, 8, true}, 128, 128, 64),
			fewVariant(fewTile{256, 4, 2, 4, 16, true}, 512, 128, 64), fewVariant(fewTile{256, 4, 2, 2, 8, true}, 256, 128, 64),
			fewVariant(fewTile{256, 4, 2, 1, 8, true}, 256, 128, 64), fewVariant(fewTile{256, 4, 2, 2, 16, true}, 256, 128, 64),
			fewVariant(fewTile{256, 8, 2, 4, 8, true}, 256, 64, 128), fewVariant(fewTile{256, 8, 2, 2, 8, true}, 256, 64, 128),
			fewVariant(fewTile{128, 8, 4, 4, 8, false}, 256, 64, 128), fewVariant(fewTile{128, 8, 4, 4, 8, true}, 256, 64, 128),
			fewVariant(fewTile{128, 8, 4, 4, 16, false}, 256, 128, 64), fewVariant(fewTile{128, 8, 4, 4, 16, true}, 256, 128, 64),
			fewVariant(fewTile{128, 8, 4, 2, 16, true}, 128, 64, 64), fewVariant(fewTile{128, 8, 2, 4, 8, true}, 256, 128, 64),
			fewVariant(fewTile{128, 8, 2, 4, 8, true}, 128, 32, 128), fewVariant(fewTile{128, 4, 2, 4, 8, true}, 256, 64, 128),
			fewVariant(fewTile{64, 8, 4, 4, 16, true}, 128, 64, 128), fewVariant(fewTile{128, 16, 4, 4, 8, true}, 256, 64, 128),
		},
		many: []attentionTile{manyVariant(8, 8), manyVariant(4, 8), manyVariant(8, 4), manyVariant(4, 4), manyVariant(16, 4), manyVariant(16, 8)},
	}
	if m.shrink > 1 {
		m.few, m.many = append(m.few[1:2:2], m.few[8]), m.many[:1]
	}
	for _, text := range strings.FieldsFunc(os.Getenv("UMBRA_ATTENTION_TILES"), func(r rune) bool { return r == ';' }) {
		var t attentionTile
		var kind string
		_, err := fmt.Sscan(text, &kind)
		require.NoError(b, err, text)
		if kind == "many" {
			_, err = fmt.Sscan(text, &kind, &t.many.down, &t.many.rows)
			m.many = append(m.many, manyVariant(t.many.down, t.many.rows))
		} else {
			_, err = fmt.Sscan(text, &kind, &t.few.lanes, &t.few.keyLanes, &t.few.keys, &t.few.heads, &t.few.ahead, &t.few.next, &t.split.whole, &t.split.part, &t.split.most)
			m.few = append(m.few, t)
		}
		require.NoError(b, err, text)
	}
	b.ResetTimer()
	for _, m.dry = range []bool{true, false} { // compiling lets the device rest, and its clock fall
		all := []attentionLoad{{1, 1, 100}, {1, 1, 1024}, {1, 1, 8192}, {1, 1, 32768}, {16, 1, 160}, {64, 1, 160}, {1, 512, 512}, {1, 512, 2048}, {1, 512, 8192}}
		m.model("8B", 32, 8, 128, KVF32, all...)
		m.model("8B", 32, 8, 128, KVF16, attentionLoad{1, 1, 32768})
		m.model("8B", 32, 8, 128, KVInt8, attentionLoad{1, 1, 32768})
		m.model("1B", 32, 8, 64, KVF32, all...)
		m.model("gopher", 8, 4, 64, KVF32, attentionLoad{1, 1, 100})
	}
	m.summary()
}

func fewVariant(t fewTile, whole, part, most int) attentionTile {
	return attentionTile{few: t, split: attentionSplit{whole, part, most}}
}

func manyVariant(down, rows int) attentionTile {
	return attentionTile{many: manyTile{down, rows}, split: wideSplit}
}

// attentionLoad is sequences with rows query rows each, the last at position context - 1.
type attentionLoad struct{ sequences, rows, context int }

// attentionMeter measures attention.
type attentionMeter struct {
	*tileBench
	rand      *rand.Rand
	few, many []attentionTile
	dry       bool // compile and check, measure nothing
}

// attentionPool is pages on the device that repeat a few, whose values are known.
type attentionPool struct {
	shape  AttentionShape
	blocks pool
	kv     KV
	q      []float32
}

// model measures loads of a shape of heads.
func (m *attentionMeter) model(name string, heads, kvHeads, dim int, kind KVType, loads ...attentionLoad) {
	const poolBytes, distinct = 288 << 20, 61
	var list []attentionLoad
	for _, l := range loads {
		if m.shrink > 1 {
			l = attentionLoad{min(2, l.sequences), max(1, l.rows/m.shrink), max(100, l.context/m.shrink)}
		}
		if m.any(m.line(name, kind, l), l) {
			list = append(list, l)
		}
	}
	if len(list) == 0 {
		return
	}
	kv := KVShape{KVHeads: kvHeads, HeadDim: dim, Slots: 16, Type: kind}
	kv.Blocks = max(poolBytes/m.shrink/kv.BlockBytes(), 32768/m.shrink/kv.Slots)
	kv, err := kv.Fit(m.device.Limits().StorageBindingSize)
	require.NoError(m, err)
	normals := func(n int) []float32 {
		v := make([]float32, n)
		for i := range v {
			v[i] = float32(m.rand.NormFloat64())
		}
		return v
	}
	p := attentionPool{shape: AttentionShape{KV: kv, Heads: heads, QStride: (heads + 2*kvHeads) * dim, YStride: heads * dim}}
	few := kv
	few.Blocks = distinct
	p.blocks = pool{few, normals(distinct * 2 * kvHeads * kv.Slots * dim)}
	raw := p.blocks.encode()
	p.blocks.decode(raw)
	for c := range kv.Chunks() {
		x := m.buffer(kv.ChunkBytes(c), nil)
		defer x.Release()
		for at := 0; at < kv.ChunkBytes(c); {
			from := (c*kv.ChunkBlocks*kv.BlockBytes() + at) % len(raw)
			n := min(len(raw)-from, kv.ChunkBytes(c)-at)
			require.NoError(m, m.device.Write(x, uint64(at), raw[from:from+n]))
			at += n
		}
		p.kv = append(p.kv, x)
	}
	p.q = normals(512 * p.shape.QStride)
	for _, l := range list {
		m.load(m.line(name, kind, l), p, l)
	}
}

func (m *attentionMeter) line(name string, kind KVType, l attentionLoad) string {
	return fmt.Sprintf("%s %v %dx%d@%d", name, kind, l.sequences, l.rows, l.context)
}

// variants are those for a load that are asked for.
func (m *attentionMeter) variants(line string, l attentionLoad) (list []attentionTile) {
	from := m.few
	if l.rows > FewRows {
		from = m.many
	}
	for _, t := range from {
		if m.only.MatchString(line + " " + variantName(t)) {
			list = append(list, t)
		}
	}
	return list
}

func (m *attentionMeter) any(line string, l attentionLoad) bool { return len(m.variants(line, l)) > 0 }

func variantName(t attentionTile) string {
	if t.few.lanes == 0 {
		return "many " + t.many.String()
	}
	return fmt.Sprintf("few %v whole=%d,part=%d,most=%d", t.few, t.split.whole, t.split.part, t.split.most)
}

func (m *attentionMeter) buffer(size int, data []byte) *gpu.Buffer {
	x, err := m.device.NewBuffer("bench", gpu.Scratch, uint64(size))
	require.NoError(m, err)
	require.NoError(m, m.device.Write(x, 0, data))
	return x
}

// load measures a load with each variant. Steps take turns at the pool's pages.
func (m *attentionMeter) load(line string, p attentionPool, l attentionLoad) {
	s := p.shape
	pages := ceilDiv(l.context, s.KV.Slots)
	turns := max(1, min(64, s.KV.Blocks/(l.sequences*pages)))
	order := m.rand.Perm(s.KV.Blocks)
	for len(order) < l.sequences*pages { // a small pool
		order = append(order, order...)
	}
	rows := l.sequences * l.rows
	y := m.buffer(4*rows*s.YStride, nil)
	defer y.Release()
	q := m.buffer(4*rows*s.QStride, floatBytes(p.q[:rows*s.QStride]))
	defer q.Release()
	var first []byte
	var best string
	var least time.Duration
	for _, t := range m.variants(line, l) {
		a, err := NewAttention(m.device, Tuning{attention: &t}, s)
		if err != nil {
			fmt.Printf("%s %s: %v\n", line, variantName(t), err)
			continue
		}
		few, splits, many := rows, a.SplitCount(l.context), 0
		if l.rows > FewRows {
			few, splits, many = 0, 1, l.sequences*ceilDiv(l.rows, a.ManyTile())
		}
		start := time.Now()
		if err := a.Warm(few > 0, splits > 1, many > 0); err != nil {
			fmt.Printf("%s %s: %v\n", line, variantName(t), err)
			continue
		}
		partial := m.buffer(s.partialBytes(max(1, few), splits), nil)
		var words []uint32
		var steps []*gpu.Buffer
		for i := range turns {
			table := len(words)
			for _, b := range order[i*l.sequences*pages:][:l.sequences*pages] {
				words = append(words, uint32(b))
			}
			at := uint32(len(words))
			size := 1
			if few == 0 {
				size = a.ManyTile()
			}
			for j := range l.sequences {
				for r := 0; r < l.rows; r += size {
					words = append(words, uint32(j*l.rows+r), uint32(min(size, l.rows-r)), uint32(table+j*pages), uint32(l.context-l.rows+r))
				}
			}
			step := Step{Rows: uint32(rows), FewTiles: at, FewCount: uint32(few), ManyTiles: at, ManyCount: uint32(many), Splits: uint32(splits)}
			steps = append(steps, m.buffer(StepBytes, step.Append(nil)))
		}
		input := m.buffer(4*len(words), wordBytes(words))
		args := AttentionArgs{Input: input, Q: q, Y: y, Partial: partial, KV: p.kv}
		if m.dry {
			got := make([]byte, y.Size())
			require.NoError(m, m.device.Write(y, 0, got))
			pass := m.device.Begin("attention")
			args.Step = steps[0]
			a.Run(pass, few, splits, many, args)
			pass.Read(y, 0, got)
			fence, err := pass.Submit()
			require.NoError(m, err)
			require.NoError(m, fence.Wait())
			m.compiling += time.Since(start)
			if e := p.worst(got, l, order, m.rand); !(e < 2e-5) {
				fmt.Printf("%s %s: WRONG by %g\n", line, variantName(t), e)
			}
			if first == nil {
				first = got
			} else if e := largestError(got, first); !(e < 2e-5) {
				fmt.Printf("%s %s: NOT THE FIRST by %g\n", line, variantName(t), e)
			}
		} else {
			m.burn(20 * time.Millisecond)
		}
		i := 0
		var took time.Duration
		if !m.dry {
			took = m.time(func(pass *gpu.Pass) {
				args.Step = steps[i%turns]
				i++
				a.Run(pass, few, splits, many, args)
			})
		}
		for _, x := range append(steps, partial, input) {
			x.Release()
		}
		if m.dry {
			continue
		}
		pairs := float64(l.sequences*l.rows) * (float64(l.context) - float64(l.rows-1)/2)
		bytes := float64(l.sequences*l.context) * float64(s.KV.BlockBytes()/s.KV.Slots)
		name := variantName(t)
		if few > 0 {
			spec, err := s.few(t.few, t.split)
			require.NoError(m, err) // what the shape made of it
			name = fmt.Sprintf("%s (%dx%d of %d, %d heads)", name, spec.KeyLanes, spec.Keys, spec.Tile, spec.QueryHeads)
		}
		text := fmt.Sprintf("%-18s %-100s %9.1f us %6.0f GB/s %6.2f TFLOP/s", line, name, took.Seconds()*1e6,
			bytes/took.Seconds()/1e9, 4*pairs*float64(s.Heads*s.KV.HeadDim)/took.Seconds()/1e12)
		fmt.Println(text)
		if best == "" || took < least {
			best, least = text, took
		}
	}
	if !m.dry {
		fmt.Fprintln(&m.best, best)
	}
}

// worst is the largest error of some rows and heads against the reference.
func (p attentionPool) worst(got []byte, l attentionLoad, order []int, r *rand.Rand) float64 {
	s := p.shape
	pages := ceilDiv(l.context, s.KV.Slots)
	worst := 0.0
	for i := range 6 {
		j, row, head := r.IntN(l.sequences), r.IntN(l.rows), r.IntN(s.Heads)
		if i == 0 {
			j, row, head = l.sequences-1, l.rows-1, s.Heads-1
		}
		var k, v [][]float32
		for t := range l.context - l.rows + row + 1 {
			slot := order[j*pages+t/s.KV.Slots]%p.blocks.shape.Blocks*s.KV.Slots + t%s.KV.Slots
			k = append(k, p.blocks.row(false, head/(s.Heads/s.KV.KVHeads), slot))
			v = append(v, p.blocks.row(true, head/(s.Heads/s.KV.KVHeads), slot))
		}
		want := AttentionRef(AttentionShape{}, p.q[(j*l.rows+row)*s.QStride+head*s.KV.HeadDim:][:s.KV.HeadDim], k, v)
		for c, w := range want {
			g := math.Float32frombits(binary.LittleEndian.Uint32(got[4*((j*l.rows+row)*s.YStride+head*s.KV.HeadDim+c):]))
			e := math.Abs(float64(g - w))
			if e != e {
				return math.Inf(1)
			}
			worst = max(worst, e)
		}
	}
	return worst
}
