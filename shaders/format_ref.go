package shaders

import (
	"encoding/binary"
	"math"
	"math/rand/v2"

	"github.com/x448/float16"
)

// planeRow is one row of planes as a reference reads it: bits of the quants, and of the parts of the scales.
type planeRow struct{ quants, high, small, scales []byte }

func (f Format) row(quants, scales []byte, r, cols int) planeRow {
	q, s := quants[r*f.QuantBytes(cols):], scales[r*f.ScaleBytes(cols):]
	small, last := 4*f.smallAt(cols), 4*f.scalesAt(cols)
	if !f.HasScales() {
		return planeRow{quants: q}
	}
	return planeRow{q, s[:small], s[small:last], s[last:]}
}

// field is n bits of b from bit i on, n at most 8.
func field(b []byte, i, n int) float32 {
	v := 0
	for k := range n {
		v |= int(b[(i+k)/8]>>((i+k)%8)&1) << k
	}
	return float32(v)
}

func halfAt(b []byte, i int) float32 {
	return float16.Frombits(binary.LittleEndian.Uint16(b[2*i:])).Float32()
}
func floatAt(b []byte, i int) float32 {
	return math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
}

// levels of 4 bits.
var (
	levelsIQ4 = [16]float32{-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113}
	levelsFP4 = [16]float32{0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12}
)

// Decode is the reference of the decoders in dequant: the values of rows of planes, rows × padded cols.
func (f Format) Decode(quants, scales []byte, rows, cols int) []float32 {
	cols = pad(cols)
	out := make([]float32, 0, rows*cols)
	for r := range rows {
		row := f.row(quants, scales, r, cols)
		for c := range cols {
			out = append(out, f.value(row, c))
		}
	}
	return out
}

// value is column c of a row.
func (f Format) value(r planeRow, c int) float32 {
	block, half, super := c/32, c/16, c/256
	unit, pair, other := c%32/8, c%8/2, c%2 // column 8·unit + 2·pair + other of the block
	var nibble, fifth float32
	if f.QuantBits == 4 {
		nibble = field(r.quants, 4*c, 4)
	}
	if f.HighBits == 1 && f.QuantBits == 4 {
		fifth = 16 * field(r.high, 32*block+8*pair+2*unit+other, 1)
	}
	switch f.Name {
	case "f32":
		return floatAt(r.quants, c)
	case "f16":
		return halfAt(r.quants, c)
	case "bf16":
		return math.Float32frombits(uint32(binary.LittleEndian.Uint16(r.quants[2*c:])) << 16)
	case "q8_0":
		return halfAt(r.scales, block) * float32(int8(r.quants[c]))
	case "q4_0":
		return halfAt(r.scales, block) * (nibble - 8)
	case "q4_1":
		return halfAt(r.scales, 2*block)*nibble + halfAt(r.scales, 2*block+1)
	case "q5_0":
		return halfAt(r.scales, block) * (nibble + fifth - 16)
	case "q5_1":
		return halfAt(r.scales, 2*block)*(nibble+fifth) + halfAt(r.scales, 2*block+1)
	case "q2_k":
		q := field(r.quants, 64*block+32*(unit%2)+16*(unit/2)+2*(c%8), 2)
		return halfAt(r.scales, 2*super)*field(r.small, 8*half, 4)*q - halfAt(r.scales, 2*super+1)*field(r.small, 8*half+4, 4)
	case "q3_k":
		q := field(r.quants, 64*block+32*(unit%2)+2*(unit/2)+4*(c%8), 2) + 4*field(r.high, 32*block+4*(c%8)+unit, 1)
		scale := field(r.small, 96*super+4*(half%16), 4) + 16*field(r.small, 96*super+64+2*(half%16), 2)
		return floatAt(r.scales, super) * (scale - 32) * (q - 4)
	case "q4_k", "q5_k":
		return halfAt(r.scales, 2*super)*float32(r.small[2*block])*(nibble+fifth) - halfAt(r.scales, 2*super+1)*float32(r.small[2*block+1])
	case "q6_k":
		high := field(r.high, 64*block+32*(unit%2)+8*pair+4*(1-unit/2)+2*other, 2)
		return floatAt(r.scales, super) * float32(int8(r.small[half])) * (nibble + 16*high - 32)
	case "iq4_nl":
		return halfAt(r.scales, block) * levelsIQ4[int(nibble)]
	case "iq4_xs":
		return floatAt(r.scales, super) * float32(int8(r.small[block])) * levelsIQ4[int(nibble)]
	case "mxfp4":
		return float32(math.Ldexp(1, int(r.scales[block])-128)) * levelsFP4[int(nibble)]
	}
	panic("shaders: no reference for format " + f.Name)
}

