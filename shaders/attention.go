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
	// Scale multiplies scores; 0 is 1/√HeadDim.
	Scale float32
	// Cap is a soft cap of scores, cap·tanh(s/cap): Gemma 2, 2024. 0 is none.
	Cap float32
	// Window is how many tokens a row sees, itself the last of them; 0 is all. Blocks before are not read.
	Window int
}

// attentionSpec is an AttentionShape specialised to a kernel.
type attentionSpec struct {
	*bindings
	kvSpec
	Vecs, Queries         int
	Splits                bool
	TileCount, TileOffset string
	Windowed, Capped      bool

	Heads     int     `wgsl:"HEADS"`
	Group     int     `wgsl:"GROUP"` // query heads per KV head
	QVecs     int     `wgsl:"Q_VECS"`
	YVecs     int     `wgsl:"Y_VECS"`
	Scale     float32 `wgsl:"SCALE"`
	Whole     int     `wgsl:"WHOLE"`
	Split     int     `wgsl:"SPLIT"`
	MaxSplits int     `wgsl:"MAX_SPLITS"`
	Window    int     `wgsl:"WINDOW"`
	Cap       float32 `wgsl:"CAP"`
}

// attentionSplit says how contexts of tiles of few rows are split. It must not depend on a batch.
type attentionSplit struct {
	whole int // tokens of the longest context that is not split
	part  int // least tokens of a part
	most  int // parts
}

// attentionTile is how attention is laid out.
type attentionTile struct {
	few   fewTile
	many  manyTile
	split attentionSplit
}

const (
	narrowQueries = 4  // query rows of a lane of AttentionNarrow
	narrowVecs    = 64 // most vectors of q of a lane with more than one head: 128 take a third less time with 4 rows, and three times as long to compile
)

// narrowSpec is what attention_narrow.wgsl needs beside attentionSpec.
type narrowSpec struct {
	attentionSpec
	Pairs  int // of query row and head
	AtOnce int `wgsl:"AT_ONCE"` // heads of a lane
}

// narrow is for tiles of so many rows.
func (s AttentionShape) narrow(split attentionSplit, queries int) *narrowSpec {
	n := s.narrowHeads(queries)
	spec := &narrowSpec{attentionSpec: s.spec(split), Pairs: queries * n, AtOnce: n}
	spec.Queries = queries
	return spec
}

// narrowHeads is how many heads of a KV head a lane takes, with so many query rows: the most that share it evenly.
func (s AttentionShape) narrowHeads(queries int) int {
	group := s.Heads / s.KV.KVHeads
	n := max(1, min(group, narrowVecs/(queries*s.KV.HeadDim/4)))
	for group%n != 0 {
		n--
	}
	return n
}

var (
	narrowSplit = attentionSplit{128, 128, 64}
	wideSplit   = attentionSplit{256, 128, 64}
)

// tile is the layout for wide kernels.
func (s AttentionShape) tile() attentionTile {
	t := attentionTile{few: fewTile{128, 8, 4, 4, 16, true}, many: manyTile{8, 8}, split: wideSplit}
	if s.KV.HeadDim > 128 {
		t.many.rows = 4
	}
	return t
}

// Attention computes y[row, head] = softmax(q·Kᵀ·Scale)·V.
type Attention struct {
	device      *gpu.Device
	tuning      Tuning
	Shape       AttentionShape
	tile        attentionTile
	few         [2]fewKernel // 0: with as many heads a workgroup as the tile has, 1: with one
	many, merge *gpu.Kernel
}

// fewKernel is AttentionFew with so many heads a workgroup, compiled when first needed.
type fewKernel struct {
	heads  int // 0: there is none
	spec   any
	kernel *gpu.Kernel
}

// fewWorkgroups is the number below which AttentionFew takes one head a workgroup, to have more of them at work: a head's sums are the same to
// the bit, and its keys and values come from a cache. On an H200, one row of an 8B model at 100 tokens takes 8.4 us instead of 9.8.
const fewWorkgroups = 64

