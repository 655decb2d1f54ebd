package gpu

import (
	"errors"
	"fmt"
)

// Binding is a range of a buffer given to a kernel. Offset is a multiple of 256.
type Binding struct {
	Buffer       *Buffer
	Offset, Size uint64
}

// maxBindings is the most bindings a kernel of umbra has: 8 storage buffers and a uniform.
const maxBindings = 9

// groupKey identifies a bind group: a pipeline and what is bound.
type groupKey struct {
	kernel *Kernel
	n      int
	parts  [maxBindings]groupPart
}

type groupPart struct {
	buffer       uint32
	offset, size uint64
}

// Pass records dispatches and copies and submits them together. It keeps its first error, which Submit returns; after
// an error, recording does nothing. Within a pass each dispatch sees the writes of those before it.
type Pass struct {
	device  *Device
	label   string
	enc     driverEncoder
	open    bool // a compute pass is open in enc
	err     error
	reads   []read
	profile []string // names of profiled dispatches, in order
}

type read struct {
	staging *Buffer
	dst     []byte
}

// Begin starts a pass.
func (d *Device) Begin(label string) *Pass {
	d.mu.Lock()
	defer d.mu.Unlock()
	p := &Pass{device: d, label: label}
	if d.handle == nil {
		p.err = ErrReleased
		return p
	}
	if p.err = d.takeFault(); p.err != nil {
		return p
	}
	p.enc, p.err = d.handle.newEncoder(label)
	return p
}

// Dispatch records one run of a kernel over a grid of workgroups; bindings[i] is @binding(i).
func (p *Pass) Dispatch(k *Kernel, grid [3]uint32, bindings ...Binding) {
	if p.err != nil {
		return
	}
	d := p.device
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.handle == nil {
		p.err = ErrReleased
		return
	}
	g, err := d.group(k, bindings)
	if err != nil {
		p.err = fmt.Errorf("gpu: pass %q: kernel %s: %w", p.label, k.Name, err)
		return
	}
	for _, n := range grid {
		if n == 0 || n > d.limits.WorkgroupsPerDim {
			p.err = fmt.Errorf("gpu: pass %q: kernel %s: grid %v outside 1..%d", p.label, k.Name, grid, d.limits.WorkgroupsPerDim)
			return
		}
	}
	if d.profile != nil && d.profile.room(len(p.profile)) {
		p.endPass()
		p.keep(p.enc.timestamp(d.profile.queries, 2*len(p.profile)))
		p.enc.beginPass()
		p.enc.dispatch(k.handle, g, grid)
		p.keep(p.enc.endPass())
		p.keep(p.enc.timestamp(d.profile.queries, 2*len(p.profile)+1))
		p.profile = append(p.profile, k.Name)
		return
	}
	if !p.open {
		p.enc.beginPass()
		p.open = true
	}
	p.enc.dispatch(k.handle, g, grid)
}

// Fail makes Submit return err, unless the pass has failed before: launchers report what they cannot do with it.
func (p *Pass) Fail(err error) { p.keep(err) }

func (p *Pass) keep(err error) {
	if p.err == nil {
		p.err = err
	}
}

func (p *Pass) endPass() {
	if p.open {
		p.open = false
		p.keep(p.enc.endPass())
	}
}

// group returns the bind group for a kernel and bindings, made once.
func (d *Device) group(k *Kernel, bindings []Binding) (driverBindGroup, error) {
	if len(bindings) != len(k.kinds) {
		return nil, fmt.Errorf("%d bindings given, %d declared", len(bindings), len(k.kinds))
	}
	if len(bindings) > maxBindings {
		return nil, fmt.Errorf("%d bindings, at most %d", len(bindings), maxBindings)
	}
	key := groupKey{kernel: k, n: len(bindings)}
	for i, b := range bindings {
		if b.Buffer == nil || b.Buffer.handle == nil {
			return nil, fmt.Errorf("binding %d: %w", i, ErrReleased)
		}
		key.parts[i] = groupPart{b.Buffer.id, b.Offset, b.Size}
	}
	if g := d.groups[key]; g != nil {
		return g, nil
	}
	for i, b := range bindings {
		limit := d.limits.StorageBindingSize
		if k.kinds[i] == bindUniform {
			limit = d.limits.UniformBindingSize
		}
		switch {
		case b.Offset%bindingAlign != 0:
			return nil, fmt.Errorf("binding %d (%s): offset %d is not a multiple of %d", i, b.Buffer.label, b.Offset, bindingAlign)
		case b.Size == 0 || b.Offset+b.Size > b.Buffer.size:
			return nil, fmt.Errorf("binding %d (%s): bytes %d..%d are outside its %d", i, b.Buffer.label, b.Offset, b.Offset+b.Size, b.Buffer.size)
		case b.Size > limit:
			return nil, fmt.Errorf("binding %d (%s): %d bytes are above the limit of %d", i, b.Buffer.label, b.Size, limit)
		}
		for j := range i {
			if bindings[j].Buffer == b.Buffer && (k.kinds[i] == bindReadWrite) != (k.kinds[j] == bindReadWrite) {
				return nil, fmt.Errorf("bindings %d and %d: buffer %s is both read and written", j, i, b.Buffer.label)
			}
		}
	}
	g, err := d.handle.createBindGroup(k.handle, bindings)
	if err != nil {
		return nil, err
	}
	d.groups[key] = g
	return g, nil
}

