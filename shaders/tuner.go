package shaders

import (
	"fmt"
	"math"
	"time"

	"umbra/gpu"
)

// Tuner measures which kernels of Linear are fastest on a device. It runs wide kernels, whatever the adapter.
type Tuner struct {
	device     *gpu.Device
	burner     *burner
	effort     effort
	candidates func(s LinearShape, rows int) []linearVariant
}

// effort is how long measuring goes on.
type effort struct {
	weights    int           // bytes of copies of a matrix, more than caches hold
	burn       time.Duration // for the clock to go up, each time that kernels have been compiled
	submission time.Duration // of many turns, long beside the cost of submitting
	rounds     int           // of all kernels; a kernel's shortest time counts. Then as many of the fastest and the default alone
}

// Measured is the outcome of a product with a number of token rows.
type Measured struct {
	Product string // LinearShape.Product
	Rows    int
	Class   string // RowClass of them

	Default, Best         string // kernels' names; the same where none is faster by at least 3 %
	DefaultTime, BestTime time.Duration
	Rejected              []string // kernels that failed or whose result is not the default's, with why
}

// Choice is what goes into Choices.
func (m Measured) Choice() string {
	if m.Best == m.Default {
		return DefaultKernel
	}
	return m.Best
}

// worthwhile is the share of the default's time that another kernel must not be above.
const worthwhile = 0.97

// NewTuner prepares to measure with 192 MiB of weights, where the device has them, in three rounds of 20 ms a kernel.
func NewTuner(d *gpu.Device) (*Tuner, error) {
	b, err := newBurner(d)
	if err != nil {
		return nil, err
	}
	return &Tuner{d, b, effort{192 << 20, 200 * time.Millisecond, 20 * time.Millisecond, 3}, LinearShape.candidates}, nil
}

// Release gives the tuner's buffer back.
func (t *Tuner) Release() { t.burner.release() }

// Linear measures a product with each number of token rows and tells each of the outcome; an error of each ends it. A candidate is
// measured only if its result is the default's within the kernels' tolerance.
func (t *Tuner) Linear(s LinearShape, rows []int, each func(Measured) error) error {
	most := 0
	for _, r := range rows {
		most = max(most, r)
	}
	m, err := newLinearMeter(t.device, s, most, t.effort.weights, s.PartsBytes(most))
	if err != nil {
		return fmt.Errorf("shaders: tuning %s: %w", s.Product(), err)
	}
	defer m.release()
	for _, r := range rows {
		got, err := t.measure(m, r)
		if err != nil {
			return fmt.Errorf("shaders: tuning %s, %d rows: %w", s.Product(), r, err)
		}
		if err := each(got); err != nil {
			return err
		}
	}
	return nil
}

// contestant is a kernel that is measured.
type contestant struct {
	name   string
	record func(p *gpu.Pass)
	turns  int
	least  time.Duration
}

func (t *Tuner) measure(m *linearMeter, rows int) (Measured, error) {
	out := Measured{Product: m.shape.Product(), Rows: rows, Class: RowClass(rows)}
	if err := m.setRows(rows); err != nil {
		return out, err
	}
	all, err := t.contestants(m, rows, &out)
	if err != nil {
		return out, err
	}
	if err := t.burner.burn(t.effort.burn); err != nil {
		return out, err
	}
	for _, c := range all {
		if c.turns, err = turns(t.device, t.effort.submission, c.record); err != nil {
			return out, err
		}
	}
	best, err := t.race(all)
	if err == nil && best != all[0] { // the least of many may be luck, which does not come twice
		best, err = t.race([]*contestant{all[0], best})
	}
	out.DefaultTime, out.Best, out.BestTime = all[0].least, best.name, best.least
	return out, err
}

// race times contestants in rounds and returns the fastest, or the first, which is the default, if it is hardly slower.
func (t *Tuner) race(all []*contestant) (*contestant, error) {
	for _, c := range all {
		c.least = math.MaxInt64
	}
	for range t.effort.rounds {
		for _, c := range all {
			took, err := timed(t.device, c.turns, c.record)
			if err != nil {
				return c, err
			}
			c.least = min(c.least, took)
		}
	}
	best := all[0]
	for _, c := range all[1:] {
		if c.least < best.least && float64(c.least) <= worthwhile*float64(all[0].least) {
			best = c
		}
	}
	return best, nil
}

// contestants are the default and the candidates that give its result.
func (t *Tuner) contestants(m *linearMeter, rows int, out *Measured) ([]*contestant, error) {
	l, err := m.launcher(linearVariant{})
	if err != nil {
		return nil, err
	}
	standard := l.variant(rows)
	want, err := m.result(l, rows)
	if err != nil {
		return nil, err
	}
	out.Default = standard.String()
	enter := func(name string, l *Linear) *contestant {
		return &contestant{name: name, record: func(p *gpu.Pass) { m.record(p, l, rows) }}
	}
	all := []*contestant{enter(out.Default, l)}
	for _, v := range t.candidates(m.shape, rows) {
		if v == standard || m.shape.sumBytes(v.parts(), rows) > l.room() {
			continue
		}
		l, err := m.launcher(v)
		if err != nil {
			return nil, err
		}
		got, err := m.result(l, rows)
		if err != nil {
			out.Rejected = append(out.Rejected, fmt.Sprintf("%v: %v", v, err))
			continue
		}
		if e := largestError(got, want); !(e <= m.shape.tolerance()) {
			out.Rejected = append(out.Rejected, fmt.Sprintf("%v: off by %.2g", v, e))
			continue
		}
		all = append(all, enter(v.String(), l))
	}
	return all, nil
}
