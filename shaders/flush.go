package shaders

import (
	"encoding/binary"
	"math"

	"umbra/gpu"
)

// on is the format as a device reads it.
func (f Format) on(d *gpu.Device) (Format, error) {
	if !f.Small {
		return f, nil
	}
	flushed, err := d.Fact("flushes subnormal halves", func() (bool, error) { return flushes(d) })
	if flushed {
		f.flushed = 1
	}
	return f, err
}

// flushes reports whether a device reads subnormal halves as 0, as WGSL allows (unpack2x16float). Decoders of small
// formats then convert integers instead.
func flushes(d *gpu.Device) (bool, error) {
	kernel, err := compile(d, "flush.wgsl", "flush", &struct{ *bindings }{&bindings{}})
	if err != nil {
		return false, err
	}
	y, err := d.NewBuffer("flush", gpu.Scratch, 16)
	if err != nil {
		return false, err
	}
	defer y.Release()
	words := binary.LittleEndian.AppendUint64(nil, 1)
	if err := d.Write(y, 0, words); err != nil {
		return false, err
	}
	p := d.Begin("flush")
	p.Dispatch(kernel, d.Grid1(1), y.Whole())
	p.Read(y, 0, words)
	if err := finish(p); err != nil {
		return false, err
	}
	return math.Float32frombits(binary.LittleEndian.Uint32(words[4:])) != 0x1p-24, nil
}
