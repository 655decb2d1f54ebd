package shaders

import (
	"encoding/binary"
	"math"

	"umbra/gpu"
)

type scoreSpec struct {
	*bindings
	Vocab  int `wgsl:"VOCAB"`
	Stride int `wgsl:"STRIDE"`
}

// ScoreBytes is the room an output of Score takes.
const ScoreBytes = 8

// Score gives each output's log-sum-exp of all logits and the logit of one token, so that its log-probability is known without reading
// the logits.
type Score struct {
	device *gpu.Device
	vocab  int
	kernel *gpu.Kernel
}

// NewScore makes a Score for rows of vocab logits with stride vocab padded to 32. The kernel is compiled when first needed.
func NewScore(d *gpu.Device, vocab int) *Score { return &Score{device: d, vocab: vocab} }

// Run records it for outputs rows: logits (outputs × padded vocabulary) to y (outputs × ScoreBytes). The step's Targets are ids within
// the vocabulary.
func (s *Score) Run(p *gpu.Pass, outputs int, step, input, logits, y *gpu.Buffer) {
	if s.kernel == nil {
		var err error
		if s.kernel, err = compile(s.device, "score.wgsl", "score", &scoreSpec{&bindings{}, s.vocab, pad(s.vocab)}); err != nil {
			p.Fail(err)
			return
		}
	}
	p.Dispatch(s.kernel, s.device.Grid1(outputs), step.Slice(0, StepBytes), input.Whole(), logits.Whole(), y.Whole())
}

// DecodeScore reads an output: its target's log-probability, not a number where a logit is none.
func DecodeScore(b []byte) float64 {
	f := func(at int) float64 { return float64(math.Float32frombits(binary.LittleEndian.Uint32(b[at:]))) }
	return f(4) - f(0)
}

// ScoreRef is the reference of Score for one row: the log-sum-exp.
func ScoreRef(logits []float32) float64 {
	largest, sum := math.Inf(-1), 0.0
	for _, v := range logits {
		largest = max(largest, float64(v))
	}
	for _, v := range logits {
		sum += math.Exp(float64(v) - largest)
	}
	return largest + math.Log(sum)
}
