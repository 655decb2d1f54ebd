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
		norm                         HeadNorm
	}{
		{4, 2, 64, 64, false, KVF32, 3, NoHeadNorm}, {4, 2, 64, 64, true, KVF32, 8, NoHeadNorm}, {3, 1, 32, 16, false, KVF16, 8, NoHeadNorm},
		{14, 2, 64, 64, true, KVF16, 2, NoHeadNorm}, {2, 2, 80, 20, true, KVF32, 8, NoHeadNorm}, {1, 1, 128, 0, false, KVF32, 8, NoHeadNorm},
		{4, 2, 64, 64, false, KVInt8, 3, NoHeadNorm}, {14, 2, 64, 64, true, KVInt8, 8, NoHeadNorm}, {3, 1, 32, 16, false, KVInt8, 2, NoHeadNorm},
		{2, 2, 80, 20, true, KVInt8, 8, NoHeadNorm}, {1, 1, 128, 0, false, KVInt8, 8, NoHeadNorm}, {3, 1, 16, 8, true, KVInt8, 8, NoHeadNorm}, {1, 1, 256, 256, true, KVInt8, 3, NoHeadNorm},
		{4, 2, 64, 64, false, KVF32, 3, HeadRMSNorm}, {14, 2, 64, 64, true, KVF16, 2, HeadRMSNorm}, {2, 2, 80, 20, true, KVF32, 8, HeadLayerNorm},
		{3, 1, 24, 24, true, KVF32, 8, HeadRMSNorm}, {1, 1, 256, 0, false, KVF32, 8, HeadRMSNorm}, {3, 1, 32, 16, false, KVInt8, 2, HeadLayerNorm},
		{4, 2, 24, 24, true, KVInt8, 8, HeadRMSNorm}, {2, 1, 24, 8, false, KVF16, 8, HeadLayerNorm},
	} {
		name := fmt.Sprintf("rope %d+%d heads of %d, %d rotated, half-split %v, %v", c.heads, c.kvHeads, c.dim, c.rotated, c.halfSplit, c.kind)
		if c.norm != NoHeadNorm {
			name += fmt.Sprintf(", norm %d", c.norm)
		}
		cases = append(cases, Case{Name: name, run: func(b *bench) error {
			kv := KVShape{KVHeads: c.kvHeads, HeadDim: c.dim, Slots: 4, Type: c.kind, Blocks: 8, ChunkBlocks: c.chunk}
			return b.rope(RopeShape{KV: kv, Heads: c.heads, Rotated: c.rotated, HalfSplit: c.halfSplit,
				Stride: pad((c.heads + 2*c.kvHeads) * c.dim), Local: c.chunk == 3, Norm: c.norm, Eps: 1e-5})
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
	gain := b.normals((s.Heads + s.KV.KVHeads) * dim)
	for i, scale := range []float32{0, 1e-4, 1e4} { // values of other sizes, whose int8 scales are of their own
		for j := range dim {
			qkv[(i+1)*s.Stride+(s.Heads+s.KV.KVHeads)*dim+j] *= scale
		}
	}
	buf, gains := b.buffer("qkv", floatBytes(qkv)), b.buffer("gain", floatBytes(gain))
	got, err := b.submit(buf, 4*len(qkv), func(p *gpu.Pass) {
		r.Run(p, rows, RopeArgs{Step: b.step, Input: b.input, QKV: buf, KV: c.chunks, Gain: gains})
	})
	if err != nil {
		return err
	}
	if s.Norm != NoHeadNorm {
		for row := range rows {
			for h := range s.Heads + s.KV.KVHeads {
				HeadNormRef(s, qkv[row*s.Stride+h*dim:][:dim], gain[h*dim:])
			}
		}
		return b.roped(c, got, qkv, 1e-5)
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
	step := Step{Rows: uint32(rows), Rotations: uint32(rows)}
	if s.Local {
		step.Rotations, step.LocalRotations = 0, step.Rotations
	}
	b.inputs(step, words)
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
		cases = append(cases, Case{Name: "gather " + f.Name, run: func(b *bench) error { return b.gather(f, 0) }})
	}
	cases = append(cases, Case{Name: "gather scaled", run: func(b *bench) error { return b.gather(formats[0], 12) }},
		Case{Name: "gather positions", run: func(b *bench) error { return b.gatherPositions(formats[0], 100) }},
		Case{Name: "gather positions f16", run: func(b *bench) error { return b.gatherPositions(formats[1], 7) }})
	for _, cols := range []int{1, 64, 100, 2048} {
		cases = append(cases,
			Case{Name: fmt.Sprintf("rmsnorm %d", cols), run: func(b *bench) error { return b.norm(NormShape{Cols: cols, Outputs: true}) }},
			Case{Name: fmt.Sprintf("glu %d", cols), run: func(b *bench) error { return b.glu(cols, NoActivation) }})
	}
	for _, s := range []NormShape{
		{Cols: 1, Mean: true}, {Cols: 64, Mean: true, Bias: true}, {Cols: 100, Mean: true, Outputs: true}, {Cols: 2047, Mean: true, Bias: true, Outputs: true},
		{Cols: 100, Bias: true}, {Cols: 1030, Residual: true}, {Cols: 33, Residual: true, Scale: 0.22}, {Cols: 1200, Mean: true, Residual: true},
	} {
		cases = append(cases, Case{Name: fmt.Sprintf("norm %+v", s), run: func(b *bench) error { return b.norm(s) }})
	}
	for _, a := range []Activation{GELU, GELUErf} {
		cases = append(cases, Case{Name: fmt.Sprintf("glu 100 %v", a), run: func(b *bench) error { return b.glu(100, a) }})
	}
	for _, s := range []QKNormShape{{Q: 64, K: 32, Stride: 128}, {Q: 4, K: 8, Stride: 32}, {Q: 1020, K: 260, Stride: 1600}} {
		cases = append(cases, Case{Name: fmt.Sprintf("qk norm %d %d", s.Q, s.K), run: func(b *bench) error { return b.qkNorm(s) }})
	}
	return cases
}

// gather looks ids up in a table split in two parts.
func (b *bench) gather(f Format, scale float32) error {
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
	g0, err := NewGather(b.device, GatherShape{Format: f, N: half, Cols: cols, Scale: scale})
	if err != nil {
		return err
	}
	g1, err := NewGather(b.device, GatherShape{Format: f, N: n - half, Cols: cols, First: half, Scale: scale})
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
	for i := range want {
		if scale != 0 {
			want[i] *= scale
		}
	}
	b.compare(got, want, cols, cols, 1e-6)
	return nil
}

// gatherPositions adds rows of a table to what is there.
func (b *bench) gatherPositions(f Format, cols int) error {
	const n = 19
	positions := []uint32{0, 18, 3, 4, 4}
	b.inputs(Step{Rows: uint32(len(positions)), Positions: 1}, append([]uint32{99}, positions...))
	w, table := b.weights(f, n, cols)
	want := b.normals(len(positions) * cols)
	y := b.rows("y", want, cols)
	g, err := NewGather(b.device, GatherShape{Format: f, N: n, Cols: cols, Positions: true})
	if err != nil {
		return err
	}
	got, err := b.submit(y, len(positions)*pad(cols)*4, func(p *gpu.Pass) { g.Run(p, len(positions), b.step, b.input, w, nil, y) })
	if err != nil {
		return err
	}
	for i, position := range positions {
		for k := range cols {
			want[i*cols+k] += table[int(position)*cols+k]
		}
	}
	b.compare(got, padRows(want, cols), pad(cols), pad(cols), 1e-6)
	return nil
}

// norm normalises rows of 5, or 3 of them, to others that are zero.
func (b *bench) norm(s NormShape) error {
	s.Eps = 1e-5
	const rows = 5
	pick := []uint32{4, 0, 2}
	b.inputs(Step{Rows: rows, Outputs: uint32(len(pick))}, pick)
	x, gain, bias := b.normals(rows*s.Cols), b.normals(s.Cols), b.normals(s.Cols)
	for i := range x {
		x[i] = x[i]*2 + 3 // a mean that counts
	}
	if !s.Outputs {
		pick = []uint32{0, 1, 2, 3, 4}
	}
	want := make([]float32, len(pick)*s.Cols)
	if s.Residual {
		want = b.normals(len(want))
	}
	n, err := NewNorm(b.device, b.tuning, s)
	if err != nil {
		return err
	}
	a := NormArgs{Step: b.step, Input: b.input, X: b.rows("x", x, s.Cols), Gain: b.rows("gain", gain, s.Cols), Y: b.rows("y", want, s.Cols)}
	if s.Bias {
		a.Bias = b.rows("bias", bias, s.Cols)
	} else {
		bias = nil
	}
	got, err := b.submit(a.Y, len(pick)*pad(s.Cols)*4, func(p *gpu.Pass) { n.Run(p, len(pick), a) })
	if err != nil {
		return err
	}
	scale := s.Scale
	if scale == 0 {
		scale = 1
	}
	for i, r := range pick {
		for k, v := range NormRef(s, x[int(r)*s.Cols:][:s.Cols], gain, bias) {
			want[i*s.Cols+k] += v * scale
		}
	}
	b.compare(got, padRows(want, s.Cols), pad(s.Cols), pad(s.Cols), 2e-5) // padding stays zero
	return nil
}

// qkNorm normalises the beginnings of rows, which else stay.
func (b *bench) qkNorm(s QKNormShape) error {
	s.Eps = 1e-5
	const rows = 3
	b.inputs(Step{Rows: rows}, nil)
	qkv, gain := b.normals((rows+1)*s.Stride), b.normals(s.Q+s.K)
	n, err := NewQKNorm(b.device, s)
	if err != nil {
		return err
	}
	buf, gains := b.buffer("qkv", floatBytes(qkv)), b.buffer("gain", floatBytes(gain))
	got, err := b.submit(buf, 4*len(qkv), func(p *gpu.Pass) { n.Run(p, rows, b.step, gains, buf) })
	if err != nil {
		return err
	}
	for row := range rows {
		q, k := qkv[row*s.Stride:][:s.Q], qkv[row*s.Stride+s.Q:][:s.K]
		copy(q, NormRef(NormShape{Eps: s.Eps}, q, gain[:s.Q], nil))
		copy(k, NormRef(NormShape{Eps: s.Eps}, k, gain[s.Q:], nil))
	}
	b.compare(got, qkv, s.Stride, s.Stride, 1e-5)
	return nil
}

func (b *bench) glu(cols int, activation Activation) error {
	const rows = 3
	b.inputs(Step{Rows: rows}, nil)
	gate, up := b.normals(rows*cols), b.normals(rows*cols)
	g, err := NewGLU(b.device, cols, activation)
	if err != nil {
		return err
	}
	gb, ub := b.rows("gate", gate, cols), b.rows("up", up, cols)
	got, err := b.submit(gb, rows*pad(cols)*4, func(p *gpu.Pass) { g.Run(p, rows, b.step, gb, ub) })
	if err != nil {
		return err
	}
	b.compare(got, padRows(GLURef(gate, up, activation), cols), pad(cols), pad(cols), 1e-5)
	return nil
}
