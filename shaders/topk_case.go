package shaders

import (
	"fmt"
	"math"

	"umbra/gpu"
)

// topKCases covers vocabularies smaller than a workgroup and than k, on both sides of where slices begin, and of no whole slices.
func topKCases() []Case {
	var cases []Case
	for _, c := range []struct{ vocab, k, outputs int }{
		{1, 1, 3}, {5, 8, 3}, {255, 1, 3}, {1000, 40, len(topKRows)}, {8192, 1, 3}, {8192, 64, 3}, {sliceVocab, 8, len(topKRows)},
		{sliceVocab + 1, 1, len(topKRows)}, {sliceVocab + 1, 64, len(topKRows)}, {20_001, 8, len(topKRows)}, {20_001, 2, len(topKRows)},
		{10 * topKSlice, 33, len(topKRows)}, {sliceVocab + 5, 1, 64}, {32 * topKSlice, 64, 4}, {128_256, 1, 4}, {128_256, 40, 4},
	} {
		cases = append(cases, Case{Name: fmt.Sprintf("topk %d of %d, %d rows", c.k, c.vocab, c.outputs),
			run: func(b *bench) error { return b.topK(c.vocab, c.k, c.outputs) }})
	}
	return cases
}

var (
	nan      = float32(math.NaN())
	infinity = float32(math.Inf(1))
)

// topKRows are kinds of logits, given a normal number; outputs take them in turn.
var topKRows = []struct {
	name  string
	logit func(i, vocab int, normal float32) float32
}{
	{"normal", func(_, _ int, normal float32) float32 { return normal }},
	{"NaN and -inf", func(i, _ int, normal float32) float32 {
		switch {
		case i%5 == 0:
			return nan
		case i%11 == 0:
			return -infinity
		}
		return normal
	}},
	{"ties", func(i, _ int, _ float32) float32 { return float32(i % 7) }},
	{"negative", func(_, _ int, normal float32) float32 { return -1 - normal*normal }}, // below padding
	{"NaN", func(_, _ int, _ float32) float32 { return nan }},
	{"-inf", func(_, _ int, _ float32) float32 { return -infinity }},
	{"few numbers", func(i, vocab int, normal float32) float32 {
		if i == 0 || i == vocab/2 || i == vocab-1 {
			return normal
		}
		return nan
	}},
	{"rising", func(i, _ int, _ float32) float32 { return float32(i) }},
	{"falling", func(i, _ int, _ float32) float32 { return -float32(i) }},
	{"one lane's", func(i, _ int, normal float32) float32 { // the largest are all held by one lane of each slice
		if i/4%topKLanes == 77 {
			return 100 + normal
		}
		return normal
	}},
	{"signs of zero, inf", func(i, vocab int, _ float32) float32 {
		switch {
		case i == vocab-1:
			return infinity
		case i%3 == 0:
			return float32(math.Copysign(0, -1))
		}
		return 0
	}},
}

func (b *bench) topK(vocab, k, outputs int) error {
	b.inputs(Step{Outputs: uint32(outputs)}, nil)
	t := NewTopK(b.device, b.tuning, vocab)
	logits := b.normals(outputs * vocab)
	for i, normal := range logits {
		logits[i] = topKRows[i/vocab%len(topKRows)].logit(i%vocab, vocab, normal)
	}
	capacity := t.Capacity(k)
	a := TopKArgs{Step: b.step, Logits: b.rows("logits", logits, vocab), Y: b.buffer("y", make([]byte, outputs*capacity*8))}
	if n := TopKCandidateBytes(vocab); n > 0 {
		a.Candidates = b.buffer("candidates", make([]byte, outputs*n))
	}
	if err := t.Warm(k); err != nil {
		return err
	}
	got, err := b.submit(a.Y, outputs*capacity*8, func(p *gpu.Pass) { t.Run(p, outputs, k, a) })
	if err != nil {
		return err
	}
	for o := range outputs {
		row, name := logits[o*vocab:(o+1)*vocab], topKRows[o%len(topKRows)].name
		ids, values := DecodeTopK(got[o*capacity*8:], k)
		want := TopKRef(row, k)
		if len(ids) != len(want) {
			return fmt.Errorf("output %d (%s): %d candidates, want %d", o, name, len(ids), len(want))
		}
		for i, id := range want {
			if ids[i] != id || values[i] != row[id] {
				return fmt.Errorf("output %d (%s), place %d: (%d, %g), want (%d, %g)", o, name, i, ids[i], values[i], id, row[id])
			}
		}
	}
	return nil
}
