package model

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"

	"umbra/gpu"
	"umbra/model/gguf"
	"umbra/model/quant"
	"umbra/shaders"
)

// Loading streams tensors through a buffer of pieceBytes and waits for the device after every flushBytes, so that host
// memory stays within a few tens of MB above the mapped file: the queue stages what it has not yet copied.
const (
	pieceBytes = 4 << 20
	flushBytes = 32 << 20
)

// loader moves weights to a device.
type loader struct {
	ctx         context.Context // ends it early
	device      *gpu.Device
	src         Source
	progress    func(done, total int64)
	done, total int64
	staged      int
}

// load makes and fills the weights' buffers.
func (w *weights) load(ctx context.Context, d *gpu.Device, src Source, progress func(done, total int64)) error {
	l := &loader{ctx: ctx, device: d, src: src, progress: progress, total: int64(w.bytes())}
	return l.load(w)
}

// load makes the buffers and fills them. On an error what was made is still there for release.
func (l *loader) load(w *weights) error {
	for _, v := range w.vectors {
		if err := l.vector(v); err != nil {
			return err
		}
	}
	for _, m := range w.matrices {
		for i := range m.parts {
			if err := l.part(m, i); err != nil {
				return err
			}
		}
	}
	if err := l.device.Flush(); err != nil {
		return fmt.Errorf("model: %w", err)
	}
	l.report(int(l.total - l.done)) // what rounding buffers up added
	return nil
}

func (l *loader) vector(v *vector) (err error) {
	name := v.tensors[0].Name
	if v.buffer, err = l.device.NewBuffer(name, gpu.Weights, 4*uint64(shaders.PadCols(v.cols))); err != nil {
		return fmt.Errorf("model: %w", err)
	}
	values := make([]float32, 0, shaders.PadCols(v.cols))
	for _, t := range v.tensors {
		f, err := floats(l.src, t)
		if err != nil {
			return err
		}
		values = append(values, f...)
	}
	raw := make([]byte, 0, 4*cap(values))
	for _, x := range values[:cap(values)] {
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(x))
	}
	return l.write(v.buffer, 0, raw)
}

// floats reads a small tensor; one without data is all ones, as gains of a random model.
func floats(src Source, t gguf.Tensor) ([]float32, error) {
	f := make([]float32, t.Elements())
	raw := src.Data(t)
	if raw == nil {
		for i := range f {
			f[i] = 1
		}
		return f, nil
	}
	if err := quant.Dequantize(t.Type, raw, f); err != nil {
		return nil, fmt.Errorf("model: tensor %q: %w", t.Name, err)
	}
	return f, nil
}

func (l *loader) part(m *matrix, number int) (err error) {
	p := &m.parts[number]
	if err := l.ctx.Err(); err != nil {
		return err
	}
	name := m.tensors[0].Name
	quants, scales := m.layout.QuantBytesPerRow, m.layout.ScaleBytesPerRow
	if p.weights.Quants, err = l.device.NewBuffer(name, gpu.Weights, uint64(p.rows*quants)); err != nil {
		return fmt.Errorf("model: %w", err)
	}
	if scales > 0 {
		if p.weights.Scales, err = l.device.NewBuffer(name+" scales", gpu.Weights, uint64(p.rows*scales)); err != nil {
			return fmt.Errorf("model: %w", err)
		}
	}
	if t, _ := m.stored(0); !hasData(l.src, t) {
		err := shaders.FillRandom(l.device, m.format, m.layout.SrcCols, p.weights, m.seed+uint32(number)<<16)
		l.report(p.rows * (quants + scales))
		return err
	}
	// Pieces of an even number of rows keep every write a multiple of 4 bytes: rows of planes are.
	rows := min(p.rows, max(2, pieceBytes/(quants+scales)&^1))
	piece := make([]byte, rows*(quants+scales))
	for first := 0; first < p.rows; first += rows {
		n := min(rows, p.rows-first)
		q, s := piece[:n*quants], piece[rows*quants:][:n*scales]
		if err := m.repack(l.src, p.first+first, n, q, s); err != nil {
			return err
		}
		if err := l.write(p.weights.Quants, uint64(first*quants), q); err != nil {
			return err
		}
		if scales > 0 {
			if err := l.write(p.weights.Scales, uint64(first*scales), s); err != nil {
				return err
			}
		}
	}
	return nil
}

