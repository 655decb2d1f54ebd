package shaders

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/x448/float16"

	"umbra/gpu"
)

// span is one sequence's rows in a case: rows query rows, the last at position context - 1.
type span struct{ rows, context int }

// attentionCases crosses page, split and tile edges, with grouped and single heads, f16 pages and split pools.
func attentionCases() []Case {
	var cases []Case
	plain, more := false, false
	var of AttentionShape // with scale, cap and window
	add := func(heads, kvHeads, dim int, kind KVType, chunk int, spans ...span) {
		name := fmt.Sprintf("attention %d/%d heads of %d", heads, kvHeads, dim)
		plain, more, of := plain, more, of
		if plain {
			name = "plain " + name
		}
		if kind != KVF32 {
			name += " " + kind.String()
		}
		if of != (AttentionShape{}) {
			name += fmt.Sprintf(" scale %g cap %g window %d", of.Scale, of.Cap, of.Window)
		}
		if chunk > 0 {
			name += fmt.Sprintf(" %d blocks a chunk", chunk)
		}
		for _, s := range spans {
			name += fmt.Sprintf(" %d@%d", s.rows, s.context)
		}
		cases = append(cases, Case{Name: name, More: more, run: func(b *bench) error { b.plain = plain; return b.attention(of, heads, kvHeads, dim, kind, chunk, spans) }})
	}
	add(8, 4, 64, KVF32, 0, span{1, 1}, span{1, 16}, span{1, 17}, span{2, 129}, span{1, 300})
	add(8, 4, 64, KVF32, 0, span{5, 5}, span{33, 33}, span{70, 90}, span{1, 31})
	add(8, 4, 64, KVInt8, 0, span{1, 1}, span{2, 129}, span{1, 300}, span{33, 70})
	add(7, 1, 32, KVInt8, 5, span{1, 100}, span{9, 50}, span{3, 3})
	add(7, 1, 32, KVF32, 5, span{1, 100}, span{9, 150}, span{3, 3})
	add(3, 3, 16, KVF16, 3, span{1, 40}, span{35, 80})
	add(2, 1, 128, KVF32, 0, span{1, 140}, span{20, 40})
	add(1, 1, 256, KVF32, 0, span{1, 9}, span{5, 21})
	add(6, 2, 80, KVF32, 0, span{1, 50}, span{8, 33})
	add(8, 1, 64, KVF32, 0, span{1, 200}, span{2, 60}, span{70, 300})
	add(5, 1, 16, KVF32, 0, span{1, 9000})
	add(4, 4, 96, KVF16, 0, span{2, 257}, span{65, 129})
	add(4, 2, 24, KVF32, 0, span{1, 50}, span{2, 300}, span{70, 90})
	add(4, 1, 24, KVInt8, 2, span{1, 50}, span{9, 33})
	more = true // sizes of heads, types and sharing that differ in no other way than those above do
	add(8, 4, 64, KVF16, 0, span{1, 130}, span{6, 20})
	add(6, 2, 80, KVInt8, 0, span{1, 50}, span{8, 33})
	add(2, 1, 16, KVInt8, 0, span{1, 20}, span{5, 21})
	add(8, 1, 256, KVF32, 0, span{1, 20})
	add(3, 1, 32, KVInt8, 0, span{1, 500}, span{2, 385})
	add(3, 1, 40, KVF16, 0, span{1, 50}, span{9, 33})
	of.Window = 16
	add(7, 1, 32, KVInt8, 5, span{1, 100}, span{9, 50}, span{3, 3})
	of = AttentionShape{Cap: 2}
	add(3, 1, 32, KVInt8, 0, span{1, 500}, span{9, 50})
	of = AttentionShape{Scale: 0.5, Cap: 50, Window: 20}
	add(8, 1, 256, KVF32, 0, span{1, 40}, span{5, 60})
	more = false
	add(6, 2, 80, KVF16, 8, span{1, 50}, span{2, 150}, span{37, 140})
	of = AttentionShape{Cap: 2}
	add(8, 4, 64, KVF32, 0, span{1, 17}, span{1, 300}, span{33, 70})
	of = AttentionShape{Window: 16}
	add(8, 4, 64, KVF32, 0, span{1, 1}, span{1, 16}, span{1, 17}, span{2, 129}, span{1, 300}, span{4, 34})
	add(8, 4, 64, KVF32, 0, span{5, 5}, span{33, 33}, span{70, 90}, span{9, 300})
	of.Window = 1
	add(4, 2, 24, KVF32, 0, span{1, 50}, span{9, 33})
	of.Window = 300 // parts begin at the first block that is seen
	add(8, 1, 64, KVF32, 0, span{1, 290}, span{1, 700}, span{2, 315}, span{1, 301}, span{70, 700})
	plain = true
	of = AttentionShape{Scale: 0.5, Cap: 50, Window: 20}
	add(6, 2, 80, KVF32, 0, span{1, 50}, span{8, 33})
	of = AttentionShape{}
	add(6, 2, 80, KVF32, 5, span{1, 50}, span{8, 33}, span{2, 150}, span{37, 40})
	add(7, 1, 32, KVInt8, 0, span{1, 100}, span{9, 50}, span{3, 3})
	return cases
}

