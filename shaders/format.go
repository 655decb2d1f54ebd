package shaders

import (
	"fmt"
	"strings"
)

// Format is how weights are stored on the device: rows of blocks of 32 columns, quants in one plane and what scales them in
// another (model/quant, Layout). dequant/<name>.wgsl decodes it. A row of the plane of scales has three parts one after the other, each
// in the order of blocks: further bits of the quants, small scales, and scales.
type Format struct {
	Name      string // as GGUF names the type, in lower case
	QuantBits int    // of a column in the plane of quants: 32, 16, 8, 4 or 2

	// In the plane of scales:
	HighBits  int // further bits of a column
	SmallBits int // of a block's small scales; formats with any have rows of whole super-blocks
	ScaleBits int // of a block's scales, or its share of a super-block's; a row is filled up to whole words

	Halves bool // each half of a block, of 16 columns, has a scale of its own
	HasMin bool // decoders of blocks give a minimum to add to every value
	Offset bool // decoders of pieces give an offset to add to every value
	Raised bool // pieces' columns come above what they stand for by RAISED
	Small  bool // pieces' columns come as subnormal halves: times NORMAL they are what they stand for
	Lookup bool // MatvecStream looks columns up in a table instead of computing them; they are not raised there

	flushed int // 1 where the device reads subnormal halves as 0
}

// formats lists every format the kernels read. A new one is a row here and a file in dequant.
var formats = []Format{
	{Name: "f32", QuantBits: 32},
	{Name: "f16", QuantBits: 16},
	{Name: "bf16", QuantBits: 16},
	{Name: "q8_0", QuantBits: 8, ScaleBits: 16, Raised: true, Small: true},
	{Name: "q4_0", QuantBits: 4, ScaleBits: 16, HasMin: true, Raised: true, Small: true},
	{Name: "q4_1", QuantBits: 4, ScaleBits: 32, HasMin: true, Offset: true, Small: true},
	{Name: "q5_0", QuantBits: 4, HighBits: 1, ScaleBits: 16, Raised: true},
	{Name: "q5_1", QuantBits: 4, HighBits: 1, ScaleBits: 32, HasMin: true, Offset: true, Raised: true},
	{Name: "q2_k", QuantBits: 2, SmallBits: 16, ScaleBits: 4, Halves: true, HasMin: true, Offset: true, Raised: true},
	{Name: "q3_k", QuantBits: 2, HighBits: 1, SmallBits: 12, ScaleBits: 4, Halves: true, Raised: true},
	{Name: "q4_k", QuantBits: 4, SmallBits: 16, ScaleBits: 4, HasMin: true, Offset: true, Small: true},
	{Name: "q5_k", QuantBits: 4, HighBits: 1, SmallBits: 16, ScaleBits: 4, HasMin: true, Offset: true, Raised: true},
	{Name: "q6_k", QuantBits: 4, HighBits: 2, SmallBits: 16, ScaleBits: 4, Halves: true, Raised: true},
	{Name: "iq4_nl", QuantBits: 4, ScaleBits: 16, Raised: true, Lookup: true},
	{Name: "iq4_xs", QuantBits: 4, SmallBits: 8, ScaleBits: 4, Raised: true, Lookup: true},
	{Name: "mxfp4", QuantBits: 4, ScaleBits: 8, Lookup: true},
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

const (
	blockCols = 32  // columns of a block, the same for every format
	superCols = 256 // columns of a super-block: ggml's QK_K
)

// HasScales reports whether there is a plane of scales.
func (f Format) HasScales() bool { return f.ScaleBits > 0 }

// whole rounds columns up to whole super-blocks, if the format has them.
func (f Format) whole(cols int) int {
	if f.SmallBits == 0 {
		return cols
	}
	return ceilDiv(cols, superCols) * superCols
}

// QuantBytes is the size of a row's quants; cols is a multiple of 32.
func (f Format) QuantBytes(cols int) int { return cols * f.QuantBits / 8 }

// ScaleBytes is the size of a row's scales, in whole words.
func (f Format) ScaleBytes(cols int) int {
	return 4 * (f.scalesAt(cols) + (cols/blockCols*f.ScaleBits+31)/32)
}

// smallAt and scalesAt are the words of a row of scales at which the second and the third part begin.
func (f Format) smallAt(cols int) int  { return cols / blockCols * f.HighBits }
func (f Format) scalesAt(cols int) int { return f.smallAt(cols) + cols/blockCols*f.SmallBits/32 }

// RowBytes is what a row costs to stream.
func (f Format) RowBytes(cols int) int { return f.QuantBytes(cols) + f.ScaleBytes(cols) }

// Vec is the WGSL type of the elements of the plane of quants: 16 bytes, or the 8 bytes that a block of 2 bits has.
func (f Format) Vec() string {
	if f.QuantBits == 2 {
		return "vec2<u32>"
	}
	return "vec4<u32>"
}

// blockVecs is the number of such elements in a block.
func (f Format) blockVecs() int { return max(1, f.QuantBits/4) }

// blockPieces is how many pieces a block is: what decoders' load_piece loads at once.
func (f Format) blockPieces() int { return min(4, f.blockVecs()) }

// scaleBlocks is how many blocks share what decoders' load_scale loads.
func (f Format) scaleBlocks() int {
	if f.HasScales() && f.ScaleBits < 32 {
		return 2
	}
	return 1
}

// Spans is how many scales a block has.
func (f Format) Spans() int {
	if f.Halves {
		return 2
	}
	return 1
}

// planeSpec has the constants of a format's planes with a number of columns, for the prelude of a source.
type planeSpec struct {
	Blocks     int `wgsl:"BLOCKS"`
	QuantVecs  int `wgsl:"QUANT_VECS"` // of a row
	ScaleWords int `wgsl:"SCALE_WORDS"`
	SmallAt    int `wgsl:"SMALL_AT"`
	ScalesAt   int `wgsl:"SCALES_AT"`
	Flushed    int `wgsl:"FLUSHED"`
}

func (f Format) planes(cols int) planeSpec {
	blocks := cols / blockCols
	return planeSpec{blocks, blocks * f.blockVecs(), f.ScaleBytes(cols) / 4, f.smallAt(cols), f.scalesAt(cols), f.flushed}
}
