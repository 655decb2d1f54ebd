package model_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"umbra/gpu/gputest"
	"umbra/model"
	"umbra/shaders"
)

// argmax is the likeliest token of each row.
func argmax(rows [][]float32) (ids []int) {
	for _, r := range rows {
		best := 0
		for i, v := range r {
			if v > r[best] {
				best = i
			}
		}
		ids = append(ids, best)
	}
	return ids
}

// everyCandidate are choices that have, for each class of rows, the nth candidate for the nth product, but never the first.
func everyCandidate(p model.Plan, first int) shaders.Choices {
	c := shaders.Choices{}
	for i, s := range p.Products() {
		for _, rows := range []int{1, 7, 48} {
			names := s.Candidates(rows)
			c.Set(s.Product(), shaders.RowClass(rows), names[1+(first+i)%(len(names)-1)])
		}
	}
	return c
}

// TestChoices runs wide kernels by choices that are no defaults: logits stay within TestArchitectures' tolerance of llama.cpp's, the
// likeliest tokens are the same, and the kernels chosen did run.
func TestChoices(t *testing.T) {
	if !soak {
		t.Skip("compiling takes most of a minute: UMBRA_SOAK=1 runs it; package shaders has each candidate alone")
	}
	d := gputest.Device(t)
	for i, name := range []string{"llama3-scaled", "qwen2"} {
		t.Run(name, func(t *testing.T) {
			f := open(t, "oracle/arch/"+name+".gguf")
			o := model.Options{Sequences: 1, BatchTokens: 48, Outputs: 48, Blocks: 4, Context: 64}
			plain, err := model.NewTuned(d, shaders.Tuning{}, f, o)
			require.NoError(t, err)
			defer plain.Release()
			choices := everyCandidate(plain.Plan(), i)
			m, err := model.NewTuned(d, shaders.Tuning{Choices: choices}, f, o)
			require.NoError(t, err)
			defer m.Release()
			var all []oracle
			readJSON(t, "arch/"+name+".json", &all)
			ids := all[0].IDs
			before := len(d.Kernels())
			var want [][]float32
			for _, chunk := range []int{48, 7, 1} {
				want = logits(t, plain, ids, chunk)
			}
			middle := len(d.Kernels())
			for _, chunk := range []int{48, 7, 1} {
				got := logits(t, m, ids, chunk)
				all[0].check(t, got, 5e-5)
				assert.Equal(t, argmax(want), argmax(got), "chunks of %d", chunk)
			}
			t.Logf("%d kernels of defaults, %d of choices", middle-before, len(d.Kernels())-middle)
			assert.Greater(t, len(d.Kernels())-middle, 5)
		})
	}
}