// repack lays n rows of the matrix from row first on out in planes.
func (m *matrix) repack(src Source, first, n int, quants, scales []byte) error {
	from, raw, err := m.read(src, first, n)
	if err != nil {
		return err
	}
	b, q, s := m.layout.SrcBytesPerRow, m.layout.QuantBytesPerRow, m.layout.ScaleBytesPerRow
	for i := 0; i < n; {
		k, row, run := m.locate(first+i, n-i)
		row -= from[k]
		if err := m.layout.Repack(raw[k][row*b:(row+run)*b], run, quants[i*q:(i+run)*q], scales[i*s:(i+run)*s]); err != nil {
			return fmt.Errorf("model: tensor %q: %w", m.tensors[k].Name, err)
		}
		i += run
	}
	return nil
}

// read returns, for each tensor, those of its rows that are among n rows of the matrix from row first on, as the layout takes them,
// and the first of them.
func (m *matrix) read(src Source, first, n int) (from []int, raw [][]byte, err error) {
	for k, t := range m.tensors {
		a, end := m.span(k, first, n)
		perRow := int(t.Dims[0]) / t.Type.BlockSize() * t.Type.BlockBytes()
		whole, skip := m.stored(k)
		data, err := rangeOf(src, whole, (skip+a)*perRow, (skip+end)*perRow)
		if err != nil {
			return nil, nil, err
		}
		if m.expand {
			whole := make([]byte, (end-a)*m.layout.SrcBytesPerRow)
			if err := quant.Expand(t.Type, data, int(t.Dims[0]), 0, whole); err != nil {
				return nil, nil, fmt.Errorf("model: tensor %q, rows from %d on: %w", t.Name, a, err)
			}
			data = whole
		}
		from, raw = append(from, a), append(raw, data)
	}
	return from, raw, nil
}

// span returns which rows of tensor k are among n rows of the matrix from row first on.
func (m *matrix) span(k, first, n int) (from, end int) {
	rows := int(m.tensors[k].Rows())
	turns := 1
	if m.interleave {
		turns = 2
	}
	turn := k % turns
	for _, t := range m.tensors[:k-turn] {
		first -= int(t.Rows())
	}
	within := func(row int) int { return min(max((row-turn+turns-1)/turns, 0), rows) }
	return within(first), within(first + n)
}

// locate finds the tensor and its row that row i of the matrix is, and how many of the next most rows follow it there.
func (m *matrix) locate(i, most int) (k, row, run int) {
	for k, t := range m.tensors {
		rows := int(t.Rows())
		switch {
		case m.interleave && k%2 == 0 && i < 2*rows:
			return k + i%2, i / 2, 1
		case !m.interleave && i < rows:
			return k, i, min(most, rows-i)
		}
		i -= rows
	}
	panic("model: row outside its matrix")
}

func (l *loader) write(b *gpu.Buffer, offset uint64, data []byte) error {
	if err := l.ctx.Err(); err != nil {
		return err
	}
	if err := l.device.Write(b, offset, data); err != nil {
		return fmt.Errorf("model: %w", err)
	}
	if l.staged += len(data); l.staged >= flushBytes {
		l.staged = 0
		if err := l.device.Flush(); err != nil {
			return fmt.Errorf("model: %w", err)
		}
	}
	l.report(len(data))
	return nil
}

func (l *loader) report(n int) {
	l.done += int64(n)
	if l.progress != nil {
		l.progress(min(l.done, l.total), l.total)
	}
}
