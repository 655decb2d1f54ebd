package model

import (
	"encoding/binary"
	"fmt"
	"math"

	"umbra/gpu"
	"umbra/shaders"
)

// squaresAlign is what the sums of each projection begin at a multiple of: every adapter binds there.
const squaresAlign = 256

// squares sums up the inputs of matrices that share them, where Options.Squares asks for it.
type squares struct {
	op       *shaders.Squares
	shape    shaders.SquaresShape
	matrices []*matrix
	scales   *gpu.Buffer
	sums     gpu.Binding
	at       int // of its sums in the model's, in bytes
	rows     int // in the sums
}

// watchable are matrices that share their inputs, and where what sums these up goes.
type watchable struct {
	shape    shaders.SquaresShape
	matrices []*matrix
	to       **squares
}

// room is the size of their sums.
func (w watchable) room() int { return (w.shape.Bytes() + squaresAlign - 1) &^ (squaresAlign - 1) }

// watchables are all matrices that rows are multiplied with, block by block, that to logits last where the plan has it.
func (p Plan) watchables(head *projection) (all []watchable) {
	add := func(x *projection) {
		if shapes := x.products(); len(shapes) > 0 {
			all = append(all, watchable{shaders.SquaresOf(shapes[0]), x.matrices, &x.squares})
		}
	}
	for _, b := range p.weights.blocks {
		for _, x := range b.products() {
			add(x)
		}
		if e, ok := b.(*expertsBlock); ok {
			for _, x := range e.chosen() {
				s := x.shape
				s.K = x.matrix.layout.SrcCols
				all = append(all, watchable{shaders.SquaresOfExperts(s), []*matrix{x.matrix}, &x.squares})
			}
		}
	}
	if p.span.ends() {
		add(head)
	}
	return all
}

// squaresBytes is the room of all sums.
func (p Plan) squaresBytes() (n uint64) {
	head := p.head()
	for _, w := range p.watchables(&head) {
		n += uint64(w.room())
	}
	return n
}

// watch has inputs summed up.
func (m *stage) watch() error {
	at := 0
	for _, w := range m.plan.watchables(&m.head) {
		op, err := shaders.NewSquares(m.device, w.shape)
		if err != nil {
			return err
		}
		q := &squares{op: op, shape: w.shape, matrices: w.matrices, scales: m.buffers.scales,
			sums: m.buffers.squares.Slice(uint64(at), uint64(w.shape.Bytes())), at: at}
		*w.to = q
		m.watched = append(m.watched, q)
		at += w.room()
	}
	return nil
}

// record adds a step's rows; routes are those of experts, else nil.
func (q *squares) record(pass *gpu.Pass, rows int, step, x, gain, routes *gpu.Buffer) {
	q.op.Run(pass, rows, step, x, q.scales, gain, routes, q.sums)
	q.rows += rows
}

// Squares are sums of the squared inputs of some weight tensors, which share them: what their matrices were multiplied with, the norm
// applied. Tensors have a matrix each, or one for each of many experts.
type Squares struct {
	Tensors []string
	Sums    []float32 // by matrix and column
	Rows    []int     // in each matrix's sums
}

// TakeSquares returns what has been summed up since it was last called, or since the model was made with Options.Squares: of all
// matrices, block by block, that to logits last. It waits for steps on the device, whose rows count.
func (m *Model) TakeSquares() ([]Squares, error) {
	m.settle()
	var all []Squares
	for _, s := range m.stages {
		sums, err := s.takeSquares()
		if err != nil {
			return nil, s.named(err)
		}
		all = append(all, sums...)
	}
	return all, nil
}

func (m *stage) takeSquares() ([]Squares, error) {
	if m.watched == nil {
		return nil, fmt.Errorf("model: it was not made to sum squares up")
	}
	raw, err := m.device.Read(m.buffers.squares, 0, m.buffers.squares.Size())
	if err == nil {
		err = m.device.Write(m.buffers.squares, 0, make([]byte, len(raw)))
	}
	if err != nil {
		return nil, fmt.Errorf("model: %w", err)
	}
	var all []Squares
	for _, q := range m.watched {
		all = append(all, q.take(raw[q.at:])...)
	}
	return all, nil
}

// take reads what has been summed up.
func (q *squares) take(raw []byte) []Squares {
	floats := func(at, n int) []float32 {
		v := make([]float32, n)
		for i := range v {
			v[i] = math.Float32frombits(binary.LittleEndian.Uint32(raw[4*(at+i):]))
		}
		return v
	}
	if !q.shape.Routed() {
		s := Squares{Sums: floats(0, q.shape.Cols), Rows: []int{q.rows}}
		for _, w := range q.matrices {
			s.Tensors = append(s.Tensors, w.sources()...)
		}
		q.rows = 0
		return []Squares{s}
	}
	names, n := q.matrices[0].sources(), q.shape.Routing.Experts
	each := len(names)                           // tensors that one expert's sums are of
	if len(q.matrices[0].tensors[0].Dims) == 2 { // a tensor for each expert, as older files have them
		each /= n
	}
	var all []Squares
	for e := range n {
		at := e * q.shape.Stride()
		sums := floats(at, q.shape.Cols)
		rows := int(floats(at+q.shape.Stride()-4, 1)[0])
		if each < len(names) {
			all = append(all, Squares{names[e*each:][:each], sums, []int{rows}})
			continue
		}
		if e == 0 {
			all = append(all, Squares{Tensors: names})
		}
		all[0].Sums, all[0].Rows = append(all[0].Sums, sums...), append(all[0].Rows, rows)
	}
	return all
}

// sources are the names of the tensors that a matrix is made of.
func (m *matrix) sources() (names []string) {
	for k, t := range m.tensors {
		if k > 0 && m.halved != nil {
			break
		}
		names = append(names, t.Name)
	}
	return names
}
