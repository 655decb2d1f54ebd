package bench

import (
	"fmt"
	"math"
	"time"

	"umbra/gpu"
	"umbra/shaders"
)

// Checked is a kernel beside its record.
type Checked struct {
	Ratio
	Recorded *Ratio   // nil: there is none
	Below    []string // in what it falls short
}

// Report is the outcome of Check. Measured has the form of a record in floors.json.
type Report struct {
	Measured Record
	Against  string   // where the record compared with comes from; "": there is none for this adapter
	Faults   []string // kernels below their floors, and recorded ones that were not measured
}

const (
	checkRounds   = 5 // turns of the kernel, the adapter's peak and the plain kernel, of which the fastest count
	checkAttempts = 3 // a kernel is slow if it is in all of them
)

// Check compares each kernel's ratios with the recorded ones, as this source has the kernels: without measured choices.
func Check(d *gpu.Device, each func(Checked)) (Report, error) {
	info := d.Info()
	r := Report{Measured: Record{Kind: info.Kind.String(), Name: info.Name, From: info.Driver}}
	all, err := records()
	if err != nil {
		return r, err
	}
	record, ok := recordFor(all, info)
	if ok {
		r.Against = record.From
	}
	tuning := shaders.TuningFor(info)
	base, o := newOps(d, tuning), newOps(d, tuning)
	defer base.release()
	defer o.release()
	copies, adds, err := base.peaks()
	if err != nil {
		return r, err
	}
	for _, next := range o.list() {
		m, err := next()
		if err == nil {
			err = o.err
		}
		if err != nil {
			return r, err
		}
		peak := copies
		if m.compute {
			peak = adds
		}
		c, err := record.check(m.name, func() (Ratio, error) { return o.race(m, peak) })
		if err != nil {
			return r, err
		}
		o.release()
		r.Measured.Kernels = append(r.Measured.Kernels, c.Ratio)
		for _, s := range c.Below {
			r.Faults = append(r.Faults, c.Name+": "+s)
		}
		each(c)
	}
	for _, name := range record.missing(r.Measured.Kernels) {
		r.Faults = append(r.Faults, name+": recorded, but not measured any more")
	}
	return r, nil
}

// check measures a kernel until it is not below its record, at most checkAttempts times.
func (r Record) check(name string, measure func() (Ratio, error)) (Checked, error) {
	c := Checked{Ratio: Ratio{Name: name}}
	floor, ok := r.find(name)
	if ok {
		c.Recorded = &floor
	}
	for range checkAttempts {
		got, err := measure()
		if err != nil {
			return c, err
		}
		c.Ratio = c.better(got)
		if c.Below = floor.below(c.Ratio); len(c.Below) == 0 {
			break
		}
	}
	return c, nil
}

// race times a kernel, the peak it is limited by and its plain kernel in turns.
func (o *ops) race(m, peak measured) (Ratio, error) {
	runners := []func(p *gpu.Pass, i int){m.record, peak.record}
	if m.plain != nil {
		runners = append(runners, m.plain)
	}
	turns, best := make([]int, len(runners)), make([]float64, len(runners))
	for i, run := range runners {
		n, err := o.turns(run)
		if err != nil {
			return Ratio{}, fmt.Errorf("%s: %w", m.name, err)
		}
		turns[i], best[i] = n, math.Inf(1)
	}
	for range checkRounds {
		for i, run := range runners {
			took, err := o.submission(run, turns[i])
			if err != nil {
				return Ratio{}, fmt.Errorf("%s: %w", m.name, err)
			}
			best[i] = min(best[i], max(took, time.Microsecond).Seconds()/float64(turns[i]))
		}
	}
	r := Ratio{Name: m.name}
	if m.compute {
		r.Share = m.flops / best[0] / (peak.flops / best[1])
	} else {
		r.Share = m.bytes / best[0] / (peak.bytes / best[1])
	}
	if m.plain != nil {
		r.Plain = best[2] / best[0]
	}
	return r, nil
}
