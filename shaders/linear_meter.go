package shaders

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"umbra/gpu"
)

// linearMeter compares kernels of one product, over copies of random weights that no cache holds.
type linearMeter struct {
	device  *gpu.Device
	shape   LinearShape
	args    LinearArgs
	weights []Weights
	parts   *gpu.Buffer // nil if there is no room for sums of parts
	turn    int         // of weights
	held    []*gpu.Buffer
}

// newLinearMeter makes buffers for up to rows token rows, so many bytes of weights or a bit more, and room for sums of parts. Less memory
// than that for weights will do, if one copy fits.
func newLinearMeter(d *gpu.Device, s LinearShape, rows, weightBytes, partsBytes int) (*linearMeter, error) {
	m := &linearMeter{device: d, shape: s}
	if err := m.allocate(rows, partsBytes); err != nil {
		m.release()
		return nil, err
	}
	for size := 0; size == 0 || size < weightBytes; size += s.N * s.Format.RowBytes(pad(s.K)) {
		if err := m.addWeights(); err != nil {
			if len(m.weights) > 0 {
				break
			}
			m.release()
			return nil, err
		}
	}
	return m, nil
}

func (m *linearMeter) release() {
	for _, b := range m.held {
		b.Release()
	}
}

func (m *linearMeter) buffer(size int) (*gpu.Buffer, error) {
	b, err := m.device.NewBuffer("linear meter", gpu.Scratch, uint64(size))
	if err == nil {
		m.held = append(m.held, b)
	}
	return b, err
}

func (m *linearMeter) allocate(rows, partsBytes int) error {
	s, r := m.shape, rand.New(rand.NewPCG(1, 2))
	for _, b := range []struct {
		at      **gpu.Buffer
		size    int
		there   bool
		normals int // rows of K random numbers
	}{
		{&m.args.Step, StepBytes, true, 0}, {&m.args.X, 4 * rows * pad(s.K), true, rows}, {&m.args.Y, 4 * rows * s.Stride, true, 0},
		{&m.args.Gain, 4 * pad(s.K), s.Norm, 1}, {&m.args.Bias, 4 * s.Stride, s.Bias, 0}, {&m.parts, partsBytes, partsBytes > 0, 0},
	} {
		if !b.there {
			continue
		}
		var err error
		if *b.at, err = m.buffer(b.size); err != nil {
			return err
		}
		v := make([]float32, b.normals*s.K)
		for i := range v {
			v[i] = float32(r.NormFloat64())
		}
		if err := m.device.Write(*b.at, 0, floatBytes(padRows(v, s.K))); err != nil {
			return err
		}
	}
	return nil
}

// addWeights adds another copy.
func (m *linearMeter) addWeights() (err error) {
	s, k := m.shape, pad(m.shape.K)
	var w Weights
	if w.Quants, err = m.buffer(s.N * s.Format.QuantBytes(k)); err != nil {
		return err
	}
	if s.Format.HasScales() {
		if w.Scales, err = m.buffer(s.N * s.Format.ScaleBytes(k)); err != nil {
			return err
		}
	}
	if err := FillRandom(m.device, s.Format, k, w, uint32(len(m.weights))); err != nil {
		return err
	}
	m.weights = append(m.weights, w)
	return nil
}

// setRows makes a number of token rows that of the products to come.
func (m *linearMeter) setRows(rows int) error {
	return m.device.Write(m.args.Step, 0, Step{Rows: uint32(rows), Outputs: uint32(rows)}.Append(nil))
}

// launcher makes a launcher with one kernel, or with those of the defaults if v is none.
func (m *linearMeter) launcher(v linearVariant) (*Linear, error) {
	l, err := NewLinear(m.device, Tuning{}, m.shape)
	if err == nil {
		l.only, l.Parts = v, m.parts
	}
	return l, err
}

// result is the product with the first copy of the weights, over a Y of zeros.
func (m *linearMeter) result(l *Linear, rows int) ([]byte, error) {
	if err := l.Warm(rows); err != nil {
		return nil, err
	}
	y := make([]byte, 4*rows*m.shape.Stride)
	if err := m.device.Write(m.args.Y, 0, y); err != nil {
		return nil, err
	}
	m.turn = 0
	p := m.device.Begin("linear")
	m.record(p, l, rows)
	p.Read(m.args.Y, 0, y)
	return y, finish(p)
}

func (m *linearMeter) record(p *gpu.Pass, l *Linear, rows int) {
	m.args.Weights = m.weights[m.turn%len(m.weights)]
	m.turn++
	l.Run(p, rows, m.args)
}

// turns returns how many fill a submission of some length.
func turns(d *gpu.Device, submission time.Duration, record func(p *gpu.Pass)) (int, error) {
	const most = 300
	once, err := timed(d, 1, record)
	if err == nil && once < submission/3 {
		once, err = timed(d, 3, record)
	}
	return max(1, min(most, int(submission/max(1, once)))), err
}

// timed records turns into one submission and is how long each took.
func timed(d *gpu.Device, turns int, record func(p *gpu.Pass)) (time.Duration, error) {
	p := d.Begin("timed")
	for range turns {
		record(p)
	}
	start := time.Now()
	err := finish(p)
	return time.Since(start) / time.Duration(turns), err
}

func finish(p *gpu.Pass) error {
	f, err := p.Submit()
	if err != nil {
		return err
	}
	return f.Wait()
}

// burner keeps a device busy: its clock falls while it waits for kernels to be compiled, and what is timed then is too slow.
type burner struct {
	device *gpu.Device
	peak   *Peak
	y      *gpu.Buffer
}

func newBurner(d *gpu.Device) (*burner, error) {
	k, err := NewPeak(d)
	if err != nil {
		return nil, err
	}
	y, err := d.NewBuffer("burner", gpu.Scratch, FMABytes)
	return &burner{d, k, y}, err
}

func (b *burner) release() { b.y.Release() }

// turn is what FMAFlops take, the mean of some.
func (b *burner) turn() (time.Duration, error) {
	return timed(b.device, 20, func(p *gpu.Pass) { b.peak.FMA(p, b.y) })
}

func (b *burner) burn(d time.Duration) error {
	for start := time.Now(); time.Since(start) < d; {
		if _, err := b.turn(); err != nil {
			return fmt.Errorf("shaders: %w", err)
		}
	}
	return nil
}

// largestError is the largest |got - want| over max(1, |want|) of f32, NaN if there is one.
func largestError(got, want []byte) float64 {
	worst := 0.0
	for i := 0; i < len(want); i += 4 {
		g := float64(math.Float32frombits(binary.LittleEndian.Uint32(got[i:])))
		w := float64(math.Float32frombits(binary.LittleEndian.Uint32(want[i:])))
		worst = max(worst, math.Abs(g-w)/max(1, math.Abs(w)))
	}
	return worst
}
