package shaders

import (
	"math"

	"github.com/x448/float16"

	"umbra/gpu"
)

// FillRandom fills a matrix's planes with random weights of a spread of about 1/√cols, so that activations keep their size
// through the layers. All blocks have the same scales.
func FillRandom(d *gpu.Device, f Format, cols int, w Weights, seed uint32) error {
	k, err := compile(d, "fill.wgsl", "fill", &struct{ *bindings }{&bindings{}})
	if err != nil {
		return err
	}
	x := f.fillings(1 / math.Sqrt(float64(cols)))
	cols = pad(cols)
	row := f.QuantBytes(cols) / 4
	if err := fill(k, d, w.Quants, seed, row, 0, row, x.quants); err != nil || w.Scales == nil {
		return err
	}
	small, last, row := f.smallAt(cols), f.scalesAt(cols), f.ScaleBytes(cols)/4
	for _, part := range []struct {
		begin, end int
		filling
	}{{0, small, random}, {small, last, x.small}, {last, row, x.scales}} {
		if part.begin == part.end {
			continue
		}
		if err := fill(k, d, w.Scales, seed+1, row, part.begin, part.end, part.filling); err != nil {
			return err
		}
	}
	return nil
}

// filling makes words of random ones.
type filling struct{ keep, set uint32 }

var random = filling{keep: 0xffffffff}

type fillings struct{ quants, small, scales filling }

// fillings are those for a spread of weights.
func (f Format) fillings(spread float64) fillings {
	half := func(v float64) uint32 { return uint32(float16.Fromfloat32(float32(v)).Bits()) }
	two := func(d, m float64) filling { return filling{set: half(d) | half(m)<<16} }
	float := func(d float64) filling { return filling{set: math.Float32bits(float32(d))} }
	x := fillings{quants: random}
	switch f.Name {
	case "f32": // a random sign and mantissa under a fixed exponent
		x.quants = filling{0x807fffff, math.Float32bits(float32(spread)) & 0x7f800000}
	case "bf16":
		exponent := math.Float32bits(float32(spread)) >> 16 & 0x7f80
		x.quants = filling{0x807f807f, exponent | exponent<<16}
	case "f16":
		exponent := half(spread) & 0x7c00
		x.quants = filling{0x83ff83ff, exponent | exponent<<16}
	case "q8_0": // i8 spread evenly: root mean square 74
		x.scales = two(spread/74, spread/74)
	case "q4_0": // q - 8: root mean square 4.6
		x.scales = two(spread/4.6, spread/4.6)
	case "q4_1":
		x.scales = two(spread/4.6, -7.5*spread/4.6)
	case "q5_0": // q - 16: 9.2
		x.scales = two(spread/9.2, spread/9.2)
	case "q5_1":
		x.scales = two(spread/9.2, -15.5*spread/9.2)
	case "q2_k": // q - 1.5: 1.1, times 8
		x.small, x.scales = filling{set: 0x88888888}, two(spread/(8*1.1), 1.5*spread/(8*1.1))
	case "q3_k": // q - 4: 2.3, times 31
		x.small, x.scales = filling{set: 0xffffffff}, float(spread/(31*2.3))
	case "q4_k":
		x.small, x.scales = filling{set: 0x20202020}, two(spread/(32*4.6), 7.5*spread/(32*4.6))
	case "q5_k":
		x.small, x.scales = filling{set: 0x20202020}, two(spread/(32*9.2), 15.5*spread/(32*9.2))
	case "q6_k": // q - 32: 18.5, times 64
		x.small, x.scales = filling{set: 0x40404040}, float(spread/(64*18.5))
	case "iq4_nl": // levels: 69
		x.scales = two(spread/69, spread/69)
	case "iq4_xs":
		x.small, x.scales = filling{set: 0x10101010}, float(spread/(16*69))
	case "mxfp4": // levels: 5.9
		x.scales = filling{set: uint32(128+math.Round(math.Log2(spread/5.9))) * 0x01010101}
	}
	return x
}

// fill fills words begin to end of rows of row words.
func fill(k *gpu.Kernel, d *gpu.Device, b *gpu.Buffer, seed uint32, row, begin, end int, f filling) error {
	words := int(b.Size() / 4)
	u, err := d.NewBuffer("fill", gpu.Scratch, 32)
	if err != nil {
		return err
	}
	defer u.Release()
	if err := d.Write(u, 0, wordBytes([]uint32{uint32(words), seed, f.keep, f.set, uint32(row), uint32(begin), uint32(end), 0})); err != nil {
		return err
	}
	p := d.Begin("fill")
	p.Dispatch(k, [3]uint32{uint32(min(ceilDiv(words, 64), 32768)), 1, 1}, u.Whole(), b.Whole())
	return finish(p)
}
