package shaders

import (
	"fmt"

	"umbra/gpu"
)

// allTiles is how many formats, the first, go through every tile of MatvecStream. The others take turns.
const allTiles = 6

// linearCases takes every format through every kernel, and every fused part through awkward shapes: one row, odd
// counts, columns short of a block, rows past a tile.
func linearCases() []Case {
	var cases []Case
	more := false
	add := func(s LinearShape, rows int) {
		s.Eps, s.K = 1e-5, s.Format.whole(s.K)
		if s.Stride == 0 {
			s.Stride = pad(s.Outs())
		}
		name := fmt.Sprintf("linear %s %dx%d rows %d", s.Format.Name, s.N, s.K, rows)
		for _, o := range []struct {
			on   bool
			name string
		}{{s.Norm, "norm"}, {s.Gate, "gate"}, {s.Bias, "bias"}, {s.Residual, "residual"}, {s.Offset > 0, "offset"},
			{s.Activation != NoActivation, s.Activation.String()}, {s.Scaled(), "scale"}, {s.Capped(), "cap"}} {
			if o.on {
				name += " " + o.name
			}
		}
		cases = append(cases, Case{Name: name, More: more, run: func(b *bench) error { return b.linear(s, rows, linearVariant{}) }})
	}
	for n, f := range formats {
		for _, rows := range []int{1, 3, 250} {
			more = n >= allTiles && rows == 250
			add(LinearShape{Format: f, N: 70, K: 352}, rows)
		}
		more = n >= allTiles && n%2 == 0
		add(LinearShape{Format: f, N: 66, K: 544, Norm: true, Gate: true}, 2)
	}
	more = false
	f32, f16, q4, q8 := formats[0], formats[1], formats[4], formats[3]
	add(LinearShape{Format: f32, N: 1, K: 1}, 1)
	add(LinearShape{Format: f16, N: 5, K: 31, Norm: true}, 5)
	add(LinearShape{Format: f16, N: 34, K: 2080, Norm: true, Gate: true}, 4)
	add(LinearShape{Format: q8, N: 129, K: 1536, Residual: true}, 1)
	add(LinearShape{Format: q8, N: 129, K: 1536, Residual: true}, 8)
	add(LinearShape{Format: q8, N: 65, K: 512, Norm: true, Bias: true, Stride: 160, Offset: 33}, 65)
	add(LinearShape{Format: q8, N: 65, K: 512, Norm: true, Bias: true, Stride: 160, Offset: 33}, 7)
	add(LinearShape{Format: q4, N: 130, K: 32, Norm: true, Gate: true}, 129)
	add(LinearShape{Format: q4, N: 34, K: 96, Residual: true, Bias: true}, 64)
	add(LinearShape{Format: q4, N: 34, K: 96, Norm: true, Gate: true}, 19)
	add(LinearShape{Format: q8, N: 35, K: 288, Norm: true, Bias: true}, 37)
	for _, rows := range []int{1, 9, 250} { // what follows a product, by all kinds of kernels
		add(LinearShape{Format: f16, N: 66, K: 96, Norm: true, Gate: true, Activation: GELU}, rows)
		add(LinearShape{Format: q8, N: 35, K: 288, Bias: true, Activation: GELU}, rows)
		add(LinearShape{Format: q4, N: 70, K: 352, Bias: true, Scale: 0.22, Residual: true}, rows)
		add(LinearShape{Format: f32, N: 33, K: 64, Scale: 2, Cap: 30}, rows)
	}
	add(LinearShape{Format: f16, N: 66, K: 96, Norm: true, Gate: true, Activation: GELUErf}, 2)
	add(LinearShape{Format: f16, N: 35, K: 64, Activation: SiLU, Bias: true, Stride: 96, Offset: 33}, 2)
	add(LinearShape{Format: q8, N: 35, K: 288, Activation: GELUErf}, 4)
	for _, c := range []struct {
		s    LinearShape
		rows int
		tile directTile
	}{
		{LinearShape{Format: f32, N: 70, K: 352}, 19, directTile{stack: 1, tokens: 8, groups: 2, split: 2, parts: 1}},
		{LinearShape{Format: f16, N: 70, K: 352, Norm: true, Bias: true, Stride: 160, Offset: 33}, 13, directTile{stack: 2, tokens: 8, groups: 2, split: 1, parts: 1, ahead: true}},
		{LinearShape{Format: formats[2], N: 129, K: 31, Residual: true}, 9, directTile{stack: 4, tokens: 8, groups: 2, split: 1, parts: 1}},
		{LinearShape{Format: q8, N: 128, K: 1536, Residual: true}, 17, directTile{stack: 4, tokens: 8, groups: 4, split: 4, parts: 1, ahead: true}},
		{LinearShape{Format: q8, N: 130, K: 352, Norm: true, Gate: true}, 9, directTile{stack: 2, tokens: 12, groups: 2, split: 2, parts: 2, ahead: true}},
		{LinearShape{Format: q8, N: 65, K: 512, Norm: true, Bias: true, Residual: true, Stride: 160, Offset: 33}, 9, directTile{stack: 4, tokens: 8, groups: 2, split: 1, parts: 3}},
		{LinearShape{Format: q8, N: 130, K: 352, Bias: true, Activation: GELU, Scale: 0.5}, 9, directTile{stack: 2, tokens: 12, groups: 2, split: 2, parts: 2, ahead: true}},
		{LinearShape{Format: q4, N: 66, K: 544, Norm: true, Gate: true}, 19, directTile{stack: 4, tokens: 8, groups: 2, split: 2, parts: 1, ahead: true}},
		{LinearShape{Format: q4, N: 130, K: 352, Norm: true, Gate: true}, 3, directTile{stack: 4, tokens: 4, groups: 4, split: 4, parts: 1, ahead: true}},
		{LinearShape{Format: q4, N: 300, K: 96, Residual: true}, 5, directTile{stack: 8, tokens: 8, groups: 8, split: 8, parts: 1}},
		{LinearShape{Format: q4, N: 70, K: 352, Norm: true}, 37, directTile{stack: 2, tokens: 32, groups: 8, split: 4, parts: 1, ahead: true}},
		{LinearShape{Format: formats[5], N: 70, K: 352}, 11, directTile{stack: 2, tokens: 8, groups: 2, split: 1, parts: 1, ahead: true, unroll: true}},
	} {
		c.s.Eps = 1e-5
		c.s.Stride = max(c.s.Stride, pad(c.s.Outs()))
		name := fmt.Sprintf("linear %s %dx%d rows %d %v", c.s.Format.Name, c.s.N, c.s.K, c.rows, c.tile)
		cases = append(cases, Case{Name: name, Own: true, run: func(b *bench) error { return b.linear(c.s, c.rows, directVariant(c.tile)) }})
	}
	for _, f := range formats[allTiles:] { // parts and slices that begin in the middle of a super-block
		s := LinearShape{Format: f, N: 70, K: 768, Norm: true, Eps: 1e-5, Stride: 96}
		for i, t := range []directTile{{stack: 4, tokens: 8, groups: 4, split: 4, parts: 2, ahead: true, unroll: true}, {stack: 2, tokens: 8, groups: 2, split: 1, parts: 1}} {
			if i == 1 && !f.Halves && !f.Offset {
				continue
			}
			cases = append(cases, Case{Name: fmt.Sprintf("linear %s %dx%d rows 11 %v", f.Name, s.N, s.K, t), Own: true, run: func(b *bench) error { return b.linear(s, 11, directVariant(t)) }})
		}
	}
	for i, c := range []struct {
		s            LinearShape
		rows, tokens int
		tile         streamTile
	}{
		{LinearShape{N: 70, K: 352, Norm: true, Bias: true, Stride: 160, Offset: 33}, 1, 1, streamTile{lanes: 32, groups: 4, perLane: 4, atOnce: 1, ahead: true}},
		{LinearShape{N: 129, K: 1536, Residual: true}, 1, 1, streamTile{lanes: 16, groups: 8, perLane: 4, atOnce: 2}},
		{LinearShape{N: 66, K: 544, Norm: true, Gate: true}, 2, 2, streamTile{lanes: 8, groups: 8, perLane: 2, atOnce: 1, ahead: true}},
		{LinearShape{N: 37, K: 31, Norm: true}, 3, 2, streamTile{lanes: 16, groups: 4, perLane: 1, atOnce: 1}},
		{LinearShape{N: 70, K: 352, Norm: true}, 7, 4, streamTile{lanes: 8, groups: 8, perLane: 4, atOnce: 1, ahead: true}},
	} {
		for n, f := range formats {
			if n >= allTiles && n%4 != i%4 {
				continue
			}
			s := c.s
			s.Format, s.K, s.Eps, s.Stride = f, f.whole(s.K), 1e-5, max(s.Stride, pad(s.Outs()))
			v := streamVariant(c.tile, c.tokens)
			name := fmt.Sprintf("linear %s %dx%d rows %d stream %d", f.Name, s.N, s.K, c.rows, i)
			cases = append(cases, Case{Name: name, Own: true, run: func(b *bench) error { return b.linear(s, c.rows, v) }})
		}
	}
	for i, f := range formats {
		s := LinearShape{Format: f, N: 70, K: f.whole(352), Norm: i%2 == 0, Eps: 1e-5, Stride: 96}
		cases = append(cases, Case{Name: fmt.Sprintf("linear %s %dx%d rows 69 gemm", f.Name, s.N, s.K), Own: true, run: func(b *bench) error { return b.linear(s, 69, gemmVariant) }})
	}
	for _, f := range formats {
		if !f.Small {
			continue
		}
		f.flushed = 1
		s := LinearShape{Format: f, N: 70, K: f.whole(352), Norm: true, Eps: 1e-5, Stride: 96}
		v := streamVariant(streamTile{lanes: 16, groups: 4, perLane: 2, atOnce: 1}, 1)
		cases = append(cases, Case{Name: "linear " + f.Name + " flushed", Own: true, run: func(b *bench) error { return b.linear(s, 1, v) }})
	}
	for n, f := range formats {
		s := LinearShape{Format: f, N: 70, K: f.whole(352), Residual: true, Stride: 96}
		cases = append(cases, Case{Name: "plain linear " + f.Name, More: n >= allTiles && n%2 == 1, Own: true, run: func(b *bench) error { return b.linear(s, 5, linearVariant{file: "plain_linear", tokens: 1}) }})
	}
	return append(append(cases, linearRopeCases()...), linearTileCases()...)
}

