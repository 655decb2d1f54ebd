package shaders

import (
	"fmt"
	"math"

	"umbra/gpu"
)

// ropeCases covers both pairings, partial rotation, both KV types and split pools.
func ropeCases() []Case {
	var cases []Case
	for _, c := range []struct {
		heads, kvHeads, dim, rotated int
		halfSplit                    bool
		kind                         KVType
		chunk                        int
	}{
		{4, 2, 64, 64, false, KVF32, 3}, {4, 2, 64, 64, true, KVF32, 8}, {3, 1, 32, 16, false, KVF16, 8},
		{14, 2, 64, 64, true, KVF16, 2}, {2, 2, 80, 20, true, KVF32, 8}, {1, 1, 128, 0, false, KVF32, 8},
		{4, 2, 64, 64, false, KVInt8, 3}, {14, 2, 64, 64, true, KVInt8, 8}, {3, 1, 32, 16, false, KVInt8, 2},
		{2, 2, 80, 20, true, KVInt8, 8}, {1, 1, 128, 0, false, KVInt8, 8}, {3, 1, 16, 8, true, KVInt8, 8}, {1, 1, 256, 256, true, KVInt8, 3},
	} {
		name := fmt.Sprintf("rope %d+%d heads of %d, %d rotated, half-split %v, %v", c.heads, c.kvHeads, c.dim, c.rotated, c.halfSplit, c.kind)
		cases = append(cases, Case{name, func(b *bench) error {
			kv := KVShape{KVHeads: c.kvHeads, HeadDim: c.dim, Slots: 4, Type: c.kind, Blocks: 8, ChunkBlocks: c.chunk}
			return b.rope(RopeShape{KV: kv, Heads: c.heads, Rotated: c.rotated, HalfSplit: c.halfSplit,
				Stride: pad((c.heads + 2*c.kvHeads) * c.dim)})
		}})
	}
	return cases
}

func (b *bench) rope(s RopeShape) error {
	r, err := NewRope(b.device, s)
	if err != nil {
		return err
	}
	const rows = 5
	c := b.ropeInput(s, rows)
	qkv := b.normals(rows * s.Stride)
	dim := s.KV.HeadDim
	for i, scale := range []float32{0, 1e-4, 1e4} { // values of other sizes, whose int8 scales are of their own
		for j := range dim {
			qkv[(i+1)*s.Stride+(s.Heads+s.KV.KVHeads)*dim+j] *= scale
		}
	}
	buf := b.buffer("qkv", floatBytes(qkv))
	got, err := b.submit(buf, 4*len(qkv), func(p *gpu.Pass) {
		r.Run(p, rows, RopeArgs{Step: b.step, Input: b.input, QKV: buf, KV: c.chunks})
	})
	if err != nil {
		return err
	}
	return b.roped(c, got, qkv, 1e-6)
}

// ropeCase is what Rope is told of its rows, and a pool to write to.
type ropeCase struct {
	shape     RopeShape
	slots     []uint32
	rotations [][2]float32 // (cos, sin) of each row's pairs
	values    pool
	chunks    KV
}

// ropeInput uploads a step of rows token rows with angles and slots, and makes a pool, of a number of slots that 9 shares no factor with.
func (b *bench) ropeInput(s RopeShape, rows int) ropeCase {
	c := ropeCase{shape: s, rotations: make([][2]float32, rows*s.Rotated/2)}
	for i := range rows {
		c.slots = append(c.slots, uint32((31+9*i)%(s.KV.Blocks*s.KV.Slots)))
	}
	words := append([]uint32(nil), c.slots...)
	for i := range c.rotations {
		sin, cos := math.Sincos(float64(i) * 0.7)
		c.rotations[i] = [2]float32{float32(cos), float32(sin)}
		words = append(words, math.Float32bits(float32(cos)), math.Float32bits(float32(sin)))
	}
	b.inputs(Step{Rows: uint32(rows), Rotations: uint32(rows)}, words)
	c.values, c.chunks = b.kv(s.KV)
	return c
}

// roped compares q in got, and the pool, with what becomes of qkv.
func (b *bench) roped(c ropeCase, got []byte, qkv []float32, tolerance float64) error {
	s, time := c.shape, b.result.Time
	dim := s.KV.HeadDim
	for row, slot := range c.slots {
		angles := c.rotations[row*s.Rotated/2:]
		for h := range s.Heads {
			RopeRef(qkv[row*s.Stride+h*dim:][:dim], s.Rotated, s.HalfSplit, angles)
		}
		for h := range s.KV.KVHeads {
			k := append([]float32(nil), qkv[row*s.Stride+(s.Heads+h)*dim:][:dim]...)
			RopeRef(k, s.Rotated, s.HalfSplit, angles)
			copy(c.values.row(false, h, int(slot)), k)
			copy(c.values.row(true, h, int(slot)), qkv[row*s.Stride+(s.Heads+s.KV.KVHeads+h)*dim:][:dim])
		}
	}
	b.compare(got, qkv, s.Heads*dim, s.Stride, tolerance)
	// The pool: what was written, and that nothing else was.
	var raw []byte
	for i, chunk := range c.chunks {
		part, err := b.device.Read(chunk, 0, uint64(s.KV.ChunkBytes(i)))
		if err != nil {
			return err
		}
		raw = append(raw, part...)
	}
	stored := pool{s.KV, make([]float32, len(c.values.values))}
	stored.decode(raw)
	switch s.KV.Type {
	case KVF32:
		b.compare(raw, c.values.values, 1, 1, tolerance)
	case KVF16:
		b.compare(floatBytes(stored.values), c.values.values, 1, 1, 1e-3) // one f16 step
	case KVInt8:
		b.quantized(stored.values, c.values.values, dim)
	}
	b.result.Time = time
	return nil
}

