package shaders

import (
	"fmt"
	"math"

	"umbra/gpu"
)

// AttentionShape describes attention of one layer over paged KV: grouped heads (MHA, GQA and MQA alike), causal by position.
type AttentionShape struct {
	KV    KVShape
	Heads int
	// QStride is the row length of the buffer that q is read from, its first Heads * HeadDim columns; YStride that of y.
	QStride, YStride int
}

// attentionSpec is an AttentionShape specialised to a kernel.
type attentionSpec struct {
	*bindings
	kvSpec
	Vecs, Queries, PartVecs int
	Splits                  bool
	TileCount, TileOffset   string

	Heads      int     `wgsl:"HEADS"`
	Group      int     `wgsl:"GROUP"` // query heads per KV head
	QVecs      int     `wgsl:"Q_VECS"`
	YVecs      int     `wgsl:"Y_VECS"`
	Scale      float32 `wgsl:"SCALE"`
	Split      int     `wgsl:"SPLIT"`
	MaxSplits  int     `wgsl:"MAX_SPLITS"`
	QueryHeads int     `wgsl:"QUERY_HEADS"`
	QueryVecs  int     `wgsl:"QUERY_VECS"`
	Scores     int     `wgsl:"SCORES"`
	Groups     int     `wgsl:"GROUPS"`
	Keys       int     `wgsl:"KEYS"`
	TileVecs   int     `wgsl:"TILE_VECS"`
	Dots       int     `wgsl:"DOTS"`
}

const (
	splitTokens   = 128 // least tokens in a part of a split context: a tile of AttentionFew
	maxSplits     = 64  // most parts a context is split into
	manyRows      = 32  // query rows in a tile of AttentionMany
	narrowQueries = 4   // query rows of a lane of AttentionNarrow
)

// Attention computes y[row, head] = softmax(q·Kᵀ/√HeadDim)·V.
type Attention struct {
	device                  *gpu.Device
	tuning                  Tuning
	Shape                   AttentionShape
	few, many, merge        *gpu.Kernel
	headsPerGroup, manySize int
}

// Check refuses a shape that the kernels cannot take.
func (s AttentionShape) Check() error {
	switch {
	case s.Heads < 1 || s.KV.KVHeads < 1 || s.Heads%s.KV.KVHeads != 0:
		return fmt.Errorf("shaders: attention: %d heads do not share %d kv heads evenly", s.Heads, s.KV.KVHeads)
	case s.KV.HeadDim < 16 || s.KV.HeadDim > 256 || s.KV.HeadDim%16 != 0:
		return fmt.Errorf("shaders: attention: head dimension %d is not supported (multiples of 16 up to 256)", s.KV.HeadDim)
	case s.QStride%4 != 0 || s.YStride%4 != 0:
		return fmt.Errorf("shaders: attention: strides %d and %d must be multiples of 4", s.QStride, s.YStride)
	}
	return nil
}

// NewAttention checks the shape. Kernels are compiled when first needed.
func NewAttention(d *gpu.Device, tuning Tuning, s AttentionShape) (*Attention, error) {
	if err := s.Check(); err != nil {
		return nil, err
	}
	a := &Attention{device: d, tuning: tuning, Shape: s, manySize: manyRows, headsPerGroup: 1}
	group := s.Heads / s.KV.KVHeads
	for h := min(group, 8); h > 0; h-- { // the most heads of a group that a workgroup's memory holds
		if group%h == 0 {
			a.headsPerGroup = h
			break
		}
	}
	if tuning.Narrow {
		a.manySize, a.headsPerGroup = narrowQueries, 1
	}
	return a, nil
}

// FewRows is the largest number of rows of a sequence given to the kernel for few rows, in tiles of one row each.
const FewRows = 4

// ManyTile is how many rows a tile of a sequence with more rows may have.
func (a *Attention) ManyTile() int { return a.manySize }

// SplitCount is into how many parts a context of that many tokens is split.
func SplitCount(context int) int { return ceilDiv(context, splitLength(context)) }

