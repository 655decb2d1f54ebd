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

// TopK of one workgroup a row takes 55 us for 128,256 logits on an H200, most of which stands idle meanwhile. Above sliceVocab logits
// a row is cut into slices of topKSlice. That costs a dispatch more, some 3 us: what 8,192 logits take one workgroup. On lavapipe,
// where barriers are dear, slices take ten times as long (3.3 ms for 0.35), so narrow adapters have none.
const (
	sliceVocab = 16384
	topKLanes  = 256
	sliceVecs  = 2 // vectors of logits of a lane
	topKSlice  = topKLanes * sliceVecs * 4
)

// mergePlaces is how many candidates TopKMerge holds at once, 8 bytes each.
const mergePlaces = 1024

type topKSpec struct {
	*bindings
	Vecs int `wgsl:"VECS"`

	K       int `wgsl:"K"`
	Vocab   int `wgsl:"VOCAB"`
	Stride  int `wgsl:"STRIDE"`
	RowVecs int `wgsl:"ROW_VECS"`
	Slices  int `wgsl:"SLICES"`
	Lanes   int `wgsl:"LANES"`
	Places  int `wgsl:"PLACES"` // pairs in workgroup memory
	Lists   int `wgsl:"LISTS"`
}

// TopK finds the largest logits of each output row. Kernels are compiled when first needed, for K a power of two.
type TopK struct {
	device  *gpu.Device
	vocab   int
	sliced  bool
	kernels map[int]topKKernels
}

// topKKernels are one kernel, or for slices two.
type topKKernels struct{ main, merge *gpu.Kernel }

// TopKArgs are the buffers of a Run: Logits (outputs × padded vocabulary), Y (outputs × Capacity pairs), and Candidates
// (outputs × TopKCandidateBytes), nil if that is 0.
type TopKArgs struct{ Step, Logits, Candidates, Y *gpu.Buffer }

// NewTopK makes a TopK for rows of vocab logits with stride vocab padded to 32.
func NewTopK(d *gpu.Device, tuning Tuning, vocab int) *TopK {
	return &TopK{d, vocab, !tuning.Narrow && vocab > sliceVocab, map[int]topKKernels{}}
}

// TopKCandidateBytes is the room in Candidates for an output of vocab logits, whatever the tuning; 0 if none is needed.
func TopKCandidateBytes(vocab int) int {
	if vocab <= sliceVocab {
		return 0
	}
	return ceilDiv(vocab, topKSlice) * MaxTopK * 8
}

// Capacity is the K of the kernel used when k candidates are asked for.
func (t *TopK) Capacity(k int) int {
	c := 1
	for c < k {
		c *= 2
	}
	return c
}

// Run records the k largest logits of each output: y holds outputs × Capacity(k) pairs.
func (t *TopK) Run(p *gpu.Pass, outputs, k int, a TopKArgs) {
	if err := t.Warm(k); err != nil {
		p.Fail(err)
		return
	}
	kernels, step := t.kernels[t.Capacity(k)], a.Step.Slice(0, StepBytes)
	if !t.sliced {
		p.Dispatch(kernels.main, t.device.Grid1(outputs), step, a.Logits.Whole(), a.Y.Whole())
		return
	}
	p.Dispatch(kernels.main, t.device.Grid1(outputs*ceilDiv(t.vocab, topKSlice)), step, a.Logits.Whole(), a.Candidates.Whole())
	p.Dispatch(kernels.merge, t.device.Grid1(outputs), step, a.Candidates.Whole(), a.Y.Whole())
}

// Warm compiles the kernels for k.
func (t *TopK) Warm(k int) error {
	if k < 1 || k > MaxTopK {
		return fmt.Errorf("shaders: top-k of %d is outside 1..%d", k, MaxTopK)
	}
	c := t.Capacity(k)
	if _, ok := t.kernels[c]; ok {
		return nil
	}
	kernels, err := t.compile(c)
	if err == nil {
		t.kernels[c] = kernels
	}
	return err
}

func (t *TopK) compile(k int) (kernels topKKernels, err error) {
	stride, slices := pad(t.vocab), ceilDiv(t.vocab, topKSlice)
	spec := topKSpec{&bindings{}, sliceVecs, k, t.vocab, stride, stride / 4, slices, topKLanes, topKLanes, 0}
	if !t.sliced {
		kernels.main, err = compile(t.device, "topk.wgsl", fmt.Sprintf("topk%d", k), &spec)
		return kernels, err
	}
	if k > 1 {
		spec.Places = max(topKLanes, k*4*sliceVecs)
	}
	if kernels.main, err = compile(t.device, "topk_slice.wgsl", fmt.Sprintf("topk_slice%d", k), &spec); err != nil {
		return kernels, err
	}
	spec.bindings, spec.Lists = &bindings{}, 1
	for spec.Lists < slices && spec.Lists*k < mergePlaces {
		spec.Lists *= 2
	}
	spec.Places = spec.Lists * k
	spec.Lanes = min(spec.Places, topKLanes)
	kernels.merge, err = compile(t.device, "topk_merge.wgsl", fmt.Sprintf("topk_merge%d", k), &spec)
	return kernels, err
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
