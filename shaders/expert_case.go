package shaders

import (
	"encoding/binary"
	"fmt"
	"math"

	"umbra/gpu"
)

// expertCases cover the choice of experts, and products in every format pair by pair and in tiles: experts without rows, all rows at one
// expert, all experts at every row, matrices in parts, columns short of a block.
func expertCases() []Case {
	var cases []Case
	for _, c := range []struct {
		r    Routing
		rows int
		pick string
	}{
		{Routing{8, 2, Softmax, true, 1}, 1, ""}, {Routing{8, 2, Softmax, false, 1}, 17, ""}, {Routing{128, 8, Softmax, true, 1}, 3, ""},
		{Routing{60, 4, Softmax, false, 2.5}, 5, "ties"}, {Routing{5, 5, SoftmaxChosen, false, 1}, 7, ""}, {Routing{256, 8, Sigmoid, true, 2.5}, 4, ""},
		{Routing{33, 3, Sigmoid, false, 1}, 70, ""}, {Routing{1, 1, Softmax, true, 1}, 3, ""}, {Routing{16, 2, Softmax, true, 1}, 90, "one"},
		{Routing{300, 8, Softmax, true, 1}, 150, ""},
	} {
		name := fmt.Sprintf("route %d of %d experts, score %d, normalise %v, rows %d %s", c.r.Used, c.r.Experts, c.r.Score, c.r.Normalise, c.rows, c.pick)
		cases = append(cases, Case{Name: name, run: func(b *bench) error { return b.route(c.r, c.rows, c.pick) }})
	}
	more := false
	add := func(s ExpertShape, rows int, pick string) {
		s.Eps, s.K, s.Routing.Score, s.Routing.Scale = 1e-5, s.Format.whole(s.K), Softmax, 1
		if s.Held == 0 {
			s.Held = s.Routing.Experts
		}
		s.Stride = pad(s.Outs())
		name := fmt.Sprintf("experts %s %d of %dx%dx%d rows %d %s", s.Format.Name, s.Routing.Used, s.Held, s.N, s.K, rows, pick)
		for _, o := range []struct {
			on   bool
			name string
		}{{s.Norm, "norm"}, {s.Gate, "gate"}, {s.Paired, "paired"}} {
			if o.on {
				name += " " + o.name
			}
		}
		cases = append(cases, Case{Name: name, More: more, run: func(b *bench) error { return b.experts(s, rows, pick) }})
	}
	for i, f := range formats {
		r := Routing{Experts: 5, Used: 2}
		more = i >= allTiles && i%4 < 2
		add(ExpertShape{Routing: r, Format: f, N: 34, K: 96, Norm: i%2 == 0, Gate: i%2 == 0}, 2, "")
		more = i >= allTiles && i%4 >= 2
		add(ExpertShape{Routing: r, Format: f, N: 34, K: 96, Paired: i%2 == 0}, 17, "")
	}
	more = false
	f32, q4, q8, q6 := formats[0], formats[4], formats[3], formats[12]
	eight := Routing{Experts: 8, Used: 2}
	add(ExpertShape{Routing: Routing{Experts: 1, Used: 1}, Format: f32, N: 1, K: 1}, 1, "")
	add(ExpertShape{Routing: eight, Format: q4, N: 130, K: 352, Norm: true, Gate: true}, 1, "")
	add(ExpertShape{Routing: eight, Format: q8, N: 66, K: 544, Paired: true}, 1, "")
	add(ExpertShape{Routing: eight, Format: q4, N: 130, K: 31, Norm: true, Gate: true}, 17, "one")
	add(ExpertShape{Routing: eight, Format: q8, N: 66, K: 544, Norm: true}, 5, "one")
	add(ExpertShape{Routing: eight, Format: q6, N: 70, K: 256, Paired: true}, 70, "")
	add(ExpertShape{Routing: eight, Format: q4, N: 38, K: 64, Norm: true, Gate: true}, 200, "")
	add(ExpertShape{Routing: Routing{Experts: 4, Used: 4}, Format: q8, N: 33, K: 100, Norm: true}, 1, "")
	add(ExpertShape{Routing: Routing{Experts: 4, Used: 4}, Format: q4, N: 34, K: 100, Norm: true, Gate: true}, 9, "")
	add(ExpertShape{Routing: eight, Format: q8, N: 34, K: 64, Norm: true, Gate: true, First: 3, Held: 4}, 3, "")
	add(ExpertShape{Routing: eight, Format: q8, N: 34, K: 64, Paired: true, First: 3, Held: 4}, 40, "")
	add(ExpertShape{Routing: Routing{Experts: 128, Used: 8}, Format: q4, N: 34, K: 64, Norm: true, Gate: true}, 16, "")
	add(ExpertShape{Routing: Routing{Experts: 128, Used: 8}, Format: q4, N: 34, K: 64, Paired: true}, 33, "")
	for _, c := range []struct {
		cols, rows int
		shared     bool
	}{{1, 1, false}, {100, 3, true}, {352, 19, false}} {
		cases = append(cases, Case{Name: fmt.Sprintf("expert sum %d, %d rows, shared %v", c.cols, c.rows, c.shared), run: func(b *bench) error { return b.expertSum(c.cols, c.rows, c.shared) }})
	}
	return cases
}

// routing is rows of logits on the device, the reference's choice, and room for the device's.
type routing struct {
	logits, routes *gpu.Buffer
	route          *Route
	experts        []int
	weights        []float32
}

