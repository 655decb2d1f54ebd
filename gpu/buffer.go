package gpu

import "fmt"

// Buffer is device memory, zero when made, usable as storage, uniform, copy source and copy destination.
type Buffer struct {
	device  *Device
	handle  driverBuffer
	id      uint32
	label   string
	purpose Purpose
	size    uint64
}

// NewBuffer makes a zeroed buffer of size bytes, rounded up to 16. It returns an *OutOfMemoryError if size is above
// the adapter's limit or memory runs out.
func (d *Device) NewBuffer(label string, purpose Purpose, size uint64) (*Buffer, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.newBuffer(label, purpose, size, useStorage)
}

func (d *Device) newBuffer(label string, purpose Purpose, size uint64, use bufferUse) (*Buffer, error) {
	if d.handle == nil {
		return nil, ErrReleased
	}
	if err := d.takeFault(); err != nil {
		return nil, err
	}
	asked := size
	size = max(16, (size+15)&^15)
	if size < asked || size > d.limits.BufferSize {
		return nil, &OutOfMemoryError{label, asked, d.account, fmt.Sprintf("the largest buffer is %d bytes", d.limits.BufferSize)}
	}
	h, err := d.handle.createBuffer(label, size, use)
	if err != nil {
		return nil, &OutOfMemoryError{label, size, d.account, err.Error()}
	}
	d.lastID++
	d.account[purpose] += size
	return &Buffer{device: d, handle: h, id: d.lastID, label: label, purpose: purpose, size: size}, nil
}

// Size is the buffer's size in bytes.
func (b *Buffer) Size() uint64 { return b.size }

// Whole binds all of the buffer.
func (b *Buffer) Whole() Binding { return Binding{b, 0, b.size} }

// Slice binds size bytes from offset, which is a multiple of 256.
func (b *Buffer) Slice(offset, size uint64) Binding { return Binding{b, offset, size} }

// Release frees the buffer once submitted work that uses it has finished. Releasing twice does nothing.
func (b *Buffer) Release() {
	if b == nil {
		return
	}
	d := b.device
	d.mu.Lock()
	defer d.mu.Unlock()
	d.releaseBuffer(b)
}

func (d *Device) releaseBuffer(b *Buffer) {
	if b.handle == nil || d.handle == nil {
		return
	}
	d.dropGroups(b.id)
	b.handle.release() // the binding keeps memory alive until submissions that use it are done
	b.handle = nil
	d.account[b.purpose] -= b.size
}

// Write copies data to the buffer at offset before any later submission runs. offset and len(data) are multiples of 4.
// The copy is staged in host memory until the next submission: writers of much data submit or Flush now and then.
func (d *Device) Write(b *Buffer, offset uint64, data []byte) error {
	if len(data) == 0 {
		return nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.handle == nil || b.handle == nil:
		return fmt.Errorf("gpu: write to buffer %q: %w", b.label, ErrReleased)
	case offset%4 != 0 || len(data)%4 != 0:
		return fmt.Errorf("gpu: write to buffer %q: offset %d and length %d must be multiples of 4", b.label, offset, len(data))
	case offset+uint64(len(data)) > b.size:
		return fmt.Errorf("gpu: write to buffer %q: bytes %d..%d are outside its %d", b.label, offset, offset+uint64(len(data)), b.size)
	}
	if err := d.handle.write(b.handle, offset, data); err != nil {
		return fmt.Errorf("gpu: write to buffer %q: %w", b.label, err)
	}
	return d.takeFault()
}

// Read copies size bytes at offset from the device and waits for them: a convenience for tests and tools.
func (d *Device) Read(b *Buffer, offset, size uint64) ([]byte, error) {
	dst := make([]byte, size)
	p := d.Begin("read " + b.label)
	p.Read(b, offset, dst)
	f, err := p.Submit()
	if err != nil {
		return nil, err
	}
	return dst, f.Wait()
}

// Flush submits staged writes and waits until they are on the device.
func (d *Device) Flush() error {
	f, err := d.Begin("flush").Submit()
	if err != nil {
		return err
	}
	return f.Wait()
}
