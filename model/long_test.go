package model_test

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"umbra/gpu/gputest"
	"umbra/model"
	"umbra/scheduler/batch"
	"umbra/shaders"
)

// chunks cuts n tokens into steps that end on, before and after edges of pages (16), of tiles (1, 4, 8, 32 and 64
// rows) and of attention splits (128), and that decode row by row across the edges from 128 to 512.
func chunks(n int) (rows []int) {
	at := 0
	take := func(sizes ...int) {
		for _, size := range sizes {
			if size = min(size, n-at); size > 0 {
				rows = append(rows, size)
				at += size
			}
		}
	}
	single := func(to int) {
		for at < min(to, n) {
			take(1)
		}
	}
	take(1, 2, 5, 16, 17, 33, 4, 3) // 81
	take(126 - at)
	single(131)
	take(64, 45, 8, 6)
	single(259) // from 254
	take(127, 94, 31)
	single(515) // from 511
	for _, size := range []int{127, 9, 1, 64, 65, 32, 3, 16, 8, 1, 1, 17} {
		take(size)
	}
	single(at + 20) // 20 rows cross a page wherever they start
	for at < n {
		take(100)
	}
	return rows
}

// TestLongSequence runs 540 tokens, with UMBRA_SOAK=1 1,000, in steps of all sizes over pages in random order, and compares all logits with the
// reference's at every position. f32 pages leave only the rounding of sums, 2e-5 on lavapipe, with room for adapters
// whose exp is less exact; f16 pages round keys and values to 11 bits, 1e-2 on lavapipe.
func TestLongSequence(t *testing.T) {
	f := open(t, "gopher-draft-4m-q8_0.gguf")
	r := rand.New(rand.NewPCG(5, 6))
	ids := make([]int32, 540)
	if soak {
		ids = make([]int32, 1000)
	}
	for i := range ids {
		ids[i] = int32(r.IntN(8192))
	}
	want := newReference(t, f).logits(ids, everywhere)
	for _, c := range []struct {
		name      string
		narrow    bool
		kv        model.KVType
		tolerance float64
		soak      bool
	}{
		{"narrow", true, model.F32, 2e-4, false},
		{"narrow f16", true, model.F16, 4e-2, true},
		{"wide", false, model.F32, 2e-4, true},
	} {
		if c.soak && !soak {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			m, err := model.NewTuned(gputest.Device(t), shaders.Tuning{Narrow: c.narrow}, f,
				model.Options{Sequences: 1, BatchTokens: 127, Outputs: 127, Blocks: 70, Context: 1024, KVType: c.kv})
			require.NoError(t, err)
			defer m.Release()
			var blocks []int32
			for _, b := range r.Perm(70)[:(len(ids)+15)/16] {
				blocks = append(blocks, int32(b))
			}
			var got [][]float32
			for _, rows := range chunks(len(ids)) {
				out, err := m.Run(sequence(ids[:len(got)+rows], len(got), blocks, batch.WantLogits))
				require.NoError(t, err)
				require.Len(t, out, rows)
				for _, o := range out {
					got = append(got, o.Logits)
				}
			}
			matches(t, got, want, c.tolerance)
		})
	}
}