// logits makes random ones, all the same where pick is "ties", and such that all rows choose the same where it is "one".
func (b *bench) routing(r Routing, rows int, pick string) (c routing, err error) {
	stride := pad(r.Experts + 1)
	all := b.normals(rows * stride)
	for row := range rows {
		logits := all[row*stride:][:r.Experts]
		for e := range logits {
			switch pick {
			case "ties":
				logits[e] = 0.5
			case "one":
				logits[e] = float32(e * 5 % 8)
			}
		}
		experts, weights := RouteRef(r, logits)
		c.experts, c.weights = append(c.experts, experts...), append(c.weights, weights...)
	}
	b.inputs(Step{Rows: uint32(rows)}, nil)
	c.logits, c.routes = b.buffer("logits", floatBytes(all)), b.buffer("routes", make([]byte, r.RoutesBytes(rows)))
	c.route, err = NewRoute(b.device, b.tuning, r, stride)
	return c, err
}

func (b *bench) route(r Routing, rows int, pick string) error {
	c, err := b.routing(r, rows, pick)
	if err != nil {
		return err
	}
	got, err := b.submit(c.routes, r.RoutesBytes(rows), func(p *gpu.Pass) { c.route.Run(p, rows, b.step, c.logits, c.routes) })
	if err != nil {
		return err
	}
	pairs := rows * r.Used
	b.compare(got[4*pairs:], c.weights, 1, 1, 1e-5)
	word := func(i int) int { return int(binary.LittleEndian.Uint32(got[4*i:])) }
	for p, e := range c.experts {
		if word(p) != e {
			b.result.Error = math.Inf(1)
		}
	}
	if tile := r.tile(b.tuning, rows); tile > 0 && !tiled(c.experts, tile, r.tiles(rows, tile), func(i int) int { return word(2*pairs + i) }) {
		b.result.Error = math.Inf(1)
	}
	return nil
}

// tiled reports whether words hold the pairs in order, and tiles of up to size pairs that have one expert each and cover all pairs once.
func tiled(experts []int, size, most int, word func(i int) int) bool {
	pairs := len(experts)
	count, next := word(pairs), 0
	for t := range count {
		expert, first, end := word(pairs+1+3*t), word(pairs+2+3*t), word(pairs+3+3*t)
		if first != next || end <= first || end > first+size || end > pairs {
			return false
		}
		for i := first; i < end; i++ {
			if p := word(i); p >= pairs || experts[p] != expert || i > 0 && experts[word(i-1)] == expert && word(i-1) >= p {
				return false
			}
		}
		next = end
	}
	return next == pairs && count <= most
}

func (b *bench) experts(s ExpertShape, rows int, pick string) error {
	c, err := b.routing(s.Routing, rows, pick)
	if err != nil {
		return err
	}
	e, err := NewExperts(b.device, b.tuning, s)
	if err != nil {
		return err
	}
	w, values := b.weights(s.Format, s.Held*s.N, s.K)
	pairs := rows * s.Routing.Used
	inputs := rows
	if s.Paired {
		inputs = pairs
	}
	x, gain := b.normals(inputs*s.K), b.normals(s.K)
	y := b.normals(pairs * s.Stride)
	a := ExpertArgs{Step: b.step, Routes: c.routes, Weights: w, X: b.rows("x", x, s.K), Y: b.buffer("y", floatBytes(y))}
	if s.Norm {
		a.Gain = b.rows("gain", gain, s.K)
	}
	got, err := b.submit(a.Y, 4*len(y), func(p *gpu.Pass) {
		c.route.Run(p, rows, b.step, c.logits, c.routes)
		e.Run(p, rows, a)
	})
	if err != nil {
		return err
	}
	ExpertsRef(s, c.experts, values, x, gain, y)
	b.compare(got, y, s.Stride, s.Stride, s.linear(false).tolerance())
	return nil
}

func (b *bench) expertSum(cols, rows int, shared bool) error {
	r := Routing{Experts: 6, Used: 3, Normalise: true, Scale: 1}
	c, err := b.routing(r, rows, "")
	if err != nil {
		return err
	}
	stride := pad(r.Experts + 1)
	op, err := NewExpertSum(b.device, r, cols, shared, stride)
	if err != nil {
		return err
	}
	y, x, other := b.normals(rows*r.Used*cols), b.normals(rows*cols), b.normals(rows*cols)
	a := ExpertSumArgs{Step: b.step, Routes: c.routes, Y: b.rows("y", y, cols), X: b.rows("x", x, cols)}
	if shared {
		a.Shared, a.Logits = b.rows("shared", other, cols), c.logits
	}
	raw, err := b.device.Read(c.logits, 0, c.logits.Size())
	if err != nil {
		return err
	}
	got, err := b.submit(a.X, 4*rows*pad(cols), func(p *gpu.Pass) {
		c.route.Run(p, rows, b.step, c.logits, c.routes)
		op.Run(p, rows, a)
	})
	if err != nil {
		return err
	}
	for row := range rows {
		ExpertSumRef(c.weights[row*r.Used:][:r.Used], y[row*r.Used*cols:][:r.Used*cols], x[row*cols:][:cols])
		for i := 0; shared && i < cols; i++ {
			x[row*cols+i] += float32(float64(other[row*cols+i]) / (1 + math.Exp(-float64(floatAt(raw, row*stride+r.Experts)))))
		}
	}
	b.compare(got, padRows(x, cols), pad(cols), pad(cols), 1e-4)
	return nil
}
