package shaders

import (
	"fmt"

	"umbra/gpu"
)

// squaresCases covers columns of no whole workgroups, fewer and more rows than a workgroup takes at once, and inputs with and without a norm.
func squaresCases() []Case {
	var cases []Case
	for _, c := range []struct {
		cols, rows    int
		norm, outputs bool
	}{{1, 1, false, false}, {100, 5, true, false}, {64, 16, false, true}, {512, 70, true, false}, {1536, 33, false, false}, {2048, 3, true, true}} {
		cases = append(cases, Case{Name: fmt.Sprintf("squares %d rows of %d, norm %v, outputs %v", c.rows, c.cols, c.norm, c.outputs), run: func(b *bench) error {
			return b.squares(SquaresShape{Cols: c.cols, Norm: c.norm, Eps: 1e-5, Outputs: c.outputs}, c.rows)
		}})
	}
	for _, c := range []struct {
		experts, used, cols, rows int
		norm, paired              bool
		pick                      string
	}{{1, 1, 1, 1, false, false, ""}, {5, 2, 100, 17, true, false, ""}, {8, 2, 96, 40, false, true, "one"}, {33, 3, 544, 7, false, true, ""}} {
		s := SquaresShape{Cols: c.cols, Norm: c.norm, Eps: 1e-5, Routing: Routing{Experts: c.experts, Used: c.used, Scale: 1}, Paired: c.paired}
		cases = append(cases, Case{Name: fmt.Sprintf("squares of %d of %d experts, %d rows of %d, norm %v, paired %v %s", c.used, c.experts, c.rows, c.cols, c.norm, c.paired, c.pick),
			run: func(b *bench) error { return b.expertSquares(s, c.rows, c.pick) }})
	}
	return cases
}

// expertSquares adds twice, to sums that are there.
func (b *bench) expertSquares(s SquaresShape, rows int, pick string) error {
	c, err := b.routing(s.Routing, rows, pick)
	if err != nil {
		return err
	}
	inputs := rows
	if s.Paired {
		inputs *= s.Routing.Used
	}
	x, before := b.normals(inputs*s.Cols), b.normals(s.Routing.Experts*s.Stride())
	gain, gb, scales := b.squaresGain(s, rows)
	xb, y := b.rows("x", x, s.Cols), b.buffer("y", floatBytes(before))
	q, err := NewSquares(b.device, s)
	if err != nil {
		return err
	}
	got, err := b.submit(y, 4*len(before), func(p *gpu.Pass) {
		c.route.Run(p, rows, b.step, c.logits, c.routes)
		for range 2 {
			q.Run(p, rows, b.step, xb, scales, gb, c.routes, y.Whole())
		}
	})
	if err != nil {
		return err
	}
	want := before
	for pair, expert := range c.experts {
		row := pair
		if !s.Paired {
			row /= s.Routing.Used
		}
		at := expert * s.Stride()
		for k, sum := range SquaresRef(x[row*s.Cols:][:s.Cols], gain, s.Cols, s.Eps) {
			want[at+k] += float32(2 * sum)
		}
		want[at+pad(s.Cols)] += 2
	}
	b.compare(got, want, 1, 1, 1e-5) // the sums' rounding
	return nil
}

// squares adds twice, to sums that are there, beside others' sums that must stay.
func (b *bench) squares(s SquaresShape, rows int) error {
	step := Step{Rows: uint32(rows), Outputs: uint32(rows)}
	if s.Outputs {
		step.Rows += 2
	} else {
		step.Outputs = 0
	}
	b.inputs(step, nil)
	x, before := b.normals((rows+1)*s.Cols), b.normals(3*64+pad(s.Cols)) // a row too many
	for i := range s.Cols {
		x[i] *= 100
	}
	gain, gb, scales := b.squaresGain(s, rows)
	xb, y := b.rows("x", x, s.Cols), b.buffer("y", floatBytes(before))
	q, err := NewSquares(b.device, s)
	if err != nil {
		return err
	}
	got, err := b.submit(y, 4*len(before), func(p *gpu.Pass) {
		for range 2 {
			q.Run(p, rows, b.step, xb, scales, gb, nil, y.Slice(4*64, uint64(s.Bytes())))
		}
	})
	if err != nil {
		return err
	}
	want := before
	for k, sum := range SquaresRef(x[:rows*s.Cols], gain, s.Cols, s.Eps) {
		want[64+k] += float32(2 * sum)
	}
	b.compare(got, want, 1, 1, 1e-5) // the sums' rounding
	return nil
}

// squaresGain makes the gains of a fused norm and room for the rows' scales; without a norm there is nothing.
func (b *bench) squaresGain(s SquaresShape, rows int) (gain []float32, gains, scales *gpu.Buffer) {
	if s.Norm {
		gain = b.normals(s.Cols)
		gains, scales = b.rows("gain", gain, s.Cols), b.buffer("scales", make([]byte, 4*rows))
	}
	return gain, gains, scales
}
