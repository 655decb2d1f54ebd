// Package safetensorstest writes safetensors files for tests.
package safetensorstest

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"strings"

	"github.com/x448/float16"

	"umbra/model/safetensors"
)

// Tensor is a tensor to be written.
type Tensor struct {
	Name  string
	Type  safetensors.Type
	Shape []uint64
	Data  []byte
}

// File returns a file of tensors, one after the other.
func File(tensors []Tensor) []byte {
	var entries []string
	var data []byte
	for _, t := range tensors {
		name, _ := json.Marshal(t.Name)
		shape, _ := json.Marshal(append([]uint64{}, t.Shape...))
		entries = append(entries, fmt.Sprintf(`%s:{"dtype":%q,"shape":%s,"data_offsets":[%d,%d]}`,
			name, t.Type, shape, len(data), len(data)+len(t.Data)))
		data = append(data, t.Data...)
	}
	return Raw(`{"__metadata__":{"format":"pt"},`+strings.Join(entries, ",")+"}", data)
}

// Raw returns a file of a header's text and data, whatever they are.
func Raw(header string, data []byte) []byte {
	b := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	return append(append(b, header...), data...)
}

// Floats returns a tensor of values as F32, F16 or BF16; halves are rounded to the nearest.
func Floats(name string, t safetensors.Type, values []float32, shape ...uint64) Tensor {
	var b []byte
	for _, v := range values {
		switch t {
		case safetensors.F32:
			b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
		case safetensors.F16:
			b = binary.LittleEndian.AppendUint16(b, float16.Fromfloat32(v).Bits())
		case safetensors.BF16:
			bits := math.Float32bits(v)
			b = binary.LittleEndian.AppendUint16(b, uint16((bits+0x7fff+bits>>16&1)>>16))
		default:
			panic("safetensorstest: floats as " + t)
		}
	}
	return Tensor{name, t, shape, b}
}

// Ints returns a tensor of I32.
func Ints(name string, values []int32, shape ...uint64) Tensor {
	var b []byte
	for _, v := range values {
		b = binary.LittleEndian.AppendUint32(b, uint32(v))
	}
	return Tensor{name, safetensors.I32, shape, b}
}