// Random makes planes of random weights of about unit variance; columns past cols are zero where the format is one of plain numbers.
func (f Format) Random(r *rand.Rand, rows, cols int) (quants, scales []byte) {
	padded := pad(cols)
	for range rows {
		if f.HasScales() {
			quants = appendRandom(quants, r, f.QuantBytes(padded))
			end := len(scales) + f.ScaleBytes(padded)
			scales = f.randomScales(scales, r, padded)
			scales = append(scales, make([]byte, end-len(scales))...)
			continue
		}
		for c := range padded {
			v := float32(r.NormFloat64())
			if c >= cols {
				v = 0
			}
			switch f.Name {
			case "f32":
				quants = binary.LittleEndian.AppendUint32(quants, math.Float32bits(v))
			case "f16":
				quants = appendHalf(quants, float64(v))
			case "bf16":
				quants = binary.LittleEndian.AppendUint16(quants, uint16(math.Float32bits(v)>>16))
			}
		}
	}
	return quants, scales
}

// randomScales appends a row of scales, without what fills up its last word.
func (f Format) randomScales(b []byte, r *rand.Rand, cols int) []byte {
	b = appendRandom(b, r, 4*f.smallAt(cols))
	small := len(b)
	b = appendRandom(b, r, 4*(f.scalesAt(cols)-f.smallAt(cols)))
	for i := small; i < len(b) && (f.Name == "q4_k" || f.Name == "q5_k"); i++ {
		b[i] &= 63 // as in files
	}
	blocks := cols / blockCols
	if f.SmallBits > 0 {
		blocks = cols / superCols
	}
	for range blocks {
		v := r.NormFloat64()
		switch f.Name {
		case "q8_0", "iq4_nl":
			b = appendHalf(b, v/64)
		case "q4_0":
			b = appendHalf(b, v/4)
		case "q4_1":
			b = appendHalf(appendHalf(b, v/4), r.NormFloat64())
		case "q5_0":
			b = appendHalf(b, v/9)
		case "q5_1":
			b = appendHalf(appendHalf(b, v/18), r.NormFloat64())
		case "q2_k":
			b = appendHalf(appendHalf(b, v/16), r.NormFloat64()/8)
		case "q3_k":
			b = appendFloat(b, v/40)
		case "q4_k":
			b = appendHalf(appendHalf(b, v/300), r.NormFloat64()/32)
		case "q5_k":
			b = appendHalf(appendHalf(b, v/600), r.NormFloat64()/32)
		case "q6_k":
			b = appendFloat(b, v/1300)
		case "iq4_xs":
			b = appendFloat(b, v/5000)
		case "mxfp4":
			b = append(b, byte(123+r.IntN(4)))
		}
	}
	return b
}

func appendRandom(b []byte, r *rand.Rand, n int) []byte {
	for range n {
		b = append(b, byte(r.Uint32()))
	}
	return b
}

func appendHalf(b []byte, v float64) []byte {
	return binary.LittleEndian.AppendUint16(b, float16.Fromfloat32(float32(v)).Bits())
}

func appendFloat(b []byte, v float64) []byte {
	return binary.LittleEndian.AppendUint32(b, math.Float32bits(float32(v)))
}