// splitLength is split_length of lib/kv.wgsl.
func splitLength(context int) int {
	return max(splitTokens, ceilDiv(context, maxSplits*splitTokens)*splitTokens)
}

// PartialBytes is the size of the buffer for the parts of tiles of few rows, at most rows tiles of contexts up to context tokens.
func (s AttentionShape) PartialBytes(rows, context int) int {
	return rows * s.Heads * min(maxSplits, ceilDiv(context, splitTokens)) * (s.KV.HeadDim/4 + 1) * 16
}

// AttentionArgs are the buffers of a Run. Partial may be shared between layers.
type AttentionArgs struct {
	Step, Input   *gpu.Buffer
	Q, Y, Partial *gpu.Buffer
	KV            KV
}

// Run records attention for the step's tiles: few of one row, whose contexts are split into at most splits parts, and many.
func (a *Attention) Run(p *gpu.Pass, few, splits, many int, args AttentionArgs) {
	if err := a.Warm(few > 0, splits > 1, many > 0); err != nil {
		p.Fail(err)
		return
	}
	read := []gpu.Binding{args.Step.Slice(0, StepBytes), args.Input.Whole(), args.Q.Whole()}
	for _, c := range args.KV {
		read = append(read, c.Whole())
	}
	read = append(read, args.Y.Whole())
	if few > 0 {
		n := few * splits * a.Shape.Heads / a.headsPerGroup
		if a.tuning.Narrow {
			n = ceilDiv(n, 8)
		}
		p.Dispatch(a.few, a.device.Grid1(n), append(read[:len(read):len(read)], args.Partial.Whole())...)
	}
	if many > 0 {
		n := many * a.Shape.Heads
		if a.tuning.Narrow {
			n = ceilDiv(n, 8)
		}
		p.Dispatch(a.many, a.device.Grid1(n), read...)
	}
	if few > 0 && splits > 1 {
		p.Dispatch(a.merge, a.device.Grid1(few*a.Shape.Heads),
			args.Step.Slice(0, StepBytes), args.Input.Whole(), args.Partial.Whole(), args.Y.Whole())
	}
}

// Warm compiles the kernels that steps with such tiles need.
func (a *Attention) Warm(few, split, many bool) (err error) {
	if few && a.few == nil {
		a.few, err = a.compile(false)
	}
	if err == nil && many && a.many == nil {
		a.many, err = a.compile(true)
	}
	if err == nil && split && a.merge == nil {
		s := a.spec()
		a.merge, err = compile(a.device, "attention_merge.wgsl", "attention_merge", &s)
	}
	return err
}

func (a *Attention) spec() attentionSpec {
	s := a.Shape
	dim := s.KV.HeadDim
	spec := attentionSpec{
		bindings: &bindings{}, kvSpec: s.KV.spec(), Vecs: dim / 4, PartVecs: dim / 16,
		Heads: s.Heads, Group: s.Heads / s.KV.KVHeads, QVecs: s.QStride / 4, YVecs: s.YStride / 4,
		Scale: float32(1 / math.Sqrt(float64(dim))), Split: splitTokens, MaxSplits: maxSplits,
		QueryHeads: a.headsPerGroup, Keys: 16,
	}
	if dim > 128 {
		spec.Keys = 8
	}
	spec.QueryVecs = spec.QueryHeads * spec.Vecs
	spec.Scores = spec.QueryHeads * 128
	spec.Groups = 128 / spec.Vecs
	spec.TileVecs = spec.Keys * spec.Vecs
	spec.Dots = spec.Keys * 128
	return spec
}

func (a *Attention) compile(many bool) (*gpu.Kernel, error) {
	s := a.spec()
	s.TileCount, s.TileOffset, s.Splits, s.Queries = "few_count", "few_tiles", true, 1
	file, name := "attention_few.wgsl", "attention_few"
	if many {
		s.TileCount, s.TileOffset, s.Splits, s.Queries = "many_count", "many_tiles", false, narrowQueries
		file, name = "attention_many.wgsl", "attention_many"
	}
	if a.tuning.Narrow {
		file, name = "attention_narrow.wgsl", name+"_narrow"
	}
	return compile(a.device, file, name, &s)
}
