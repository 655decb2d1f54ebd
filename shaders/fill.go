package shaders

import (
	"encoding/binary"
	"math"

	"github.com/x448/float16"

	"umbra/gpu"
)

// FillRandom fills a matrix's planes with random weights of a spread of about 1/√cols, so that activations keep their size
// through the layers.
func FillRandom(d *gpu.Device, f Format, cols int, w Weights, seed uint32) error {
	spread := 1 / math.Sqrt(float64(cols))
	half := func(v float64) int { return int(float16.Fromfloat32(float32(v)).Bits()) }
	keep, set, scale := 0xffffffff, 0, 0
	switch f.Name {
	case "f32": // a random sign and mantissa under a fixed exponent
		keep, set = 0x807fffff, int(math.Float32bits(float32(spread)))&0x7f800000
	case "bf16":
		exponent := int(math.Float32bits(float32(spread))) >> 16 & 0x7f80
		keep, set = 0x807f807f, exponent|exponent<<16
	case "f16":
		exponent := half(spread) & 0x7c00
		keep, set = 0x83ff83ff, exponent|exponent<<16
	case "q8_0": // i8 spread evenly: root mean square 74
		scale = half(spread/74) * 0x10001
	case "q4_0": // q - 8: root mean square 4.6
		scale = half(spread/4.6) * 0x10001
	case "q4_1":
		scale = half(spread/4.6) | half(-7.5*spread/4.6)<<16
	}
	k, err := compile(d, "fill.wgsl", "fill", &struct{ *bindings }{&bindings{}})
	if err != nil {
		return err
	}
	if err := fill(k, d, w.Quants, seed, keep, set); err != nil || w.Scales == nil {
		return err
	}
	return fill(k, d, w.Scales, seed, 0, scale)
}

func fill(k *gpu.Kernel, d *gpu.Device, b *gpu.Buffer, seed uint32, keep, set int) error {
	words := int(b.Size() / 4)
	u, err := d.NewBuffer("fill", gpu.Scratch, 16)
	if err != nil {
		return err
	}
	defer u.Release()
	var raw []byte
	for _, w := range []uint32{uint32(words), seed, uint32(keep), uint32(set)} {
		raw = binary.LittleEndian.AppendUint32(raw, w)
	}
	if err := d.Write(u, 0, raw); err != nil {
		return err
	}
	p := d.Begin("fill")
	p.Dispatch(k, [3]uint32{uint32(min(ceilDiv(words, 64), 32768)), 1, 1}, u.Whole(), b.Whole())
	fence, err := p.Submit()
	if err != nil {
		return err
	}
	return fence.Wait()
}
