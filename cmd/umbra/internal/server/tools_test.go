package server

import (
	"context"
	"encoding/json"
	"testing"

	"github.com/openai/openai-go/v3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"umbra/internal/parrot"
)

func chosen(how string) openai.ChatCompletionToolChoiceOptionUnionParam {
	return openai.ChatCompletionToolChoiceOptionUnionParam{OfAuto: openai.String(how)}
}

// bothWays is the first choice of an answer in one piece, and of one that is streamed.
func bothWays(t *testing.T, client openai.Client, ask openai.ChatCompletionNewParams) [2]openai.ChatCompletionChoice {
	t.Helper()
	ctx := context.Background()
	whole, err := client.Chat.Completions.New(ctx, ask)
	require.NoError(t, err)
	stream := client.Chat.Completions.NewStreaming(ctx, ask)
	var all openai.ChatCompletionAccumulator
	for stream.Next() {
		all.AddChunk(stream.Current())
	}
	require.NoError(t, stream.Err())
	return [2]openai.ChatCompletionChoice{whole.Choices[0], all.Choices[0]}
}

// TestToolChoice: none, auto, required and a function by name, whole and streamed.
func TestToolChoice(t *testing.T) {
	client, _ := serve(t, parroting(t), Options{})
	ctx := context.Background()
	two := append(append([]openai.ChatCompletionToolUnionParam{}, weather...), openai.ChatCompletionFunctionTool(openai.FunctionDefinitionParam{Name: "now"}))
	for _, c := range []struct {
		name   string
		tools  []openai.ChatCompletionToolUnionParam
		choice openai.ChatCompletionToolChoiceOptionUnionParam
		text   string
		called bool
	}{
		{"none", weather, chosen("none"), parrot.Greeting, false},
		{"auto", weather, chosen("auto"), "Let me see.", true},
		{"required", two, chosen("required"), "", true},
		{"required of one", weather, chosen("required"), "", true},
		{"named", two, openai.ToolChoiceOptionFunctionToolChoice(openai.ChatCompletionNamedToolChoiceFunctionParam{Name: parrot.Named}), "", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			ask := openai.ChatCompletionNewParams{Model: "parrot", Messages: hello, Tools: c.tools, ToolChoice: c.choice, Temperature: openai.Float(0), ParallelToolCalls: openai.Bool(false)}
			check := func(m openai.ChatCompletionMessage, why string) {
				assert.Equal(t, c.text, m.Content)
				if !c.called {
					assert.Empty(t, m.ToolCalls)
					assert.Equal(t, "stop", why)
					return
				}
				require.Len(t, m.ToolCalls, 1)
				assert.Equal(t, parrot.Named, m.ToolCalls[0].Function.Name)
				assert.JSONEq(t, parrot.Arguments, m.ToolCalls[0].Function.Arguments)
				assert.NotEmpty(t, m.ToolCalls[0].ID)
				assert.Equal(t, "tool_calls", why)
			}
			for _, c := range bothWays(t, client, ask) {
				check(c.Message, c.FinishReason)
			}
		})
	}
	for _, c := range []struct {
		name   string
		tools  []openai.ChatCompletionToolUnionParam
		choice openai.ChatCompletionToolChoiceOptionUnionParam
		want   string
	}{
		{"no tools", nil, chosen("required"), "tools has none"},
		{"another name", weather, openai.ToolChoiceOptionFunctionToolChoice(openai.ChatCompletionNamedToolChoiceFunctionParam{Name: "time"}), "function time is to be called"},
		{"another word", weather, chosen("any"), `tool_choice "any" is not supported`},
	} {
		_, err := client.Chat.Completions.New(ctx, openai.ChatCompletionNewParams{Model: "parrot", Messages: hello, Tools: c.tools, ToolChoice: c.choice})
		var known *openai.Error
		require.ErrorAs(t, err, &known, c.name)
		assert.Equal(t, 400, known.StatusCode, c.name)
		assert.Equal(t, "tool_choice", known.Param, c.name)
		assert.Contains(t, known.Message, c.want, c.name)
	}
}

