package shaders

import (
	"fmt"
	"strings"
)

// Format is how weights are stored on the device: rows of blocks of 32 columns, quants in one plane and scales in
// another (model/quant, Layout). dequant/<name>.wgsl decodes it.
type Format struct {
	Name       string // as GGUF names the type, in lower case
	QuantVecs  int    // 16-byte vectors of quants per block of 32
	ScaleHalfs int    // f16 scales per block, padded to whole words per row
	HasMin     bool   // decoders give a minimum to add to every value of a block
}

// formats lists every format the kernels read. A new one is a row here and a file in dequant.
var formats = []Format{
	{Name: "f32", QuantVecs: 8},
	{Name: "f16", QuantVecs: 4},
	{Name: "bf16", QuantVecs: 4},
	{Name: "q8_0", QuantVecs: 2, ScaleHalfs: 1},
	{Name: "q4_0", QuantVecs: 1, ScaleHalfs: 1, HasMin: true},
	{Name: "q4_1", QuantVecs: 1, ScaleHalfs: 2, HasMin: true},
}

// FormatOf returns the format with a GGUF type name such as "Q8_0".
func FormatOf(name string) (Format, error) {
	var known []string
	for _, f := range formats {
		if strings.EqualFold(f.Name, name) {
			return f, nil
		}
		known = append(known, strings.ToUpper(f.Name))
	}
	return Format{}, fmt.Errorf("shaders: weight type %s is not supported (%s)", name, strings.Join(known, ", "))
}

// Formats lists the supported formats.
func Formats() []Format { return append([]Format(nil), formats...) }

// blockCols is the number of columns a block holds, the same for every format.
const blockCols = 32

// QuantBytes is the size of a row's quants; cols is a multiple of 32.
func (f Format) QuantBytes(cols int) int { return cols / blockCols * f.QuantVecs * 16 }

// ScaleBytes is the size of a row's scales, in whole words.
func (f Format) ScaleBytes(cols int) int { return (cols/blockCols*f.ScaleHalfs*2 + 3) &^ 3 }

// RowBytes is what a row costs to stream.
func (f Format) RowBytes(cols int) int { return f.QuantBytes(cols) + f.ScaleBytes(cols) }
