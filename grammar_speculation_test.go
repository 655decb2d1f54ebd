package umbra_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"umbra"
	"umbra/scheduler/sample"
)

// TestGrammarSpeculation: with proposals of a draft model, one request at a time, and of the text, all at once beside one without a grammar, greedy answers
// that are held to a grammar are the same to the token as without proposals; and draws are the same for the same seeds.
func TestGrammarSpeculation(t *testing.T) {
	certain := sample.Params{Temperature: 1, TopK: 1, TopP: 1, Penalty: 1, Seed: 3} // drawn, but without a choice
	hot := sample.Neutral()
	hot.Temperature, hot.Seed = 1.3, 11
	const list = `root ::= ("x = append(x, " [0-9]{1,3} ")\n"){4}`
	requests := []umbra.Request{
		{Prompt: "func main() {\n", MaxTokens: 24, Grammar: list},
		{Prompt: "func main() {\n", MaxTokens: 24},
		{Prompt: "x = append(x, 1)\nx = append(x, 2)\n", MaxTokens: 30, Grammar: list, Sampling: certain, N: 2},
		{Prompt: "point := ", MaxTokens: 30, Grammar: pointGrammar, Stop: []string{`"y"`}},
		{Prompt: "point := ", MaxTokens: 24, Grammar: pointGrammar, Sampling: hot, N: 2},
	}
	const drawn = 4 // with proposals draws are only as likely, not the same
	o := umbra.Options{Context: 128, Sequences: 6, BatchTokens: 32}
	plain := open(t, subject(), o)
	want := all(plain, requests)
	for _, a := range want {
		require.NoError(t, a.err)
	}
	require.NotContains(t, want[3].text, `"y"`)
	again := generate(context.Background(), plain, requests[drawn])
	require.NoError(t, again.err)
	assert.Equal(t, want[drawn].tokens, again.tokens, "same seeds, same tokens")
	require.NoError(t, plain.Close())
	for _, c := range []struct {
		name        string
		speculation umbra.Speculation
		alone       bool
	}{
		{"draft, alone", umbra.Speculation{By: umbra.ByDraft, Always: true}, true},
		{"text, together", umbra.Speculation{By: umbra.ByText, Always: true}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := o
			if c.speculation.By == umbra.ByDraft {
				c.speculation.Draft = draftModel(t)
			}
			o.Speculation = c.speculation
			e := open(t, subject(), o)
			var got []answer
			if c.alone {
				for _, r := range requests {
					got = append(got, generate(context.Background(), e, r))
				}
			} else {
				got = all(e, requests)
			}
			for i, a := range got {
				require.NoError(t, a.err)
				if i == drawn {
					continue
				}
				assert.Equal(t, want[i].tokens, a.tokens, "request %d", i)
				assert.Equal(t, want[i].Reason, a.Reason, "request %d", i)
			}
			assert.NotZero(t, e.Speculated().Accepted[0])
			require.NoError(t, e.Close())
		})
	}
}