// attender is Attention or PlainAttention.
type attender interface {
	ManyTile() int
	SplitCount(context int) int
	Warm(few, split, many bool) error
	Run(p *gpu.Pass, few, splits, many int, args AttentionArgs)
}

// pool is a random KV pool with the values it stands for, for the reference.
type pool struct {
	shape  KVShape
	values []float32 // [block][key, value][kv head][slot][dim]
}

func (p pool) row(value bool, head, slot int) []float32 {
	s := p.shape
	plane := head
	if value {
		plane += s.KVHeads
	}
	at := ((slot/s.Slots*2*s.KVHeads+plane)*s.Slots + slot%s.Slots) * s.HeadDim
	return p.values[at : at+s.HeadDim]
}

// kv makes a pool of random values on the device.
func (b *bench) kv(s KVShape) (pool, KV) {
	p := pool{s, b.normals(s.Blocks * 2 * s.KVHeads * s.Slots * s.HeadDim)}
	raw := p.encode()
	p.decode(raw)
	var chunks KV
	for i := range s.Chunks() {
		from := i * s.ChunkBlocks * s.BlockBytes()
		chunks = append(chunks, b.buffer("kv", raw[from:from+s.ChunkBytes(i)]))
	}
	return p, chunks
}

// encode is the pool's bytes.
func (p pool) encode() (raw []byte) {
	s := p.shape
	block := s.Slots * 2 * s.KVHeads * s.HeadDim // elements
	for at := 0; at < len(p.values); at += block {
		var scales []byte
		for i := at; i < at+block; i += s.HeadDim {
			v := p.values[i : i+s.HeadDim]
			switch s.Type {
			case KVF32:
				raw = append(raw, floatBytes(v)...)
			case KVF16:
				for _, x := range v {
					raw = binary.LittleEndian.AppendUint16(raw, float16.Fromfloat32(x).Bits())
				}
			case KVInt8:
				q, scale := QuantizeKV(v)
				for _, x := range q {
					raw = append(raw, byte(x))
				}
				scales = binary.LittleEndian.AppendUint32(scales, math.Float32bits(scale))
			}
		}
		raw = append(raw, scales...)
	}
	return raw
}

// decode takes the values that raw stands for.
func (p pool) decode(raw []byte) {
	s := p.shape
	n, size := s.Slots*2*s.KVHeads*s.HeadDim, s.BlockBytes()
	for i := range p.values {
		block, at := raw[i/n*size:][:size], i%n
		switch s.Type {
		case KVF32:
			p.values[i] = math.Float32frombits(binary.LittleEndian.Uint32(block[4*at:]))
		case KVF16:
			p.values[i] = float16.Frombits(binary.LittleEndian.Uint16(block[2*at:])).Float32()
		case KVInt8:
			scale := math.Float32frombits(binary.LittleEndian.Uint32(block[n+at/s.HeadDim*4:]))
			p.values[i] = float32(int8(block[at])) * scale
		}
	}
}