// linearRopeCases have Rope at the end of the product.
func linearRopeCases() (cases []Case) {
	f32, f16, q4, q8 := formats[0], formats[1], formats[4], formats[3]
	for _, c := range []struct {
		heads, kvHeads, dim, rotated int
		kind                         KVType
		format                       Format
		k, rows                      int
		bias                         bool
		only                         linearVariant
	}{
		{3, 1, 32, 16, KVF32, q8, 352, 1, false, linearVariant{}},
		{4, 2, 16, 16, KVF16, q4, 96, 2, true, linearVariant{}},
		{2, 2, 80, 20, KVF32, f16, 64, 7, true, linearVariant{}},
		{4, 2, 64, 64, KVF32, q4, 96, 19, false, directVariant(directTile{stack: 4, tokens: 8, groups: 2, split: 2, parts: 3, ahead: true})},
		{3, 1, 32, 32, KVF16, q8, 64, 250, false, linearVariant{}},
		{3, 1, 32, 0, KVF32, f32, 40, 250, true, linearVariant{}},
		{3, 1, 32, 32, KVF32, f16, 224, 37, false, tileVariant(tileShape{8, 8, 1, 2, 16, 1, 2, 3, true})},
	} {
		kv := KVShape{KVHeads: c.kvHeads, HeadDim: c.dim, Slots: 4, Type: c.kind, Blocks: 64, ChunkBlocks: 64}
		r := RopeShape{KV: kv, Heads: c.heads, Rotated: c.rotated, Stride: pad((c.heads + 2*c.kvHeads) * c.dim)}
		s := LinearShape{Format: c.format, N: (c.heads + 2*c.kvHeads) * c.dim, K: c.k, Norm: true, Eps: 1e-5, Bias: c.bias, Stride: r.Stride, Rope: r}
		name := fmt.Sprintf("linear %s %dx%d rows %d, rope of %d+%d heads of %d, %d rotated, %v", s.Format.Name, s.N, s.K, c.rows, c.heads, c.kvHeads, c.dim, c.rotated, c.kind)
		cases = append(cases, Case{Name: name, Own: c.only.file != "", run: func(b *bench) error { return b.linear(s, c.rows, c.only) }})
	}
	return cases
}

