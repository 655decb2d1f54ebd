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