func (b *bench) attention(shape AttentionShape, heads, kvHeads, dim int, kind KVType, chunk int, spans []span) error {
	kv := KVShape{KVHeads: kvHeads, HeadDim: dim, Slots: 16, Type: kind}
	for _, s := range spans {
		kv.Blocks += ceilDiv(s.context, kv.Slots)
	}
	kv.ChunkBlocks = kv.Blocks
	if chunk > 0 {
		kv.ChunkBlocks = chunk
	}
	stride := pad((heads + 2*kvHeads) * dim)
	shape.KV, shape.Heads, shape.QStride, shape.YStride = kv, heads, stride, pad(heads*dim)
	whole, err := NewAttention(b.device, b.tuning, shape)
	if err != nil {
		return err
	}
	var a attender = whole
	if b.plain {
		a = NewPlainAttention(whole)
	}
	values, chunks := b.kv(kv)

	// Lay the sequences' rows end to end and give them shuffled blocks.
	order := rand.New(rand.NewPCG(3, 4)).Perm(kv.Blocks)
	var words, few, many []uint32
	var step Step
	tables := make([][]int, len(spans))
	rows, context, splits := 0, 1, 1
	for i, s := range spans {
		table := uint32(len(words))
		n := ceilDiv(s.context, kv.Slots)
		tables[i], order = order[:n], order[n:]
		for _, block := range tables[i] {
			words = append(words, uint32(block))
		}
		size, list := 1, &few
		if s.rows > FewRows {
			size, list = a.ManyTile(), &many
		} else {
			context, splits = max(context, s.context), max(splits, a.SplitCount(s.context))
		}
		for r := 0; r < s.rows; r += size {
			*list = append(*list, uint32(rows+r), uint32(min(size, s.rows-r)), table, uint32(s.context-s.rows+r))
		}
		rows += s.rows
	}
	step.Rows, step.Splits = uint32(rows), uint32(splits)
	step.FewTiles, step.FewCount = uint32(len(words)), uint32(len(few)/4)
	words = append(words, few...)
	step.ManyTiles, step.ManyCount = uint32(len(words)), uint32(len(many)/4)
	b.inputs(step, append(words, many...))

	q := b.normals(rows * stride)
	args := AttentionArgs{
		Step: b.step, Input: b.input, Q: b.buffer("q", floatBytes(q)), Y: b.buffer("y", make([]byte, rows*shape.YStride*4)),
		Partial: b.buffer("partial", make([]byte, shape.PartialBytes(max(1, len(few)/4), context))), KV: chunks,
	}
	if err := a.Warm(len(few) > 0, step.Splits > 1, len(many) > 0); err != nil {
		return err
	}
	got, err := b.submit(args.Y, rows*shape.YStride*4, func(p *gpu.Pass) {
		a.Run(p, len(few)/4, int(step.Splits), len(many)/4, args)
	})
	if err != nil {
		return err
	}
	want := make([]float32, rows*shape.YStride)
	row := 0
	for i, s := range spans {
		for r := range s.rows {
			for h := range heads {
				var k, v [][]float32
				for t := range s.context - s.rows + r + 1 {
					slot := tables[i][t/kv.Slots]*kv.Slots + t%kv.Slots
					k = append(k, values.row(false, h/(heads/kvHeads), slot))
					v = append(v, values.row(true, h/(heads/kvHeads), slot))
				}
				copy(want[row*shape.YStride+h*dim:], AttentionRef(shape, q[row*stride+h*dim:][:dim], k, v))
			}
			row++
		}
	}
	b.compare(got, want, heads*dim, shape.YStride, 2e-5) // weighted means of unit values; exp to a few ulp
	return nil
}
