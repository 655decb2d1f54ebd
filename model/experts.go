package model

import (
	"fmt"

	"umbra/gpu"
	"umbra/model/gguf"
	"umbra/shaders"
)

// expertOptions are what architectures vary in a block of experts.
type expertOptions struct {
	Normalise   bool // weights of a token add up to 1
	Shared      bool // there is an expert that all tokens take, times the sigmoid of a gate
	FeedForward int  // width of an expert where the metadata has none
}

// expertsBlock is norm, router, choice of experts, their gates and ups with activation, their downs, sum, residual: 5 dispatches, and one
// more where rows are enough to be put in the order of their experts; 2 more for a shared expert, 2 more where gate and up differ in type.
type expertsBlock struct {
	routing  shaders.Routing
	norm     *vector
	router   projection       // logits: of the experts, then that of the shared one's gate
	gate, up expertProjection // up has no matrix where its rows are laid between gate's
	down     expertProjection
	shared   *feedForwardBlock // nil if there is none

	embed, width int // of the residual stream, of an expert
	route        *shaders.Route
	glu          *shaders.GLU
	sum          *shaders.ExpertSum
}

// expertProjection multiplies rows by the matrices of the experts that they chose, which lie one after the other in one matrix.
type expertProjection struct {
	matrix  *matrix
	shape   shaders.ExpertShape // with Format, K, First and Held left to each part
	ops     []expertOp
	squares *squares // nil unless inputs are summed up
}

type expertOp struct {
	experts *shaders.Experts
	part    *part
}

// experts lays out a block of experts.
func (l *layerBuilder) experts(o expertOptions) block {
	c := l.config
	x := c.Experts
	if x.Count == 0 {
		l.fail("metadata %s.expert_count is missing", c.Architecture)
		return &expertsBlock{}
	}
	e := &expertsBlock{embed: c.Embed, width: x.FeedForward, norm: l.vector(l.need(l.name("ffn_norm.weight"), c.Embed)),
		routing: shaders.Routing{Experts: x.Count, Used: x.Used, Score: x.Score, Normalise: o.Normalise, Scale: x.Scale}}
	if err := e.routing.Check(); err != nil {
		l.fail("%w", err)
	}
	if e.width == 0 {
		e.width = o.FeedForward
	}
	routers := []gguf.Tensor{l.need(l.name("ffn_gate_inp.weight"), c.Embed, x.Count)}
	if o.Shared {
		routers = append(routers, l.need(l.name("ffn_gate_inp_shexp.weight"), c.Embed))
		width := x.Shared
		if width == 0 {
			width = c.FeedForward
		}
		e.shared = l.feedForward(feedForwardOptions{Shared: &sharedExpert{e.norm, width}})
	}
	e.router = projection{matrices: l.sideBySide(c.Embed, routers...), shape: shaders.LinearShape{Norm: true, Eps: c.Eps, Stride: e.logits()}}
	hidden := shaders.ExpertShape{Routing: e.routing, N: e.width, Norm: true, Eps: c.Eps, Stride: shaders.PadCols(e.width)}
	gate, up := l.perExpert("ffn_gate", c.Embed, e.width), l.perExpert("ffn_up", c.Embed, e.width)
	if gate[0].Type == up[0].Type {
		hidden.Gate, hidden.N = true, 2*e.width
		var both []gguf.Tensor
		for i := range gate {
			both = append(both, gate[i], up[i])
		}
		e.gate = l.expertProjection(hidden, c.Embed, both)
		e.gate.matrix.interleave = true
	} else {
		e.gate, e.up = l.expertProjection(hidden, c.Embed, gate), l.expertProjection(hidden, c.Embed, up)
	}
	e.down = l.expertProjection(shaders.ExpertShape{Routing: e.routing, N: c.Embed, Paired: true, Stride: shaders.PadCols(c.Embed)}, e.width,
		l.perExpert("ffn_down", e.width, c.Embed))
	return e
}

// perExpert returns the tensor of all experts, or where there is none a tensor for each, as older files have them.
func (l *layerBuilder) perExpert(kind string, cols, rows int) []gguf.Tensor {
	n := l.config.Experts.Count
	if _, ok := l.src.Tensor(l.name(kind + ".0.weight")); !ok {
		return []gguf.Tensor{l.need(l.name(kind+"_exps.weight"), cols, rows, n)}
	}
	var all []gguf.Tensor
	for i := range n {
		t := l.need(l.name(fmt.Sprintf("%s.%d.weight", kind, i)), cols, rows)
		if i > 0 && t.Type != all[0].Type {
			l.fail("tensor %q: type %v is not that of the other experts, %v", t.Name, t.Type, all[0].Type)
		}
		all = append(all, t)
	}
	return all
}

func (l *layerBuilder) expertProjection(s shaders.ExpertShape, cols int, tensors []gguf.Tensor) expertProjection {
	return expertProjection{matrix: l.matrixOf(cols, s.N, tensors...), shape: s}
}

// logits is the row length of the router's.
func (e *expertsBlock) logits() int { return shaders.PadCols(e.routing.Experts + 1) }

