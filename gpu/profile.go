package gpu

import (
	"encoding/binary"
	"sort"
	"time"
)

// profileDispatches is how many dispatches of one pass are timed; further ones run untimed. Two queries each; a query
// set holds at most 8192 (W3C WebGPU).
const profileDispatches = 4096

// profile collects timestamp pairs.
type profile struct {
	queries driverQueries
	ticks   *Buffer // resolved queries, u64 each
	tick    float64 // nanoseconds a tick
	times   map[string]*KernelTime
}

// KernelTime is the time a kernel has taken on the device, by its own clock.
type KernelTime struct {
	Name  string
	Count int
	Total time.Duration
	// Device is which of several devices it is the time of, from 1; 0 where there is one.
	Device int `json:",omitempty"`
}

func (d *Device) startProfile() error {
	p := &profile{tick: 1, times: map[string]*KernelTime{}}
	var err error
	if p.ticks, err = d.newBuffer("timestamps", Scratch, profileDispatches*16, useQueries); err != nil {
		return err
	}
	if p.queries, err = d.handle.createQueries(2 * profileDispatches); err != nil {
		return err
	}
	d.profile = p
	return d.calibrate()
}

// calibrate measures how many nanoseconds a tick is, which the binding does not tell: two timestamps some host
// time apart. Good to about one percent.
func (d *Device) calibrate() error {
	stamp := func() (uint64, time.Time, error) {
		enc, err := d.handle.newEncoder("calibrate")
		if err != nil {
			return 0, time.Time{}, err
		}
		s, err := d.takeStaging(16)
		if err != nil {
			enc.discard()
			return 0, time.Time{}, err
		}
		defer d.putStaging(s)
		for _, err := range []error{
			enc.timestamp(d.profile.queries, 0), enc.timestamp(d.profile.queries, 1),
			enc.resolve(d.profile.queries, 2, d.profile.ticks.handle),
			enc.copy(s.handle, 0, d.profile.ticks.handle, 0, 16),
		} {
			if err != nil {
				enc.discard()
				return 0, time.Time{}, err
			}
		}
		if err := enc.submit(); err != nil {
			return 0, time.Time{}, err
		}
		d.drain()
		at := time.Now()
		if err := s.handle.mapRead(16); err != nil {
			return 0, at, err
		}
		for {
			d.handle.poll()
			if ok, err := s.handle.mapped(); err != nil {
				return 0, at, err
			} else if ok {
				break
			}
		}
		t := binary.LittleEndian.Uint64(s.handle.bytes(16)[8:])
		return t, at, s.handle.unmap()
	}
	if _, _, err := stamp(); err != nil { // warm up
		return err
	}
	t0, h0, err := stamp()
	if err != nil {
		return err
	}
	time.Sleep(50 * time.Millisecond)
	t1, h1, err := stamp()
	if err != nil {
		return err
	}
	if t1 > t0 {
		d.profile.tick = float64(h1.Sub(h0)) / float64(t1-t0)
	}
	if r := d.profile.tick; r > 0.9 && r < 1.1 {
		d.profile.tick = 1 // what most devices have; better than the measurement
	}
	return nil
}

func (p *profile) room(used int) bool { return used < profileDispatches }

func (p *profile) release(d *Device) {
	if p.queries != nil {
		p.queries.release()
	}
	if p.ticks != nil {
		d.releaseBuffer(p.ticks)
	}
}

// resolveProfile records the copy of the pass's timestamps to the host, as its last readback.
func (p *Pass) resolveProfile() {
	d := p.device
	size := uint64(16 * len(p.profile))
	p.keep(p.enc.resolve(d.profile.queries, 2*len(p.profile), d.profile.ticks.handle))
	s, err := d.takeStaging(size)
	if err != nil {
		p.keep(err)
		return
	}
	p.copy(s, 0, d.profile.ticks, 0, size)
	p.reads = append(p.reads, read{s, make([]byte, size)})
}

// record adds the timestamp pairs of a finished pass.
func (p *profile) record(names []string, ticks []byte) {
	for i, name := range names {
		t0, t1 := binary.LittleEndian.Uint64(ticks[16*i:]), binary.LittleEndian.Uint64(ticks[16*i+8:])
		k := p.times[name]
		if k == nil {
			k = &KernelTime{Name: name}
			p.times[name] = k
		}
		k.Count++
		if t1 > t0 {
			k.Total += time.Duration(float64(t1-t0) * p.tick)
		}
	}
}

// Profile returns the time of each kernel since the device was opened or ResetProfile, longest first; nil unless
// Options.Profile was set.
func (d *Device) Profile() []KernelTime {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.profile == nil {
		return nil
	}
	var all []KernelTime
	for _, k := range d.profile.times {
		all = append(all, *k)
	}
	sort.Slice(all, func(i, j int) bool {
		return all[i].Total > all[j].Total || all[i].Total == all[j].Total && all[i].Name < all[j].Name
	})
	return all
}

// ResetProfile forgets the times collected so far.
func (d *Device) ResetProfile() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.profile != nil {
		clear(d.profile.times)
	}
}
