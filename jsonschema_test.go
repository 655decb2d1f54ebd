package umbra_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"umbra"
	"umbra/scheduler"
	"umbra/scheduler/sample"
)

// answerSchemas are of kinds that programs ask for; texts are bounded, so that answers end.
var answerSchemas = []string{
	`{"type": "object", "properties": {"name": {"type": "string", "maxLength": 12}, "age": {"type": "integer", "minimum": 0, "maximum": 120}}, "required": ["name", "age"], "additionalProperties": false}`,
	`{"type": "array", "items": {"enum": ["red", "green", "blue"]}, "minItems": 1, "maxItems": 4}`,
	`{"type": "object", "properties": {"kind": {"const": "point"}, "x": {"type": "integer", "minimum": -999, "maximum": 999}, "y": {"type": ["integer", "null"], "minimum": 0, "maximum": 9}}, "required": ["kind", "x"], "additionalProperties": false}`,
	`{"anyOf": [{"type": "boolean"}, {"type": "string", "minLength": 2, "maxLength": 6}, {"type": "null"}]}`,
	`{"$ref": "#/$defs/node", "$defs": {"node": {"type": "object", "properties": {"value": {"type": "integer", "minimum": 0, "maximum": 99}, "next": {"anyOf": [{"type": "null"}, {"$ref": "#/$defs/leaf"}]}}, "required": ["value", "next"], "additionalProperties": false},
		"leaf": {"type": "object", "properties": {"value": {"type": "boolean"}}, "required": ["value"], "additionalProperties": false}}}`,
	`{"type": "string", "format": "date"}`,
	`{"type": "string", "format": "uuid"}`,
	`{"type": "array", "prefixItems": [{"type": "integer", "minimum": 1, "maximum": 3}, {"type": "string", "maxLength": 5}], "items": {"type": "boolean"}, "minItems": 2, "maxItems": 3}`,
	`{"type": "object", "properties": {"tags": {"type": "array", "items": {"type": "string", "maxLength": 4}, "maxItems": 3}, "done": {"type": "boolean"}}, "required": ["done"], "additionalProperties": false}`,
	`{"type": "object", "properties": {"a": {"type": "object", "properties": {"b": {"type": "array", "items": {"type": "array", "items": {"enum": [1, "two", null]}, "maxItems": 2}, "maxItems": 2}}, "required": ["b"], "additionalProperties": false}}, "required": ["a"], "additionalProperties": false}`,
}

// TestJSONSchema: what is drawn at temperature 1.5 is JSON that its schema takes, alone, in batches of 8, and with proposals; 20 answers a schema with
// UMBRA_SOAK=1.
func TestJSONSchema(t *testing.T) {
	schemas, answers := answerSchemas[:3], 1
	if soak {
		schemas, answers = answerSchemas, 20
	}
	var requests []umbra.Request
	for _, s := range schemas {
		for n := range answers {
			hot := sample.Neutral()
			hot.Temperature, hot.Seed = 1.5, uint64(n)
			requests = append(requests, umbra.Request{Prompt: "package main\n\nvar x = ", JSONSchema: s, MaxTokens: 200, Sampling: hot})
		}
	}
	for _, c := range []struct {
		sequences int
		by        umbra.Proposer
		soak      bool
	}{{1, umbra.NoProposals, true}, {8, umbra.NoProposals, false}, {1, umbra.ByText, true}, {8, umbra.ByDraft, false}} {
		if c.soak && !soak {
			continue
		}
		t.Run(fmt.Sprintf("%d at once, %v", c.sequences, c.by), func(t *testing.T) {
			o := umbra.Options{Context: 256, Sequences: c.sequences, Speculation: umbra.Speculation{By: c.by, Always: c.by != umbra.NoProposals}}
			if c.by == umbra.ByDraft {
				o.Speculation.Draft = draftModel(t)
			}
			e := open(t, subject(), o)
			for i, got := range e.Batch(context.Background(), requests) {
				require.NoError(t, got.Err, requests[i].JSONSchema)
				assert.Equal(t, scheduler.Complete, got.Result.Reason, "%q", got.Texts[0])
				valid(t, requests[i].JSONSchema, got.Texts[0])
			}
			require.NoError(t, e.Check())
		})
	}
	e := open(t, subject(), umbra.Options{Context: 64, Sequences: 1, Lazy: true})
	emit := func(umbra.Chunk) error { return nil }
	_, err := e.Generate(context.Background(), umbra.Request{Prompt: "x", JSONSchema: `{"multipleOf": 3}`}, emit)
	assert.ErrorContains(t, err, "#/multipleOf")
	_, err = e.Generate(context.Background(), umbra.Request{Prompt: "x", JSONSchema: `{}`, Grammar: `root ::= "x"`}, emit)
	assert.ErrorContains(t, err, "not to several")
}

// valid checks a text against a schema, by a library that knows nothing of grammars.
func valid(t *testing.T, schema, text string) {
	t.Helper()
	s, err := jsonschema.UnmarshalJSON(strings.NewReader(schema))
	require.NoError(t, err)
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	require.NoError(t, c.AddResource("schema.json", s))
	compiled, err := c.Compile("schema.json")
	require.NoError(t, err)
	v, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
	if assert.NoError(t, err, "%q", text) {
		assert.NoError(t, compiled.Validate(v), "%q", text)
	}
}