// linearTileCases have a tile of GemmTile each.
func linearTileCases() (cases []Case) {
	f32, f16 := formats[0], formats[1]
	for _, c := range []struct {
		s    LinearShape
		rows int
		tile tileShape
	}{
		{LinearShape{Format: f32, N: 1, K: 1}, 1, tileShape{8, 8, 1, 1, 8, 2, 2, 1, true}},
		{LinearShape{Format: f32, N: 130, K: 352, Norm: true, Gate: true}, 67, tileShape{8, 8, 2, 2, 8, 2, 2, 1, true}},
		{LinearShape{Format: f32, N: 130, K: 352, Norm: true, Gate: true}, 67, tileShape{8, 8, 2, 2, 8, 2, 2, 1, false}},
		{LinearShape{Format: f16, N: 131, K: 96, Bias: true, Residual: true, Stride: 192, Offset: 33}, 35, tileShape{8, 8, 2, 2, 8, 2, 2, 1, true}},
		{LinearShape{Format: f16, N: 70, K: 352, Norm: true, Gate: true}, 35, tileShape{8, 8, 1, 2, 8, 2, 4, 1, false}},
		{LinearShape{Format: f16, N: 129, K: 1000}, 130, tileShape{8, 8, 2, 4, 8, 2, 2, 1, true}},
		{LinearShape{Format: f16, N: 129, K: 1000, Norm: true}, 33, tileShape{8, 4, 1, 1, 16, 2, 2, 1, false}},
		{LinearShape{Format: f32, N: 65, K: 224, Norm: true, Bias: true, Residual: true, Stride: 160, Offset: 33}, 69, tileShape{8, 8, 1, 2, 16, 1, 2, 3, true}},
		{LinearShape{Format: formats[2], N: 66, K: 544, Norm: true, Gate: true}, 19, tileShape{8, 4, 1, 1, 32, 1, 1, 2, false}},
		{LinearShape{Format: f16, N: 66, K: 31, Norm: true, Residual: true}, 19, tileShape{8, 8, 1, 1, 8, 2, 2, 4, true}}, // two parts have no columns,
		{LinearShape{Format: formats[2], N: 128, K: 64, Norm: true}, 130, tileShape{8, 16, 2, 2, 8, 2, 2, 1, true}},
		{LinearShape{Format: f32, N: 33, K: 160}, 21, tileShape{4, 4, 1, 2, 16, 2, 2, 1, true}},
	} {
		c.s.Eps = 1e-5
		c.s.Stride = max(c.s.Stride, pad(c.s.Outs()))
		name := fmt.Sprintf("linear %s %dx%d rows %d %v", c.s.Format.Name, c.s.N, c.s.K, c.rows, c.tile)
		cases = append(cases, Case{Name: name, Own: true, run: func(b *bench) error { return b.linear(c.s, c.rows, tileVariant(c.tile)) }})
	}
	return cases
}

