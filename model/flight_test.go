package model_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"umbra/model"
	"umbra/model/gguf"
	"umbra/scheduler/batch"
)

// TestFlights: greedy tokens with each batch launched before the one that feeds it is over are those of one batch after
// the other. Sequences come in, in chunks, cross block edges, change places and leave; KV blocks are read in between. With UMBRA_SOAK=1 a
// model with a larger vocabulary, too.
func TestFlights(t *testing.T) {
	for _, c := range []struct {
		name string
		file *gguf.File
	}{
		{"qwen2", open(t, "oracle/arch/qwen2.gguf")},
		{"draft", open(t, "gopher-draft-4m-q8_0.gguf")},
	} {
		if c.name == "draft" && !soak {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			m := load(t, c.file, model.Options{Sequences: 3, BatchTokens: 24, Blocks: 12, Context: 64})
			want := decode(t, m, 1)
			assert.Equal(t, want, decode(t, m, 2))
			assert.NotEqual(t, want[0], want[1])
		})
	}
}

// decode gives three sequences 20 tokens each, with so many batches in flight at once.
func decode(t *testing.T, m *model.Model, depth int) (got [3][]int32) {
	prompts := [3][]int32{{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14}, {100, 90, 80}, {}}
	for i := range 30 {
		prompts[2] = append(prompts[2], int32(i*i%250))
	}
	tables := [3][]int32{{0, 1, 2, 3}, {7, 6, 5, 4}, {8, 10, 9, 11}}
	first := [3]int{0, 0, 3} // the batch in which each comes in
	var at [3]int            // rows launched
	type launched struct {
		flight *model.Flight
		of     []int // sequence of each output
	}
	var flying []launched
	place := map[int]int{} // output of a sequence in the latest batch
	land := func() {
		l := flying[0]
		flying = flying[1:]
		out, err := l.flight.Wait()
		require.NoError(t, err)
		require.True(t, l.flight.Done())
		require.Len(t, out, len(l.of))
		for i, q := range l.of {
			got[q] = append(got[q], out[i].Token)
		}
	}
	for n := 0; ; n++ {
		b, l, next := &batch.Batch{}, launched{}, map[int]int{}
		for i := range 3 {
			q := (i + n) % 3
			prompt := prompts[q]
			rows := 1
			if at[q] < len(prompt) {
				rows = min(9, len(prompt)-at[q])
			}
			if n < first[q] || at[q] == len(prompt)+19 {
				continue
			}
			s := batch.Sequence{ID: uint64(q), Start: len(b.Tokens), Rows: rows, Blocks: tables[q]}
			for p := at[q]; p < at[q]+rows; p++ {
				switch generated := p - len(prompt); {
				case generated < 0:
					b.Tokens = append(b.Tokens, prompt[p])
				case generated < len(got[q]):
					b.Tokens = append(b.Tokens, got[q][generated])
				default:
					b.Tokens = append(b.Tokens, ^int32(place[q]))
				}
				b.Positions = append(b.Positions, int32(p))
				b.Slots = append(b.Slots, tables[q][p/16]*16+int32(p%16))
			}
			if at[q] += rows; at[q] >= len(prompt) {
				s.Outputs = 1
				next[q] = len(l.of)
				l.of = append(l.of, q)
			}
			b.Sequences = append(b.Sequences, s)
		}
		if len(b.Tokens) == 0 {
			break
		}
		var err error
		l.flight, err = m.Launch(b)
		require.NoError(t, err)
		place = next
		if flying = append(flying, l); len(flying) == depth {
			land()
		}
		if n%4 == 0 { // what is on the device to feed the next stays there
			_, err := m.ReadBlocks([]int32{0, 7})
			require.NoError(t, err)
		}
	}
	for len(flying) > 0 {
		land()
	}
	return got
}

// TestFedByNothing: before any batch there is nothing to be fed from, and one without outputs leaves nothing.
func TestFedByNothing(t *testing.T) {
	m := load(t, open(t, "oracle/arch/qwen2.gguf"), model.Options{Sequences: 1, BatchTokens: 4, Blocks: 1, Context: 16})
	fed := sequence([]int32{5, 6, ^0}, 2, []int32{0}, batch.WantToken)
	_, err := m.Launch(fed)
	require.EqualError(t, err, "model: row 0 is fed by output 0 of the batch before, which has 0")
	b := sequence([]int32{5, 6}, 0, []int32{0}, batch.WantToken)
	b.Sequences[0].Outputs = 1
	_, err = m.Run(b)
	require.NoError(t, err)
	b.Sequences[0].Outputs = 0
	_, err = m.Run(b)
	require.NoError(t, err)
	_, err = m.Run(fed)
	require.EqualError(t, err, "model: row 0 is fed by output 0 of the batch before, which has 0")
}
