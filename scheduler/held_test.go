package scheduler

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"umbra/scheduler/batch"
	"umbra/scheduler/grammar"
	"umbra/scheduler/sample"
)

// heldTo makes a grammar for a vocabulary of which token i is the i-th letter, and 7 ends a text.
func heldTo(t *testing.T, source string) *grammar.Grammar {
	t.Helper()
	rules, err := grammar.Parse(source)
	require.NoError(t, err)
	g, err := grammar.Compile(rules, grammar.NewVocabulary(8, func(id int32) []byte {
		if id == 7 {
			return nil
		}
		return []byte{'a' + byte(id)}
	}))
	require.NoError(t, err)
	return g
}

// favouring gives each output row logits by which 7 is the likeliest, then 6 and so on.
func favouring(b *batch.Batch) (out []batch.Output) {
	for range b.Outputs() {
		out = append(out, batch.Output{Token: 7, Logits: []float32{0, 1, 2, 3, 4, 5, 6, 7}, TopIDs: []int32{7}, TopLogits: []float32{7}})
	}
	return out
}

// TestHeld: the likeliest token that fits is taken, stop tokens where the text may end, and a text that nothing can follow ends; requests without a
// grammar in the same steps are what they are alone.
func TestHeld(t *testing.T) {
	for _, c := range []struct {
		name, source string
		stop         []int32
		most         int
		sampling     sample.Params
		want         string
		reason       Reason
	}{
		{"complete", `root ::= "ab" [a-c]`, []int32{7}, 9, sample.Params{}, "abc", Complete},
		{"may end", `root ::= "a" [b-d]*`, []int32{7}, 9, sample.Params{}, "a", StopToken},
		{"no stop token", `root ::= "a" [b-d]*`, nil, 4, sample.Params{}, "addd", Length},
		{"sampled", `root ::= "e" "d" "c"`, []int32{7}, 9, sample.Neutral(), "edc", Complete},
		{"biased", `root ::= [ab]`, []int32{7}, 9, sample.Params{Bias: map[int32]float64{0: 9}}, "a", Complete},
		{"nothing fits", `root ::= "a" "z"`, []int32{7}, 9, sample.Params{}, "a", Failed},
	} {
		s, err := New(Config{BlockSize: 4, Blocks: 32, MaxBatchTokens: 8, MaxSequences: 4, Context: 64, Vocabulary: 8,
			Piece: func(id int32) []byte { return []byte{'a' + byte(id)} }})
		require.NoError(t, err)
		held, err := s.Add(Request{Prompt: []int32{1, 2}, MaxTokens: c.most, StopTokens: c.stop, Sampling: c.sampling, Grammar: heldTo(t, c.source)})
		require.NoError(t, err)
		free, err := s.Add(Request{Prompt: []int32{1}, MaxTokens: 3})
		require.NoError(t, err)
		texts, reasons := map[uint64]string{}, map[uint64]Reason{}
		for b := s.Next(); b != nil; b = s.Next() {
			events, err := s.Commit(b, favouring(b))
			require.NoError(t, err)
			for _, e := range events {
				texts[e.ID] += string(e.Text)
				reasons[e.ID] = e.Reason
				if e.Err != nil {
					assert.ErrorContains(t, e.Err, "no token of the vocabulary", c.name)
				}
			}
		}
		assert.Equal(t, c.want, texts[held], c.name)
		assert.Equal(t, c.reason, reasons[held], c.name)
		assert.Equal(t, "hhh", texts[free], c.name)
		require.NoError(t, s.Check())
	}
}

// TestHeldRefused: what a grammar does not go with.
func TestHeldRefused(t *testing.T) {
	s, err := New(Config{BlockSize: 4, Blocks: 32, MaxBatchTokens: 8, MaxSequences: 4, Context: 64, Vocabulary: 9})
	require.NoError(t, err)
	_, err = s.Add(Request{Prompt: []int32{1}, Grammar: heldTo(t, `root ::= "a"`)})
	assert.ErrorContains(t, err, "the grammar is for a vocabulary of 8, the model has 9")
	_, err = s.Add(Request{Prompt: []int32{1}, Beams: 2, Grammar: heldTo(t, `root ::= "a"`)})
	assert.Error(t, err)
}
