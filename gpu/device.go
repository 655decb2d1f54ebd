package gpu

import (
	"fmt"
	"sync"
	"time"
)

// Options say which adapter to open and how.
type Options struct {
	// Adapter forces an adapter: its index, its kind (discrete, integrated, cpu) or part of its name.
	// Empty means the environment variable UMBRA_ADAPTER, else the best one. For OpenAll it may be a list, say "0,1": an adapter whose
	// index is there twice is opened twice, while each kind or part of a name stands for another adapter.
	Adapter string
	// Limits is what the device is asked for. It refuses what goes beyond, but for workgroup memory, which wgpu-native 0.17 does
	// not check.
	Limits LimitSet
	// Profile measures each dispatch with timestamps, one pass each: slower, for finding out where time goes.
	Profile bool
}

// Device is an open adapter.
type Device struct {
	// mu is held by every call, and shared only by those that make shader modules.
	mu       sync.RWMutex
	handle   driverDevice
	verdicts []Verdict
	info     AdapterInfo
	limits   Limits
	account  Account
	lastID   uint32
	kernels  kernels
	facts    facts
	groups   map[groupKey]driverBindGroup
	staging  []*Buffer // idle readback buffers, small ones first come first served
	profile  *profile
	zero     *Buffer // copied from where a pass has nothing else to show its end by
	broken   error   // first fault, which every later call returns
}

// Open chooses an adapter and opens it.
func Open(o Options) (*Device, error) {
	return open(defaultDriver(), o)
}

// OpenAll opens all adapters that the options name, in order: one, but for a list.
func OpenAll(o Options) ([]*Device, error) {
	return openAll(defaultDriver(), o)
}

func open(drv driver, o Options) (*Device, error) {
	all, chosen, verdicts, err := judge(drv, o)
	if err != nil {
		return nil, err
	}
	switch {
	case len(chosen) == 0:
		return nil, noneOf(verdicts, o)
	case len(chosen) > 1:
		return nil, fmt.Errorf("gpu: %q names %d adapters where one is to be opened; give one of them", wanted(o.Adapter), len(chosen))
	}
	return openAdapter(all[chosen[0]], verdicts[chosen[0]].Limits, verdicts, o)
}

func openAll(drv driver, o Options) (devices []*Device, err error) {
	all, chosen, verdicts, err := judge(drv, o)
	if err != nil {
		return nil, err
	}
	if len(chosen) == 0 {
		return nil, noneOf(verdicts, o)
	}
	for _, i := range chosen {
		d, err := openAdapter(all[i], verdicts[i].Limits, verdicts, o)
		if err != nil {
			for _, d := range devices {
				d.Release()
			}
			return nil, err
		}
		devices = append(devices, d)
	}
	return devices, nil
}

// noneOf is the error where no adapter can be opened.
func noneOf(verdicts []Verdict, o Options) error {
	if len(verdicts) == 0 {
		return ErrNoAdapter
	}
	return &noMatch{wanted(o.Adapter), verdicts}
}

func openAdapter(a driverAdapter, limits Limits, verdicts []Verdict, o Options) (*Device, error) {
	info := a.info()
	if o.Profile && !info.Timestamps {
		return nil, fmt.Errorf("gpu: %s has no timestamp queries; run without profiling", info.Name)
	}
	h, err := a.open(limits, o.Profile)
	if err != nil {
		return nil, fmt.Errorf("gpu: open %s: %w", info, err)
	}
	d := &Device{
		handle: h, verdicts: verdicts, info: info, limits: limits,
		kernels: kernels{all: map[kernelKey]*compilation{}}, groups: map[groupKey]driverBindGroup{},
		facts: facts{known: map[string]bool{}},
	}
	if o.Profile {
		if err := d.startProfile(); err != nil {
			d.Release()
			return nil, err
		}
	}
	return d, nil
}

// Info describes the open adapter, with the limits it could have been opened with.
func (d *Device) Info() AdapterInfo { return d.info }

// Limits are the limits the device was opened with.
func (d *Device) Limits() Limits { return d.limits }

// Verdicts says of every adapter why it was or was not chosen.
func (d *Device) Verdicts() []Verdict { return d.verdicts }

// Memory is the byte account of live buffers.
func (d *Device) Memory() Account {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.account
}

// Release waits for submitted work and frees everything. Buffers of the device are dead afterwards.
func (d *Device) Release() {
	compiled := d.kernels.release()
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.handle == nil {
		return
	}
	d.drain()
	for k, g := range d.groups {
		g.release()
		delete(d.groups, k)
	}
	for _, k := range compiled {
		k.handle.release()
	}
	for _, b := range d.staging {
		d.releaseBuffer(b)
	}
	d.staging = nil
	if d.zero != nil {
		d.releaseBuffer(d.zero)
	}
	if d.profile != nil {
		d.profile.release(d)
	}
	d.handle.release()
	d.handle = nil
}

// drain polls until the queue is empty. The binding's own waiting poll gives up after five seconds and then frees
// running work, so it is never used; its device destructor waits the same way and must find an empty queue.
func (d *Device) drain() {
	var b backoff
	for !d.handle.poll() {
		b.pause()
	}
}

// takeFault returns the first error the device raised outside a call, and keeps returning it.
func (d *Device) takeFault() error {
	if err := d.handle.fault(); err != nil && d.broken == nil {
		d.broken = fmt.Errorf("gpu: %s: %w", d.info.Name, err)
	}
	return d.broken
}

// backoff spins briefly, since a decode step of a small model on a fast GPU ends in a few hundred microseconds, then
// sleeps longer and longer.
type backoff struct {
	start time.Time
	sleep time.Duration
}

func (b *backoff) pause() {
	const spin, first, longest = 300 * time.Microsecond, 20 * time.Microsecond, 500 * time.Microsecond
	if b.start.IsZero() {
		b.start = time.Now()
	}
	if time.Since(b.start) < spin {
		return
	}
	b.sleep = min(max(first, b.sleep*17/16), longest)
	sleep(b.sleep)
}