// quantized takes, for heads of dim values stored as int8, how much further than half a step each is from what was to be
// stored, in steps.
func (b *bench) quantized(got, want []float32, dim int) {
	b.result.Tolerance = 1e-3 // of a step: 127 units in the last place of a float are 1e-5
	for at := 0; at < len(want); at += dim {
		_, scale := QuantizeKV(want[at : at+dim])
		if scale == 0 {
			scale = math.SmallestNonzeroFloat32 // only zeros are near enough
		}
		for i := at; i < at+dim; i++ {
			if e := math.Abs(float64(got[i]-want[i]))/float64(scale) - 0.5; e > b.result.Error {
				b.result.Error = e
			} else if e != e {
				b.result.Error = math.Inf(1)
				return
			}
		}
	}
}

// rowCases covers the operations that go row by row.
func rowCases() []Case {
	var cases []Case
	for _, f := range formats {
		cases = append(cases, Case{"gather " + f.Name, func(b *bench) error { return b.gather(f) }})
	}
	for _, cols := range []int{1, 64, 100, 2048} {
		cases = append(cases,
			Case{fmt.Sprintf("rmsnorm %d", cols), func(b *bench) error { return b.rmsNorm(cols) }},
			Case{fmt.Sprintf("glu %d", cols), func(b *bench) error { return b.glu(cols) }})
	}
	return cases
}

// gather looks ids up in a table split in two parts.
func (b *bench) gather(f Format) error {
	const n, half = 37, 20
	cols := f.whole(96)
	ids := []uint32{0, 36, 19, 20, 5, 5}
	const pairs = 4 // a step before left for each of 3 outputs
	top := make([]uint32, 3*2*pairs)
	words := append([]uint32{99}, ids...)
	for output, row := range []int{5, 1, 2} { // these come from there
		top[output*2*pairs] = ids[row]
		words[1+row] = ^uint32(output)
	}
	b.inputs(Step{Rows: uint32(len(ids)), Tokens: 1, Fed: 2 * pairs}, words)
	lo, a := b.weights(f, half, cols)
	hi, c := b.weights(f, n-half, cols)
	table := append(a, c...)
	y := b.buffer("y", make([]byte, len(ids)*cols*4))
	before := b.buffer("top", wordBytes(top))
	g0, err := NewGather(b.device, GatherShape{Format: f, N: half, Cols: cols})
	if err != nil {
		return err
	}
	g1, err := NewGather(b.device, GatherShape{Format: f, N: n - half, Cols: cols, First: half})
	if err != nil {
		return err
	}
	got, err := b.submit(y, len(ids)*cols*4, func(p *gpu.Pass) {
		g0.Run(p, len(ids), b.step, b.input, lo, before, y)
		g1.Run(p, len(ids), b.step, b.input, hi, before, y)
	})
	if err != nil {
		return err
	}
	var want []float32
	for _, id := range ids {
		want = append(want, table[int(id)*cols:][:cols]...)
	}
	b.compare(got, want, cols, cols, 1e-6)
	return nil
}

func (b *bench) rmsNorm(cols int) error {
	pick := []uint32{4, 0, 2}
	const rows = 5
	b.inputs(Step{Rows: rows, Outputs: uint32(len(pick))}, pick)
	x, gain := b.normals(rows*cols), b.normals(cols)
	y := b.buffer("y", make([]byte, len(pick)*pad(cols)*4))
	n, err := NewRMSNorm(b.device, cols, 1e-5)
	if err != nil {
		return err
	}
	xb, gb := b.rows("x", x, cols), b.rows("gain", gain, cols)
	got, err := b.submit(y, len(pick)*pad(cols)*4, func(p *gpu.Pass) { n.Run(p, len(pick), b.step, b.input, xb, gb, y) })
	if err != nil {
		return err
	}
	var want []float32
	for _, r := range pick {
		want = append(want, RMSNormRef(x[int(r)*cols:][:cols], gain, 1e-5)...)
	}
	b.compare(got, padRows(want, cols), pad(cols), pad(cols), 1e-5) // padding stays zero
	return nil
}

func (b *bench) glu(cols int) error {
	const rows = 3
	b.inputs(Step{Rows: rows}, nil)
	gate, up := b.normals(rows*cols), b.normals(rows*cols)
	g, err := NewGLU(b.device, cols)
	if err != nil {
		return err
	}
	gb, ub := b.rows("gate", gate, cols), b.rows("up", up, cols)
	got, err := b.submit(gb, rows*pad(cols)*4, func(p *gpu.Pass) { g.Run(p, rows, b.step, gb, ub) })
	if err != nil {
		return err
	}
	b.compare(got, padRows(GLURef(gate, up), cols), pad(cols), pad(cols), 1e-5)
	return nil
}