// TestStrictTools: whatever is drawn, the arguments of calls are what the functions' schemas say, of strict functions where a call may come, of all where
// one must; whole and streamed.
func TestStrictTools(t *testing.T) {
	client, _ := serve(t, parroting(t), Options{})
	schema := func(strict bool) openai.FunctionDefinitionParam {
		return openai.FunctionDefinitionParam{Name: parrot.Named, Strict: openai.Bool(strict), Parameters: map[string]any{"type": "object", "additionalProperties": false, "required": []string{"zone", "days"},
			"properties": map[string]any{"zone": map[string]any{"enum": []string{"north", "south"}}, "days": map[string]any{"type": "integer", "minimum": 1, "maximum": 14}}}}
	}
	now := openai.ChatCompletionFunctionTool(openai.FunctionDefinitionParam{Name: "now"})
	for _, c := range []struct {
		name   string
		strict bool
		tools  []openai.ChatCompletionToolUnionParam
		choice openai.ChatCompletionToolChoiceOptionUnionParam
		heat   float64
	}{
		{"auto", true, nil, chosen("auto"), 0},
		{"required", false, nil, chosen("required"), 2},
		{"required of two", false, []openai.ChatCompletionToolUnionParam{now}, chosen("required"), 2},
		{"named", true, []openai.ChatCompletionToolUnionParam{now}, openai.ToolChoiceOptionFunctionToolChoice(openai.ChatCompletionNamedToolChoiceFunctionParam{Name: parrot.Named}), 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			for seed := range int64(3) {
				ask := openai.ChatCompletionNewParams{Model: "parrot", Messages: hello, Tools: append(c.tools, openai.ChatCompletionFunctionTool(schema(c.strict))), ToolChoice: c.choice,
					Temperature: openai.Float(c.heat), Seed: openai.Int(seed), ParallelToolCalls: openai.Bool(false)}
				check := func(m openai.ChatCompletionMessage, why string) {
					t.Helper()
					assert.Equal(t, "tool_calls", why)
					require.Len(t, m.ToolCalls, 1, m.Content)
					call := m.ToolCalls[0].Function
					if call.Name == "now" && len(c.tools) > 0 {
						assert.JSONEq(t, "{}", call.Arguments)
						return
					}
					require.Equal(t, parrot.Named, call.Name)
					assert.Regexp(t, `^\{"days":([1-9]|1[0-4]),"zone":"(north|south)"\}$`, call.Arguments)
				}
				both := bothWays(t, client, ask)
				for _, c := range both {
					check(c.Message, c.FinishReason)
				}
				assert.Equal(t, both[0].Message.ToolCalls[0].Function.Arguments, both[1].Message.ToolCalls[0].Function.Arguments, "the same seed")
			}
		})
	}
}

// TestFields: what is not supported is refused, and what asks for nothing is not.
func TestFields(t *testing.T) {
	_, url := serve(t, parroting(t), Options{})
	for body, want := range map[string]string{
		`"verbosity": "low"`:        "verbosity is not supported",
		`"store": true`:             "store is not supported",
		`"web_search_options": 1`:   "web_search_options is not supported",
		`"reasoning_effort": "low"`: "knows no reasoning_effort", `"modalities": ["text", "audio"]`: "writes text only",
		`"stream_options": {"include_usage": true}`:              "for answers with stream",
		`"stream": true, "stream_options": {"chunks": 3}`:        "chunks is not supported",
		`"top_logprobs": 3`:                                      "for answers with logprobs",
		`"tools": [{"type": "custom", "custom": {"name": "x"}}]`: "only function is supported",
		`"tools": [{"type": "function", "function": {}}]`:        "no function name",
		`"tools": [{"type": "function", "function": {"name": "f", "strict": true, "parameters": {"type": "string", "not": {}}}}]`: "function f: jsonschema: #/not",
		`"response_format": {"type": "json_schema"}`: "json_schema",
		`"mirostat": 1`:                  "mirostat 1 is not supported",
		`"add_generation_prompt": false`: "either an answer is begun",
		`"continue_final_message": true, "add_generation_prompt": false`: "only text of the assistant",
	} {
		status, answer := post(t, url+"/v1/chat/completions", `{"messages": [{"role": "user", "content": "x"}], `+body+`}`)
		assert.Equal(t, 400, status, body)
		assert.Contains(t, answer, want, body)
	}
	status, answer := post(t, url+"/v1/chat/completions", `{"messages": [{"role": "user", "content": "x", "function_call": {"name": "f"}}]}`)
	assert.Equal(t, 400, status)
	assert.Contains(t, answer, "function_call is not supported")
	status, answer = post(t, url+"/v1/chat/completions", `{"messages": [{"role": "user", "content": [{"type": "text", "text": "x"}], "refusal": null, "audio": null, "annotations": []}], "temperature": 0, "user": "me",
		"metadata": {"a": "b"}, "service_tier": "auto", "store": false, "audio": null, "web_search_options": {}, "response_format": {"type": "text"}, "modalities": ["text"], "cache_prompt": true}`)
	assert.Equal(t, 200, status, answer)
	assert.Contains(t, answer, parrot.Greeting)
}

// TestContinue: an answer that is begun already goes on from there.
func TestContinue(t *testing.T) {
	_, url := serve(t, parroting(t), Options{})
	_, answer := post(t, url+"/v1/chat/completions", `{"messages": [{"role": "user", "content": "x"}, {"role": "assistant", "content": "Hello, dear"}], "temperature": 0,
		"add_generation_prompt": false, "continue_final_message": true}`)
	var got struct {
		Choices []struct{ Message struct{ Content string } }
	}
	require.NoError(t, json.Unmarshal([]byte(answer), &got))
	require.Len(t, got.Choices, 1, answer)
	assert.Equal(t, " friend indeed.", got.Choices[0].Message.Content)
	_, answer = post(t, url+"/apply-template", `{"messages": [{"role": "user", "content": "x"}]}`)
	assert.JSONEq(t, `{"prompt": "<|user|>x<|end|><|talk|>"}`, answer)
	_, answer = post(t, url+"/tokenize", `{"messages": [{"role": "user", "content": "x"}], "with_pieces": true}`)
	assert.Contains(t, answer, `"count":4`)
	assert.Contains(t, answer, `"piece":"\u003c|talk|\u003e"`)
}
