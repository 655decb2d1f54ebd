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

// squares sums the inputs of one projection up, where Options.Squares asks for it.
type squares struct {
	op     *shaders.Squares
	scales *gpu.Buffer
	sums   gpu.Binding
	at     int // of its sums in the model's, in bytes
	rows   int // in the sums
}

// squaresBytes is the room of all projections' sums.
func (p Plan) squaresBytes() (n uint64) {
	for _, x := range p.withHead() {
		n += uint64(squaresRoom(x))
	}
	return n
}

// squaresRoom is the room of a projection's sums.
func squaresRoom(p *projection) int {
	shapes := p.products()
	if len(shapes) == 0 {
		return 0
	}
	return (shaders.SquaresOf(shapes[0]).Bytes() + squaresAlign - 1) &^ (squaresAlign - 1)
}

// watch has each projection sum its inputs up.
func (m *stage) watch() error {
	at := 0
	all := m.plan.projections()
	if m.plan.span.ends() {
		all = append(all, &m.head)
	}
	for _, p := range all {
		room := squaresRoom(p)
		if room == 0 {
			continue
		}
		shape := shaders.SquaresOf(p.products()[0])
		op, err := shaders.NewSquares(m.device, shape)
		if err != nil {
			return err
		}
		p.squares = &squares{op: op, scales: m.buffers.scales, sums: m.buffers.squares.Slice(uint64(at), uint64(shape.Bytes())), at: at}
		m.watched = append(m.watched, p)
		at += room
	}
	return nil
}

// record adds a step's rows.
func (q *squares) record(pass *gpu.Pass, rows int, a shaders.LinearArgs) {
	q.op.Run(pass, rows, a.Step, a.X, q.scales, a.Gain, q.sums)
	q.rows += rows
}

// Squares are sums over token rows of the squared inputs of some weight tensors, which share them: what the matrices were multiplied with,
// the norm applied.
type Squares struct {
	Tensors []string
	Sums    []float32 // by column
	Rows    int
}

// TakeSquares returns what has been summed up since it was last called, or since the model was made with Options.Squares: of all
// projections, block by block, that to logits last. It waits for steps on the device, whose rows count.
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
	for _, p := range m.watched {
		s := Squares{Rows: p.squares.rows}
		for _, w := range p.matrices {
			for k, t := range w.tensors {
				if k > 0 && w.halved != nil {
					break
				}
				s.Tensors = append(s.Tensors, t.Name)
			}
		}
		for k := range p.matrices[0].layout.SrcCols {
			s.Sums = append(s.Sums, math.Float32frombits(binary.LittleEndian.Uint32(raw[p.squares.at+4*k:])))
		}
		p.squares.rows = 0
		all = append(all, s)
	}
	return all, nil
}
