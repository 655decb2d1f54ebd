package shaders

import (
	"encoding/binary"
	"fmt"
	"math"
	"sort"

	"umbra/gpu"
)

// MaxTopK is the most candidates TopK takes from the device; more means reading all logits.
const MaxTopK = 64

type topKSpec struct {
	*bindings
	K      int `wgsl:"K"`
	Vocab  int `wgsl:"VOCAB"`
	Stride int `wgsl:"STRIDE"`
}

// TopK finds the largest logits of each output row. Kernels are compiled when first needed, for K a power of two.
type TopK struct {
	device  *gpu.Device
	vocab   int
	kernels map[int]*gpu.Kernel
}

// NewTopK makes a TopK for rows of vocab logits with stride vocab padded to 32.
func NewTopK(d *gpu.Device, vocab int) *TopK { return &TopK{d, vocab, map[int]*gpu.Kernel{}} }

// Capacity is the K of the kernel used when k candidates are asked for.
func (t *TopK) Capacity(k int) int {
	c := 1
	for c < k {
		c *= 2
	}
	return c
}

// Run records the k largest logits of each output: y holds outputs × Capacity(k) pairs.
func (t *TopK) Run(p *gpu.Pass, outputs, k int, step, logits, y *gpu.Buffer) {
	if err := t.Warm(k); err != nil {
		p.Fail(err)
		return
	}
	p.Dispatch(t.kernels[t.Capacity(k)], t.device.Grid1(outputs), step.Slice(0, StepBytes), logits.Whole(), y.Whole())
}

// Warm compiles the kernel for k.
func (t *TopK) Warm(k int) (err error) {
	if k < 1 || k > MaxTopK {
		return fmt.Errorf("shaders: top-k of %d is outside 1..%d", k, MaxTopK)
	}
	c := t.Capacity(k)
	if t.kernels[c] == nil {
		t.kernels[c], err = compile(t.device, "topk.wgsl", fmt.Sprintf("topk%d", c), &topKSpec{&bindings{}, c, t.vocab, pad(t.vocab)})
	}
	return err
}

// DecodeTopK reads the pairs of one output. Ids past the last valid candidate (fewer than k numbers among the logits) are
// left out.
func DecodeTopK(pairs []byte, k int) (ids []int32, logits []float32) {
	for i := range k {
		id := binary.LittleEndian.Uint32(pairs[8*i:])
		if id == math.MaxUint32 {
			break
		}
		ids = append(ids, int32(id))
		logits = append(logits, math.Float32frombits(binary.LittleEndian.Uint32(pairs[8*i+4:])))
	}
	return ids, logits
}

// TopKRef is the reference of TopK for one row.
func TopKRef(logits []float32, k int) (ids []int32) {
	for i, v := range logits {
		if v == v {
			ids = append(ids, int32(i))
		}
	}
	sort.SliceStable(ids, func(a, b int) bool { return logits[ids[a]] > logits[ids[b]] })
	return ids[:min(k, len(ids))]
}
