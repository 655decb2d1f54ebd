package bench

import (
	"encoding/binary"
	"fmt"
	"math"

	"umbra/gpu"
	"umbra/shaders"
)

// expertSizes are those of a model of experts: of the residual stream, of an expert, and how many of how many a token takes.
type expertSizes struct{ embed, width, used, experts int }

// expertList are products with experts, at decode and at prefill: sizes of qwen3moe-30b-a3b on a GPU, of few and small experts on a CPU.
func (o *ops) expertList() (all []func() (measured, error)) {
	s, prefill := expertSizes{2048, 768, 8, 128}, 512
	if o.tuning.Narrow {
		s, prefill = expertSizes{512, 256, 4, 32}, 64
	}
	for _, f := range shaders.Formats() {
		if f.Name != "q4_0" && f.Name != "q8_0" && f.Name != "q4_k" {
			continue
		}
		for _, rows := range []int{1, 4, prefill} {
			all = append(all, func() (measured, error) { return o.expertProducts(f, s, rows) })
		}
	}
	return append(all, func() (measured, error) { return o.routes(s, 1) }, func() (measured, error) { return o.routes(s, prefill) })
}

// chosen makes random logits of rows and has experts chosen by them; it returns what that left, and how many were chosen by any row.
func (o *ops) chosen(r shaders.Routing, rows int) (route *shaders.Route, step, logits, routes *gpu.Buffer, distinct int, err error) {
	stride := shaders.PadCols(r.Experts)
	step, logits, routes = o.step(shaders.Step{Rows: uint32(rows)}), o.buffer(uint64(4*rows*stride)), o.buffer(uint64(r.RoutesBytes(rows)))
	if o.err != nil {
		return nil, nil, nil, nil, 0, o.err
	}
	values, taken := make([]float32, rows*stride), map[int]bool{}
	for i := range values {
		values[i] = float32(o.rand.NormFloat64())
	}
	for row := range rows {
		experts, _ := shaders.RouteRef(r, values[row*stride:][:r.Experts])
		for _, e := range experts {
			taken[e] = true
		}
	}
	o.floats(logits, values)
	if route, err = shaders.NewRoute(o.device, o.tuning, r, stride); err != nil {
		return nil, nil, nil, nil, 0, err
	}
	if _, err = o.submission(func(p *gpu.Pass, _ int) { route.Run(p, rows, step, logits, routes) }, 1); err == nil {
		err = o.err
	}
	return route, step, logits, routes, len(taken), err
}

// expertProducts measures the gates and ups, with activation, of the experts that rows tokens choose, and the downs after them. Bytes are those of
// chosen experts alone, each counted once. It goes round copies of the weights, so that no cache holds them. Where all experts are above the binding
// limit it takes the most that are not.
func (o *ops) expertProducts(f shaders.Format, s expertSizes, rows int) (measured, error) {
	s.experts = min(s.experts, int(o.device.Limits().StorageBindingSize)/(2*s.width*f.QuantBytes(s.embed)))
	r := shaders.Routing{Experts: s.experts, Used: s.used, Normalise: true, Scale: 1}
	_, step, _, routes, distinct, err := o.chosen(r, rows)
	if err != nil {
		return measured{}, err
	}
	up := shaders.ExpertShape{Routing: r, Format: f, N: 2 * s.width, K: s.embed, Held: s.experts, Norm: true, Eps: 1e-5, Gate: true, Stride: shaders.PadCols(s.width)}
	down := shaders.ExpertShape{Routing: r, Format: f, N: s.embed, K: s.width, Held: s.experts, Paired: true, Stride: shaders.PadCols(s.embed)}
	first, err := shaders.NewExperts(o.device, o.tuning, up)
	if err != nil {
		return measured{}, err
	}
	second, err := shaders.NewExperts(o.device, o.tuning, down)
	if err != nil {
		return measured{}, err
	}
	expert := up.N*f.RowBytes(up.K) + down.N*f.RowBytes(down.K)
	copies := 1
	if rows <= 8 {
		copies = min(16, (256<<20)/(distinct*expert)+1)
	}
	pairs := rows * s.used
	a := shaders.ExpertArgs{Step: step, Routes: routes, X: o.random(4 * rows * s.embed), Y: o.buffer(uint64(4 * pairs * s.width)), Gain: o.random(4 * s.embed)}
	b := shaders.ExpertArgs{Step: step, Routes: routes, X: a.Y, Y: o.buffer(uint64(4 * pairs * s.embed))}
	var weights [][2]shaders.Weights
	for i := range copies {
		var both [2]shaders.Weights
		for j, x := range []shaders.ExpertShape{up, down} {
			both[j] = shaders.Weights{Quants: o.buffer(uint64(x.Held * x.N * f.QuantBytes(x.K)))}
			if f.HasScales() {
				both[j].Scales = o.buffer(uint64(x.Held * x.N * f.ScaleBytes(x.K)))
			}
			if o.err != nil {
				return measured{}, o.err
			}
			if err := shaders.FillRandom(o.device, f, x.K, both[j], uint32(2*i+j+1)); err != nil {
				return measured{}, err
			}
		}
		weights = append(weights, both)
	}
	m := measured{
		name:  fmt.Sprintf("experts %s %d of %d, %dx%d and back, %d rows", f.Name, s.used, s.experts, s.width, s.embed, rows),
		bytes: float64(distinct*expert + 4*(rows+pairs)*(s.embed+s.width)), flops: 6 * float64(pairs) * float64(s.embed) * float64(s.width), compute: rows > 8,
		record: func(p *gpu.Pass, i int) {
			a.Weights, b.Weights = weights[i%copies][0], weights[i%copies][1]
			first.Run(p, rows, a)
			second.Run(p, rows, b)
		},
	}
	if err := first.Warm(rows); err != nil {
		return measured{}, err
	}
	return m, second.Warm(rows)
}

// routes measures the choice of experts, and putting rows in their order.
func (o *ops) routes(s expertSizes, rows int) (measured, error) {
	r := shaders.Routing{Experts: s.experts, Used: s.used, Normalise: true, Scale: 1}
	route, step, logits, routes, _, err := o.chosen(r, rows)
	if err != nil {
		return measured{}, err
	}
	return measured{
		name:  fmt.Sprintf("routes %d of %d, %d rows", s.used, s.experts, rows),
		bytes: float64(4*rows*s.experts + r.RoutesBytes(rows)), record: func(p *gpu.Pass, _ int) { route.Run(p, rows, step, logits, routes) },
	}, nil
}

func (o *ops) floats(b *gpu.Buffer, values []float32) {
	raw := make([]byte, 0, 4*len(values))
	for _, v := range values {
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(v))
	}
	o.write(b, raw)
}