// prepare makes the launchers.
func (p *expertProjection) prepare(m *stage) error {
	for i := range p.matrix.parts {
		part := &p.matrix.parts[i]
		s := p.shape
		s.Format, s.K, s.First, s.Held = p.matrix.format, p.matrix.layout.SrcCols, part.first/s.N, part.rows/s.N
		op, err := m.experts.product(m, s)
		if err != nil {
			return err
		}
		p.ops = append(p.ops, expertOp{op, part})
	}
	return nil
}

// record multiplies rows; a's weights are filled in.
func (p *expertProjection) record(pass *gpu.Pass, rows int, a shaders.ExpertArgs) {
	if p.squares != nil {
		p.squares.record(pass, rows, a.Step, a.X, a.Gain, a.Routes)
	}
	for _, op := range p.ops {
		a.Weights = op.part.weights
		op.experts.Run(pass, rows, a)
	}
}

// chosen are the products with experts.
func (e *expertsBlock) chosen() (all []*expertProjection) {
	for _, p := range []*expertProjection{&e.gate, &e.up, &e.down} {
		if p.matrix != nil {
			all = append(all, p)
		}
	}
	return all
}

// products are those with matrices that all rows take.
func (e *expertsBlock) products() []*projection {
	all := []*projection{&e.router}
	if e.shared != nil {
		all = append(all, e.shared.products()...)
	}
	return all
}

// needs are those of the shared expert; the others' have sizes of their own.
func (e *expertsBlock) needs() (n needs) {
	if e.shared != nil {
		n = e.shared.needs()
	}
	return n
}

func (e *expertsBlock) prepare(m *stage) (err error) {
	if err := e.router.prepare(m); err != nil {
		return err
	}
	if e.route, err = m.experts.route(m, e.routing, e.logits()); err != nil {
		return err
	}
	for _, p := range e.chosen() {
		if err := p.prepare(m); err != nil {
			return err
		}
	}
	if e.up.matrix != nil { // a row's pairs lie side by side
		if e.glu, err = shaders.NewGLU(m.device, e.routing.Used*shaders.PadCols(e.width), shaders.NoActivation); err != nil {
			return err
		}
	}
	if e.shared != nil {
		if err := e.shared.prepare(m); err != nil {
			return err
		}
	}
	e.sum, err = shaders.NewExpertSum(m.device, e.routing, e.embed, e.shared != nil, e.logits())
	return err
}

func (e *expertsBlock) record(s *step) {
	b := s.stage.buffers
	x := b.experts
	e.router.record(s.pass, s.rows, shaders.LinearArgs{Step: b.step, X: b.x, Y: x.logits, Gain: e.norm.buffer})
	e.route.Run(s.pass, s.rows, b.step, x.logits, x.routes)
	a := shaders.ExpertArgs{Step: b.step, Routes: x.routes, X: b.x, Y: x.hidden, Gain: e.norm.buffer}
	e.gate.record(s.pass, s.rows, a)
	if e.glu != nil {
		a.Y = x.up
		e.up.record(s.pass, s.rows, a)
		e.glu.Run(s.pass, s.rows, b.step, x.hidden, x.up)
	}
	e.down.record(s.pass, s.rows, shaders.ExpertArgs{Step: b.step, Routes: x.routes, X: x.hidden, Y: x.given})
	sum := shaders.ExpertSumArgs{Step: b.step, Routes: x.routes, Y: x.given, X: b.x}
	if e.shared != nil {
		e.shared.record(s)
		sum.Shared, sum.Logits = x.shared, x.logits
	}
	e.sum.Run(s.pass, s.rows, sum)
}

// expertOps are the launchers that all layers of a shape share.
type expertOps struct {
	products map[shaders.ExpertShape]*shaders.Experts
	routes   map[shaders.Routing]*shaders.Route
}

func (o *expertOps) product(m *stage, s shaders.ExpertShape) (*shaders.Experts, error) {
	if e := o.products[s]; e != nil {
		return e, nil
	}
	e, err := shaders.NewExperts(m.device, m.tuning, s)
	if err != nil {
		return nil, err
	}
	if o.products == nil {
		o.products = map[shaders.ExpertShape]*shaders.Experts{}
	}
	o.products[s] = e
	return e, nil
}

func (o *expertOps) route(m *stage, r shaders.Routing, stride int) (*shaders.Route, error) {
	if e := o.routes[r]; e != nil {
		return e, nil
	}
	e, err := shaders.NewRoute(m.device, m.tuning, r, stride)
	if err != nil {
		return nil, err
	}
	if o.routes == nil {
		o.routes = map[shaders.Routing]*shaders.Route{}
	}
	o.routes[r] = e
	return e, nil
}

// warm are what compiles the kernels that a number of rows needs, each a launcher's.
func (o *expertOps) warm() (all []func(rows int) error) {
	for _, r := range o.routes {
		all = append(all, r.Warm)
	}
	for _, e := range o.products {
		all = append(all, e.Warm)
	}
	return all
}
