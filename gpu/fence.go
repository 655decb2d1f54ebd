package gpu

import "fmt"

// Fence is the end of a submitted pass.
type Fence struct {
	device  *Device
	reads   []read
	mapping int // how many of reads have been asked to map
	profile []string
	done    bool
	err     error
}

// Wait blocks until the pass has really ended, however long it takes, and fills its readbacks. It polls without the
// binding's own wait, which gives up after five seconds and frees running work. A second call returns the same error.
func (f *Fence) Wait() error {
	if f.done {
		return f.err
	}
	d := f.device
	var b backoff
	for {
		d.mu.Lock()
		if d.handle == nil {
			f.done, f.err = true, ErrReleased
			d.mu.Unlock()
			return f.err
		}
		if f.ready() {
			f.finish()
			d.mu.Unlock()
			return f.err
		}
		d.mu.Unlock()
		b.pause()
	}
}

// Done reports whether Wait would return at once.
func (f *Fence) Done() bool {
	if f.done {
		return true
	}
	f.device.mu.Lock()
	defer f.device.mu.Unlock()
	return f.device.handle == nil || f.ready()
}

// WaitAny blocks until one of the passes has ended, on whichever device. All of them are still to be waited for.
func WaitAny(fences ...*Fence) {
	var b backoff
	for {
		for _, f := range fences {
			if f.Done() {
				return
			}
		}
		b.pause()
	}
}

// ready polls and reports whether every mapping has been answered.
func (f *Fence) ready() bool {
	f.device.handle.poll()
	for _, r := range f.reads[:f.mapping] {
		if ok, _ := r.staging.handle.mapped(); !ok {
			return false
		}
	}
	return true
}

func (f *Fence) finish() {
	d := f.device
	f.done = true
	for i, r := range f.reads {
		if i < f.mapping {
			if _, err := r.staging.handle.mapped(); err != nil {
				f.keep(fmt.Errorf("gpu: readback: %w", err))
			} else {
				copy(r.dst, r.staging.handle.bytes(uint64(len(r.dst))))
			}
			f.keep(r.staging.handle.unmap())
		}
		d.putStaging(r.staging)
	}
	f.keep(d.takeFault())
	if f.err == nil && len(f.profile) > 0 {
		d.profile.record(f.profile, f.reads[len(f.reads)-1].dst)
	}
	f.reads = nil
}

func (f *Fence) keep(err error) {
	if f.err == nil {
		f.err = err
	}
}

// takeStaging returns an idle mappable buffer of at least size bytes, or makes one.
func (d *Device) takeStaging(size uint64) (*Buffer, error) {
	for i, b := range d.staging {
		if b.size >= size && b.size <= 4*max(size, 1<<10) {
			d.staging = append(d.staging[:i], d.staging[i+1:]...)
			return b, nil
		}
	}
	return d.newBuffer("staging", Scratch, max(256, size), useStaging)
}

// putStaging keeps a few idle staging buffers and frees the rest, oldest first.
func (d *Device) putStaging(b *Buffer) {
	const keep = 8
	d.staging = append(d.staging, b)
	if len(d.staging) > keep {
		oldest := d.staging[0]
		d.staging = append(d.staging[:0], d.staging[1:]...)
		d.releaseBuffer(oldest)
	}
}