// linear checks a product with the kernel that the rows ask for, or with only.
func (b *bench) linear(s LinearShape, rows int, only linearVariant) error {
	if s.Roped() && !s.Rope.Fuses(b.tuning) {
		s.Rope = RopeShape{} // where it is a kernel of its own
	}
	l, err := NewLinear(b.device, b.tuning, s)
	if err != nil {
		return err
	}
	l.only = only
	if parts := only.parts(); parts > 1 {
		l.Parts = b.buffer("parts", make([]byte, 4*parts*rows*s.joinCols()))
	}
	w, values := b.weights(s.Format, s.N, s.K)
	x, gain, bias := b.normals(rows*s.K), b.normals(s.K), b.normals(s.Stride)
	y := b.normals(rows * s.Stride)
	a := LinearArgs{Weights: w, X: b.rows("x", x, s.K), Y: b.buffer("y", floatBytes(y))}
	if s.Norm {
		a.Gain = b.rows("gain", gain, s.K)
	}
	if s.Bias {
		a.Bias = b.buffer("bias", floatBytes(bias))
	}
	var rope ropeCase
	if s.Roped() {
		rope = b.ropeInput(s.Rope, rows)
		a.Input, a.KV = b.input, rope.chunks
	} else {
		b.inputs(Step{Rows: uint32(rows)}, nil)
	}
	a.Step = b.step
	if err := l.Warm(rows); err != nil {
		return err
	}
	got, err := b.submit(a.Y, 4*len(y), func(p *gpu.Pass) { l.Run(p, rows, a) })
	if err != nil {
		return err
	}
	LinearRef(s, values, x, gain, bias, y, rows)
	if s.Roped() {
		return b.roped(rope, got, y, s.tolerance())
	}
	b.compare(got, y, s.Stride, s.Stride, s.tolerance()) // columns not written must not change
	return nil
}

// tolerance is for sums of K products of about unit size in f32, whose error grows with sqrt(K).
func (s LinearShape) tolerance() float64 {
	if s.Gate {
		return 1e-3 // a product of two such sums
	}
	if s.Scale > 1 {
		return 2e-4 * float64(s.Scale)
	}
	return 2e-4
}
