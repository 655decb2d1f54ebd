package umbra_test

import (
	"context"
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"umbra"
	"umbra/scheduler"
	"umbra/scheduler/grammar"
	"umbra/scheduler/sample"
)

const pointGrammar = `root ::= "{\"name\": \"" [a-zA-Z ]{1,12} "\", \"x\": " number ", \"y\": " number "}"
number ::= "-"? ("0" | [1-9] [0-9]{0,3})
`

// TestGrammar: answers at a high temperature keep to the grammar, beside others that have none and are as they are alone; bad grammars are refused.
func TestGrammar(t *testing.T) {
	e := open(t, subject(), umbra.Options{Sequences: 4})
	ctx := context.Background()
	hot := sample.Neutral()
	hot.Temperature = 1.5
	free := umbra.Request{Prompt: "func main() {", MaxTokens: 8}
	alone := e.Batch(ctx, []umbra.Request{free})
	require.NoError(t, alone[0].Err)
	requests := []umbra.Request{free}
	for seed := range uint64(6) {
		hot.Seed = seed
		requests = append(requests, umbra.Request{Prompt: "func", Grammar: pointGrammar, MaxTokens: 100, Sampling: hot})
	}
	requests = append(requests, umbra.Request{Prompt: "x := ", Grammar: pointGrammar, MaxTokens: 100})
	for i, c := range e.Batch(ctx, requests) {
		require.NoError(t, c.Err)
		if i == 0 {
			assert.Equal(t, alone[0].Texts, c.Texts)
			continue
		}
		var point struct {
			Name string
			X, Y int
		}
		assert.NoError(t, json.Unmarshal([]byte(c.Texts[0]), &point), "%q", c.Texts[0])
		assert.Equal(t, scheduler.Complete, c.Result.Reason)
	}
	_, err := e.Generate(ctx, umbra.Request{Prompt: "x", Grammar: `root ::= x`}, func(umbra.Chunk) error { return nil })
	var refused *grammar.Error
	require.ErrorAs(t, err, &refused)
	assert.ErrorContains(t, err, "refers to x, which is not defined")
}

// TestGrammarPreempted: in a pool that is too small, answers that are held to a grammar or a schema give way, come back, and are what each is alone: greedy, drawn, two
// of one prompt, and one that stops at a text.
func TestGrammarPreempted(t *testing.T) {
	hot := sample.Neutral()
	hot.Temperature, hot.Seed = 1.4, 5
	const lines = `root ::= ("x = append(x, " [0-9]{1,3} ")\n"){9,10}`
	requests := []umbra.Request{
		{Prompt: "func main() {\n", MaxTokens: 100, Grammar: lines},
		{Prompt: "var y = 1\n", MaxTokens: 100, Grammar: lines, Sampling: hot},
		{Prompt: "type T struct {\n", MaxTokens: 90, Grammar: lines, Sampling: hot, N: 2},
		{Prompt: "a := ", MaxTokens: 90, JSONSchema: `{"type": "array", "items": {"type": "string", "minLength": 5, "maxLength": 9}, "minItems": 12, "maxItems": 14}`, Sampling: hot},
		{Prompt: "for {\n", MaxTokens: 90, Grammar: `root ::= [a-z ]{60,200} "."`, Sampling: hot, Stop: []string{"ee"}},
	}
	o := umbra.Options{Context: 128, Sequences: 6, NoPrefixReuse: true}
	roomy := open(t, draft, o)
	var want []answer
	for _, r := range requests {
		a := generate(context.Background(), roomy, r)
		require.NoError(t, a.err)
		want = append(want, a)
	}
	for _, how := range []scheduler.Preemption{scheduler.Recompute, scheduler.Swap} {
		t.Run(how.String(), func(t *testing.T) {
			preempted := map[bool]int{}
			o := o
			o.Blocks, o.Preemption = 14, how
			e := open(t, draft, o)
			for i, a := range all(e, requests) {
				require.NoError(t, a.err)
				assert.Equal(t, want[i].tokens, a.tokens, "request %d", i)
				assert.Equal(t, want[i].text, a.text, "request %d", i)
				assert.Equal(t, want[i].Reason, a.Reason, "request %d", i)
				preempted[requests[i].Sampling.Temperature > 0] += a.Usage.Preemptions
			}
			assert.Positive(t, preempted[true], "of drawn answers")
			require.NoError(t, e.Check())
		})
	}
}
