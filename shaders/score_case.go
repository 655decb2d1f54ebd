package shaders

import (
	"encoding/binary"
	"fmt"
	"math"

	"umbra/gpu"
)

// scoreCases covers vocabularies smaller than a workgroup, of no whole workgroups, and large ones.
func scoreCases() []Case {
	var cases []Case
	for _, vocab := range []int{1, 5, 255, 257, 1000, 8192, 128_256} {
		cases = append(cases, Case{Name: fmt.Sprintf("score %d", vocab), run: func(b *bench) error { return b.score(vocab) }})
	}
	return cases
}

// scoreRows are kinds of logits, given a normal number; padding is zero, above all of some rows. bad rows have no log-sum-exp.
var scoreRows = []struct {
	bad   bool
	logit func(i, vocab int, normal float32) float32
}{
	{false, func(_, _ int, normal float32) float32 { return 4 * normal }},
	{false, func(_, _ int, normal float32) float32 { return -200 - 30*normal*normal }}, // exp of any would be 0
	{false, func(_, _ int, normal float32) float32 { return 300 + 100*normal }},        // exp of any would be infinite
	{false, func(_, _ int, _ float32) float32 { return 7 }},
	{false, func(i, vocab int, normal float32) float32 { // one is all there is
		if i == vocab-1 {
			return normal
		}
		return -infinity
	}},
	{true, func(i, vocab int, normal float32) float32 {
		if i == vocab/2 {
			return nan
		}
		return normal
	}},
	{true, func(i, vocab int, normal float32) float32 {
		if i == 0 {
			return infinity
		}
		return normal
	}},
	{true, func(_, _ int, _ float32) float32 { return -infinity }},
}

func (b *bench) score(vocab int) error {
	outputs := len(scoreRows)
	targets := make([]uint32, outputs)
	for i := range targets {
		targets[i] = uint32(b.rand.IntN(vocab))
	}
	targets[0], targets[1] = 0, uint32(vocab-1)
	b.inputs(Step{Outputs: uint32(outputs), Targets: 3}, append([]uint32{9, 9, 9}, targets...))
	logits := b.normals(outputs * vocab)
	for i, normal := range logits {
		logits[i] = scoreRows[i/vocab].logit(i%vocab, vocab, normal)
	}
	lb, y := b.rows("logits", logits, vocab), b.buffer("y", make([]byte, outputs*ScoreBytes))
	s := NewScore(b.device, vocab)
	got, err := b.submit(y, outputs*ScoreBytes, func(p *gpu.Pass) { s.Run(p, outputs, b.step, b.input, lb, y) })
	if err != nil {
		return err
	}
	good := 0
	for !scoreRows[good].bad {
		good++
	}
	var want []float32
	for o := range good {
		row := logits[o*vocab:][:vocab]
		want = append(want, float32(ScoreRef(row)), row[targets[o]])
	}
	for i, w := range want { // an infinite logit is itself
		if math.IsInf(float64(w), 0) && math.Float32frombits(binary.LittleEndian.Uint32(got[4*i:])) == w {
			binary.LittleEndian.PutUint32(got[4*i:], 0)
			want[i] = 0
		}
	}
	b.compare(got, want, 1, 1, 1e-5) // the sum's rounding
	for o := good; o < outputs; o++ {
		if v := DecodeScore(got[o*ScoreBytes:]); v == v {
			return fmt.Errorf("output %d: a log-probability of %v, want NaN", o, v)
		}
	}
	return nil
}
