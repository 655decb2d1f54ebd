package umbra

import (
	"encoding/json"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"umbra/model/chat"
	"umbra/scheduler/grammar"
	"umbra/scheduler/grammar/grammartest"
)

// TestCallRules: in the forms of several templates, texts without calls are held to nothing, calls to their functions' schemas.
func TestCallRules(t *testing.T) {
	tools := []json.RawMessage{
		json.RawMessage(`{"type": "function", "function": {"name": "weather", "strict": true, "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"], "additionalProperties": false}}}`),
		json.RawMessage(`{"type": "function", "function": {"name": "now"}}`),
		json.RawMessage(`{"type": "function", "function": {"name": "find", "parameters": {"type": "object", "properties": {"q": {"type": "string", "not": {}}}}}}`),
	}
	const city = `{"city": "Oslo"}`
	for name, c := range map[string]struct {
		call      func(name, arguments string) string
		next, end string // between calls where there may be several, and behind them
		whole     bool   // calls are a whole turn
	}{
		"hermes_tools": {func(n, a string) string {
			return "<tool_call>\n{\"name\": \"" + n + `", "arguments": ` + a + "}\n</tool_call>"
		}, "\n", "", false},
		"mistral_tools": {func(n, a string) string { return `{"name": "` + n + `", "arguments": ` + a + "}" }, ", ", "]", false},
		"llama_json":    {func(n, a string) string { return `{"name": "` + n + `", "parameters": ` + a + "}" }, "", "", true},
		"deepseek_like": {func(n, a string) string {
			return "<｜tool▁call▁begin｜>function<｜tool▁sep｜>" + n + "\n```json\n" + a + "\n```<｜tool▁call▁end｜>"
		}, "\n", "<｜tool▁calls▁end｜>", false},
	} {
		source, err := os.ReadFile("model/chat/testdata/templates/" + name + ".jinja")
		require.NoError(t, err)
		template, err := chat.New(string(source), chat.Options{})
		require.NoError(t, err)
		e := &Engine{template: func() (*chat.Template, error) { return template, nil }}
		conversation := chat.Conversation{Messages: []chat.Message{{Role: "user", Content: "x"}}, Tools: tools}
		begin := map[string]string{"mistral_tools": "[TOOL_CALLS][", "deepseek_like": "<｜tool▁calls▁begin｜>"}[name]

		free, err := e.OfferTools(conversation, ToolChoice{})
		require.NoError(t, err)
		assert.Empty(t, free.Lead+free.Begin)
		for text, want := range map[string]bool{
			"": true, "Hello there, {[<x>]}": true, "a < b, <tool, [TOOL, <<｜tool": true,
			begin + c.call("weather", city) + c.end:                                      true,
			begin + c.call("now", "{}") + c.end:                                          true,
			begin + c.call("find", `{"q": "b", "x": [1]}`) + c.end:                       true,
			begin + c.call("weather", `{"town": "Oslo"}`) + c.end:                        false,
			begin + c.call("weather", `{"city": 3}`) + c.end:                             false,
			begin + c.call("now", `{"x": 1}`) + c.end:                                    false,
			begin + c.call("time", "{}") + c.end:                                         false,
			begin + c.call("now", "{}") + c.end + " and then":                            false,
			"Let me see. " + begin + c.call("weather", city) + c.end:                     true, // text, to a model whose calls are whole turns
			"Let me see. " + begin + c.call("time", "{}") + c.end:                        c.whole,
			begin + c.call("weather", city) + c.next + c.call("now", "{}") + c.end:       c.next != "",
			begin + c.call("weather", city) + c.next + c.call("now", `{"a": 1}`) + c.end: false,
		} {
			assert.Equal(t, want, grammartest.Matches(t, grammartest.Compile(t, free.Calls.rules), text), "%s: %q", name, text)
		}

		must, err := e.OfferTools(conversation, ToolChoice{Required: true})
		require.NoError(t, err)
		require.NotEmpty(t, must.Begin)
		of := func(o Offer, text string) bool {
			if len(text) < len(o.Begin) || text[:len(o.Begin)] != o.Begin {
				return false
			}
			return grammartest.Matches(t, grammartest.Compile(t, o.Calls.rules), text[len(o.Begin):])
		}
		two := begin + c.call("weather", city) + c.next + c.call("now", "{}") + c.end
		assert.True(t, of(must, begin+c.call("weather", city)+c.end), name)
		assert.False(t, of(must, begin+c.call("weather", "{}")+c.end), name)
		assert.False(t, of(must, "Hello"), name)
		assert.Equal(t, c.next != "", of(must, two), name)

		one, err := e.OfferTools(conversation, ToolChoice{Required: true, One: true})
		require.NoError(t, err)
		assert.True(t, of(one, begin+c.call("now", "{}")+c.end), name)
		assert.False(t, of(one, two), name)

		named, err := e.OfferTools(conversation, ToolChoice{Required: true, Name: "weather"})
		require.NoError(t, err)
		assert.Contains(t, named.Begin, "weather")
		assert.True(t, of(named, begin+c.call("weather", city)+c.end), name)
		assert.False(t, of(named, begin+c.call("weather", `{"city": null}`)+c.end), name)
		assert.False(t, of(named, two), name)

		_, err = e.OfferTools(conversation, ToolChoice{Required: true, Name: "time"})
		assert.ErrorIs(t, err, ErrTools)
		conversation.Tools = []json.RawMessage{json.RawMessage(`{"type": "function", "function": {"name": "f", "strict": true, "parameters": {"type": "string", "not": {}}}}`)}
		_, err = e.OfferTools(conversation, ToolChoice{})
		var refused *grammar.Error
		assert.ErrorAs(t, err, &refused)
		assert.ErrorContains(t, err, "function f")
		conversation.Tools = nil
		nothing, err := e.OfferTools(conversation, ToolChoice{})
		require.NoError(t, err)
		assert.Zero(t, nothing)
		_, err = e.OfferTools(conversation, ToolChoice{Required: true})
		assert.ErrorIs(t, err, ErrTools)
	}
}