// Check refuses a shape that the kernels cannot take.
func (s AttentionShape) Check() error {
	switch {
	case s.Heads < 1 || s.KV.KVHeads < 1 || s.Heads%s.KV.KVHeads != 0:
		return fmt.Errorf("shaders: attention: %d heads do not share %d kv heads evenly", s.Heads, s.KV.KVHeads)
	case s.KV.HeadDim < 16 || s.KV.HeadDim > 256 || s.KV.HeadDim%8 != 0:
		return fmt.Errorf("shaders: attention: head dimension %d is not supported (multiples of 8 from 16 to 256)", s.KV.HeadDim)
	case s.Scale < 0 || s.Cap < 0 || s.Window < 0:
		return fmt.Errorf("shaders: attention: scale %g, cap %g and window %d must not be negative", s.Scale, s.Cap, s.Window)
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
	a := &Attention{device: d, tuning: tuning, Shape: s, tile: s.tile()}
	switch {
	case tuning.Narrow:
		a.tile.split = narrowSplit
	case tuning.attention != nil:
		a.tile = *tuning.attention
	}
	return a, a.layOutFew()
}

// FewRows is the largest number of rows of a sequence given to the kernel for few rows, in tiles of one row each.
const FewRows = 4

// ManyTile is how many rows a tile of a sequence with more rows may have.
func (a *Attention) ManyTile() int {
	if a.tuning.Narrow {
		return narrowQueries
	}
	return a.tile.many.down * a.tile.many.rows
}

// SplitCount is into how many parts a context of that many tokens is split.
func (a *Attention) SplitCount(context int) int {
	context -= a.Shape.unseen(context)
	return ceilDiv(context, a.tile.split.length(context))
}

// unseen is how many tokens at the beginning of a context of that length are not read: those of whole blocks before the window.
func (s AttentionShape) unseen(context int) int {
	if s.Window == 0 || context <= s.Window {
		return 0
	}
	return (context - s.Window) / s.KV.Slots * s.KV.Slots
}

// length is split_length of lib/kv.wgsl.
func (s attentionSplit) length(context int) int {
	if context <= s.whole {
		return s.whole
	}
	return max(s.part, ceilDiv(context, s.most*s.part)*s.part)
}

// parts is the most parts of contexts up to context tokens.
func (s attentionSplit) parts(context int) int { return min(s.most, ceilDiv(context, s.part)) }

// PartialBytes is the size of the buffer for the parts of tiles of few rows, at most rows tiles of contexts up to context
// tokens, with wide and narrow kernels alike.
func (s AttentionShape) PartialBytes(rows, context int) int {
	return s.partialBytes(rows, max(wideSplit.parts(context), narrowSplit.parts(context)))
}

func (s AttentionShape) partialBytes(rows, parts int) int {
	return rows * s.Heads * parts * (s.KV.HeadDim/4 + 1) * 16
}

// AttentionArgs are the buffers of a Run. Partial may be shared between layers.
type AttentionArgs struct {
	Step, Input   *gpu.Buffer
	Lane          int // whose Step it is
	Q, Y, Partial *gpu.Buffer
	KV            KV
}

// Run records attention for the step's tiles: few of one row, whose contexts are split into at most splits parts, and many.
func (a *Attention) Run(p *gpu.Pass, few, splits, many int, args AttentionArgs) {
	if err := a.Warm(false, splits > 1, many > 0); err != nil {
		p.Fail(err)
		return
	}
	read := []gpu.Binding{laneStep(args.Step, args.Lane), args.Input.Whole(), args.Q.Whole()}
	for _, c := range args.KV {
		read = append(read, c.Whole())
	}
	read = append(read, args.Y.Whole())
	if few > 0 {
		k, err := a.fewFor(few * splits)
		if err != nil {
			p.Fail(err)
			return
		}
		n := few * splits * a.Shape.Heads / k.heads
		if a.tuning.Narrow {
			n = ceilDiv(n, 8)
		}
		p.Dispatch(k.kernel, a.device.Grid1(n), append(read[:len(read):len(read)], args.Partial.Whole())...)
	}
	if many > 0 {
		n := many * a.Shape.Heads
		if a.tuning.Narrow {
			n = ceilDiv(n/a.Shape.narrowHeads(narrowQueries), 8)
		}
		p.Dispatch(a.many, a.device.Grid1(n), read...)
	}
	if few > 0 && splits > 1 {
		p.Dispatch(a.merge, a.device.Grid1(few*a.Shape.Heads),
			laneStep(args.Step, args.Lane), args.Input.Whole(), args.Partial.Whole(), args.Y.Whole())
	}
}

// Warm compiles the kernels that steps with such tiles need: few is one tile of one row.
func (a *Attention) Warm(few, split, many bool) (err error) {
	if few {
		_, err = a.fewFor(1)
	}
	if err == nil && many && a.many == nil {
		a.many, err = a.compileMany()
	}
	if err == nil && split && a.merge == nil {
		a.merge, err = a.compileMerge()
	}
	return err
}

// spec is what all kernels need.
func (s AttentionShape) spec(split attentionSplit) attentionSpec {
	scale := s.Scale
	if scale == 0 {
		scale = float32(1 / math.Sqrt(float64(s.KV.HeadDim)))
	}
	return attentionSpec{
		Windowed: s.Window > 0, Capped: s.Cap > 0, Window: s.Window, Cap: s.Cap,
		bindings: &bindings{}, kvSpec: s.KV.spec(), Vecs: s.KV.HeadDim / 4, Queries: 1,
		Heads: s.Heads, Group: s.Heads / s.KV.KVHeads, QVecs: s.QStride / 4, YVecs: s.YStride / 4,
		Scale: scale, Whole: split.whole, Split: split.part, MaxSplits: split.most,
	}
}

// fewFor returns the kernel for a number of parts of tiles of few rows, compiled once.
func (a *Attention) fewFor(parts int) (*fewKernel, error) {
	k, file, name := &a.few[0], "attention_few.wgsl", "attention_few"
	if a.few[1].heads > 0 && parts*a.Shape.Heads/k.heads < fewWorkgroups {
		k = &a.few[1]
	}
	if a.tuning.Narrow {
		file, name = "attention_narrow.wgsl", "attention_few_narrow"
	}
	var err error
	if k.kernel == nil {
		k.kernel, err = compile(a.device, file, name, k.spec)
	}
	return k, err
}

// layOutFew specialises the kernels for few rows.
func (a *Attention) layOutFew() error {
	if a.tuning.Narrow {
		s := a.Shape.narrow(a.tile.split, 1)
		s.TileCount, s.TileOffset, s.Splits = "few_count", "few_tiles", true
		a.few[0] = fewKernel{heads: s.AtOnce, spec: s}
		return nil
	}
	s, err := a.Shape.few(a.tile.few, a.tile.split)
	if err != nil {
		return err
	}
	a.few[0] = fewKernel{heads: s.QueryHeads, spec: s}
	t := a.tile.few
	t.heads = 1
	if one, err := a.Shape.few(t, a.tile.split); err == nil && one.Tile == s.Tile && one.KeyLanes == s.KeyLanes && one.Ahead == s.Ahead {
		a.few[1] = fewKernel{heads: 1, spec: one}
	}
	return nil
}

func (a *Attention) compileMany() (*gpu.Kernel, error) {
	if a.tuning.Narrow {
		s := a.Shape.narrow(a.tile.split, narrowQueries)
		s.TileCount, s.TileOffset = "many_count", "many_tiles"
		return compile(a.device, "attention_narrow.wgsl", "attention_many_narrow", s)
	}
	s, err := a.Shape.many(a.tile.many, a.tile.split)
	if err != nil {
		return nil, err
	}
	return compile(a.device, "attention_many.wgsl", "attention_many", s)
}

func (a *Attention) compileMerge() (*gpu.Kernel, error) {
	if a.tuning.Narrow {
		s := a.Shape.spec(a.tile.split)
		return compile(a.device, "attention_merge_narrow.wgsl", "attention_merge_narrow", &s)
	}
	return compile(a.device, "attention_merge.wgsl", "attention_merge", a.Shape.merge(a.tile.split))
}