// dropGroups frees bind groups that name a buffer.
func (d *Device) dropGroups(buffer uint32) {
	for key, g := range d.groups {
		for _, part := range key.parts[:key.n] {
			if part.buffer == buffer {
				g.release()
				delete(d.groups, key)
				break
			}
		}
	}
}

// Copy records a copy of size bytes; offsets and size are multiples of 4, and the buffers differ.
func (p *Pass) Copy(dst *Buffer, dstOffset uint64, src *Buffer, srcOffset, size uint64) {
	if p.err != nil {
		return
	}
	p.device.mu.Lock()
	defer p.device.mu.Unlock()
	p.copy(dst, dstOffset, src, srcOffset, size)
}

func (p *Pass) copy(dst *Buffer, dstOffset uint64, src *Buffer, srcOffset, size uint64) {
	if dst.handle == nil || src.handle == nil {
		p.keep(ErrReleased)
		return
	}
	p.endPass()
	p.keep(p.enc.copy(dst.handle, dstOffset, src.handle, srcOffset, size))
}

// Read records a copy of len(dst) bytes at offset to the host; dst is filled when the pass's fence has been waited for.
// offset and len(dst) are multiples of 4.
func (p *Pass) Read(src *Buffer, offset uint64, dst []byte) {
	if p.err != nil {
		return
	}
	if offset%4 != 0 || len(dst)%4 != 0 || len(dst) == 0 || offset+uint64(len(dst)) > src.size {
		p.err = fmt.Errorf("gpu: pass %q: read of bytes %d..%d of buffer %q (%d bytes): must be multiples of 4 inside it",
			p.label, offset, offset+uint64(len(dst)), src.label, src.size)
		return
	}
	d := p.device
	d.mu.Lock()
	defer d.mu.Unlock()
	s, err := d.takeStaging(uint64(len(dst)))
	if err != nil {
		p.err = err
		return
	}
	p.copy(s, 0, src, offset, uint64(len(dst)))
	p.reads = append(p.reads, read{s, dst})
}

// Submit sends the recorded work and returns its fence, which must be waited for. It returns the pass's first error instead,
// in which case nothing was submitted.
func (p *Pass) Submit() (*Fence, error) {
	d := p.device
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.handle == nil {
		p.keep(ErrReleased)
	}
	if p.err == nil && len(p.profile) > 0 {
		p.endPass()
		p.resolveProfile()
	}
	if p.err == nil && len(p.reads) == 0 {
		p.readNothing()
	}
	if p.err != nil {
		return nil, p.abandon()
	}
	p.endPass()
	enc := p.enc
	p.enc = nil
	if p.err != nil {
		enc.discard()
		return nil, p.abandon()
	}
	if err := enc.submit(); err != nil {
		p.keep(fmt.Errorf("gpu: pass %q: %w", p.label, err))
		return nil, p.abandon()
	}
	p.err = errors.New("gpu: pass used after Submit")
	f := &Fence{device: d, reads: p.reads, profile: p.profile}
	for _, r := range f.reads {
		if err := r.staging.handle.mapRead(uint64(len(r.dst))); err != nil {
			f.err = fmt.Errorf("gpu: pass %q: %w", p.label, err)
			break
		}
		f.mapping++
	}
	return f, nil
}

// readNothing gives a pass without readbacks something to map, so that its end can be seen.
func (p *Pass) readNothing() {
	d := p.device
	if d.zero == nil {
		d.zero, p.err = d.newBuffer("zero", Scratch, 16, useStorage)
	}
	if p.err != nil {
		return
	}
	s, err := d.takeStaging(4)
	if err != nil {
		p.err = err
		return
	}
	p.copy(s, 0, d.zero, 0, 4)
	p.reads = append(p.reads, read{s, make([]byte, 4)})
}

// abandon gives back what a pass that won't be submitted holds.
func (p *Pass) abandon() error {
	if p.enc != nil && p.device.handle != nil {
		p.endPass()
		p.enc.discard()
	}
	p.enc = nil
	for _, r := range p.reads {
		p.device.putStaging(r.staging)
	}
	p.reads = nil
	return p.err
}
