package shaders

import (
	"encoding/binary"
	"math"
	"math/rand/v2"

	"github.com/x448/float16"
)

// Decode is the reference of the decoders in dequant: the values of rows of planes, rows × padded cols.
func (f Format) Decode(quants, scales []byte, rows, cols int) []float32 {
	cols = pad(cols)
	out := make([]float32, 0, rows*cols)
	half := func(b []byte, i int) float32 { return float16.Frombits(binary.LittleEndian.Uint16(b[2*i:])).Float32() }
	for r := range rows {
		q := quants[r*f.QuantBytes(cols):]
		s := scales[r*f.ScaleBytes(cols):]
		for c := range cols {
			b := c / blockCols
			nibble := float32(0)
			if f.QuantBits == 4 {
				nibble = float32(q[c/2] >> (4 * (c % 2)) & 15)
			}
			var v float32
			switch f.Name {
			case "f32":
				v = math.Float32frombits(binary.LittleEndian.Uint32(q[4*c:]))
			case "f16":
				v = half(q, c)
			case "bf16":
				v = math.Float32frombits(uint32(binary.LittleEndian.Uint16(q[2*c:])) << 16)
			case "q8_0":
				v = half(s, b) * float32(int8(q[c]))
			case "q4_0":
				v = half(s, b) * (nibble - 8)
			case "q4_1":
				v = half(s, 2*b)*nibble + half(s, 2*b+1)
			}
			out = append(out, v)
		}
	}
	return out
}

// Random makes planes of random weights of about unit variance; columns past cols are zero.
func (f Format) Random(r *rand.Rand, rows, cols int) (quants, scales []byte) {
	padded := pad(cols)
	putHalf := func(b []byte, v float32) []byte {
		return binary.LittleEndian.AppendUint16(b, float16.Fromfloat32(v).Bits())
	}
	for range rows {
		for c := range padded {
			v := float32(r.NormFloat64())
			if c >= cols {
				v = 0
			}
			switch f.Name {
			case "f32":
				quants = binary.LittleEndian.AppendUint32(quants, math.Float32bits(v))
			case "f16":
				quants = putHalf(quants, v)
			case "bf16":
				quants = binary.LittleEndian.AppendUint16(quants, uint16(math.Float32bits(v)>>16))
			case "q8_0":
				quants = append(quants, byte(r.Uint32()))
			default:
				if c%2 == 0 {
					quants = append(quants, byte(r.Uint32()))
				}
			}
		}
		var row []byte
		for range padded / blockCols {
			switch f.Name {
			case "q8_0":
				row = putHalf(row, float32(r.NormFloat64())/64)
			case "q4_0":
				row = putHalf(row, float32(r.NormFloat64())/4)
			case "q4_1":
				row = putHalf(putHalf(row, float32(r.NormFloat64())/4), float32(r.NormFloat64()))
			}
		}
		for len(row)%4 != 0 {
			row = append(row, 0)
		}
		scales = append(scales, row...)
	}
	return quants, scales
}
