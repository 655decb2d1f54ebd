package chat

import (
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func template(t testing.TB, name string) *Template {
	t.Helper()
	source, err := os.ReadFile("testdata/templates/" + name + ".jinja")
	require.NoError(t, err)
	tmpl, err := New(string(source), Options{BOS: "<s>", EOS: "</s>"})
	require.NoError(t, err)
	return tmpl
}

// conversation is the case "tools" of testdata/cases.json.
func conversation() Conversation {
	return Conversation{
		Messages: []Message{
			{Role: "system", Content: "You call functions."},
			{Role: "user", Content: "Weather in Oslo and Rome?"},
			{Role: "assistant", ToolCalls: []ToolCall{
				{"call00001", "weather", `{"city": "Oslo", "days": 2, "ratio": 0.5, "deep": {"b": [1, 2.0, null], "a": true}}`},
				{"call00002", "weather", `{"city": "Rome \"EUR\"", "days": 1e20}`}}},
			{Role: "tool", ToolCallID: "call00001", Name: "weather", Content: `{"t": -3}`},
			{Role: "tool", ToolCallID: "call00002", Name: "weather", Content: "17 °C"},
			{Role: "assistant", Content: "Cold and warm."},
			{Role: "user", Content: "And tomorrow?"},
		},
		Tools: []json.RawMessage{
			json.RawMessage(`{"type": "function", "function": {"name": "weather", "description": "Get the <weather> & more.\nTwo lines.", "parameters": {"type": "object", "properties": {"zone": {"type": "string", "enum": ["a", "b"], "description": "A zone"}, "city": {"type": "string"}, "days": {"type": "integer", "default": 1}, "tags": {"type": "array", "items": {"type": "string"}}}, "required": ["city"]}, "return": {"type": "string"}}}`),
			json.RawMessage(`{"type": "function", "function": {"name": "now", "description": "Tells the time", "parameters": {"type": "object", "properties": {}}}}`),
		},
		Generate: true,
		More:     map[string]json.RawMessage{"date_string": json.RawMessage(`"1 Jan 2024"`)},
		Now:      time.Date(2025, 3, 7, 9, 5, 2, 0, time.UTC),
	}
}

// TestRender: messages of Go give templates what messages of JSON do.
func TestRender(t *testing.T) {
	var goldens map[string]struct{ Text, Error string }
	data, err := os.ReadFile("testdata/goldens.json")
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(data, &goldens))
	for _, name := range []string{"hermes_tools", "mistral_tools", "deepseek_like", "typescript_tools", "generation", "macros"} {
		got, err := template(t, name).Render(conversation())
		require.NoError(t, err, name)
		require.Equal(t, goldens[name+"/tools"].Text, got, name)
	}
	_, err = template(t, "llama_json").Render(conversation())
	var raised *Exception
	require.True(t, errors.As(err, &raised))
	require.EqualError(t, err, "chat: the template refuses: This model only supports single tool-calls at once!")
	c := conversation()
	c.Messages[2].ToolCalls[0].Arguments = "{"
	_, err = template(t, "hermes_tools").Render(c)
	require.ErrorContains(t, err, "the arguments of the call of weather are no JSON")
}

// TestArgumentsAsText: a template that joins arguments to text gets them as text.
func TestArgumentsAsText(t *testing.T) {
	joins, err := New(`{% for m in messages %}{% for c in m.tool_calls or [] %}{{ c.function.name + '(' + c.function.arguments + ')' }}{% endfor %}{% endfor %}`, Options{})
	require.NoError(t, err)
	require.True(t, joins.stringly)
	got, err := joins.Render(conversation())
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(got, `weather({"city": "Oslo", "days": 2,`), got)
	require.False(t, template(t, "hermes_tools").stringly)
	require.False(t, template(t, "mistral_tools").stringly)
	require.False(t, template(t, "chatml").stringly, "it shows no calls")
}

func TestErrors(t *testing.T) {
	for source, want := range map[string]string{
		"a\n{% if x %}":                          `chat: template line 2: no endif`,
		"{% for x in y %}{% endif %}":            `no endfor, but "endif"`,
		"{{ a b }}":                              `unexpected "b"`,
		"{{ 'a }}":                               `a text has no end`,
		"{{ a":                                   `a tag has no end }}`,
		"{# a":                                   `a comment has no end`,
		"{% raw %}":                              `no endraw`,
		"{{ x | nonsense }}":                     `no filter named "nonsense"`,
		"{{ x is nonsense }}":                    `no test named "nonsense"`,
		"{% include 'x' %}":                      `statement "include" is not supported`,
		"{% for x in y recursive %}{% endfor %}": `a recursive for is not supported`,
		"{% endif %}":                            `unexpected endif`,
		"{{ }}":                                  `unexpected "end of the tag"`,
		"{{ a ? b }}":                            `unexpected '?'`,
	} {
		_, err := New(source, Options{})
		require.ErrorContains(t, err, want, source)
	}
	for source, want := range map[string]string{
		"{{ none.x() }}":                      "'NoneType' object has no attribute 'x' to call",
		"{{ missing.x.y }}":                   "is undefined",
		"{{ 1 + 'a' }}":                       "unsupported operand",
		"{{ messages[0].content.split('') }}": "empty separator",
		"{{ range(1000000) }}":                "more than 100000",
		"{{ 'x' * 100000000 }}":               "too long",
		"{{ f() }}":                           "not callable",
		"{{ 1 // 0 }}":                        "division by zero",
		"{% set messages.x = 1 %}":            "non-namespace",
		"{{ 'x'.replace() }}":                 "replace expected at least 2",
		"{% for a, b in [[1]] %}{% endfor %}": "cannot unpack 1 values into 2",
		"{{ 'x' | attr }}":                    "chat: template",
	} {
		tmpl, err := New(source, Options{})
		require.NoError(t, err, source)
		_, err = tmpl.Render(Conversation{Messages: []Message{{Role: "user", Content: "x"}}})
		require.ErrorContains(t, err, want, source)
	}
}

func TestParseCalls(t *testing.T) {
	weather := ToolCall{Name: "weather", Arguments: `{"city":"Oslo"}`}
	now := ToolCall{Name: "now", Arguments: `{}`}
	for _, c := range []struct {
		template, answer, text string
		calls                  []ToolCall
	}{
		{"hermes_tools", "Let me see.\n<tool_call>\n{\"name\": \"weather\", \"arguments\": {\"city\": \"Oslo\"}}\n</tool_call>\n<tool_call>\n{\"name\": \"now\", \"arguments\": {}}\n</tool_call>", "Let me see.", []ToolCall{weather, now}},
		{"hermes_tools", `<tool_call>{"name": "weather", "arguments": "{\"city\": \"Oslo\"}"}`, "", []ToolCall{weather}},
		{"hermes_tools", "<tool_call>{\"name\": broken}</tool_call> x", "<tool_call>{\"name\": broken}</tool_call> x", nil},
		{"hermes_tools", `<tool_call>oops</tool_call><tool_call>{"name": "now", "arguments": {}}</tool_call>`, "<tool_call>oops</tool_call>", []ToolCall{now}},
		{"hermes_tools", "Plain {\"name\": 1}", "Plain {\"name\": 1}", nil},
		{"llama_json", `{"name": "weather", "parameters": {"city": "Oslo"}}`, "", []ToolCall{weather}},
		{"llama_json", `<|python_tag|>{"name": "weather", "parameters": {"city": "Oslo"}}; {"name": "now", "parameters": {}}`, "", []ToolCall{weather, now}},
		{"llama_json", `The JSON is {"name": "weather", "parameters": {}}`, `The JSON is {"name": "weather", "parameters": {}}`, nil},
		{"llama_json", `{"name": "weather"}`, `{"name": "weather"}`, nil},
		{"mistral_tools", `[TOOL_CALLS][{"name": "weather", "arguments": {"city": "Oslo"}, "id": "abc123def"}, {"name": "now", "arguments": {}}]`, "", []ToolCall{{"abc123def", "weather", `{"city":"Oslo"}`}, now}},
		{"mistral_tools", `Hm.[TOOL_CALLS]weather[ARGS]{"city": "Oslo"}[TOOL_CALLS]now[CALL_ID]abc[ARGS]{}`, "Hm.", []ToolCall{weather, {"abc", "now", "{}"}}},
		{"mistral_tools", `[TOOL_CALLS] oops`, `[TOOL_CALLS] oops`, nil},
		{"deepseek_like", "Hm.<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>weather\n```json\n{\"city\": \"Oslo\"}\n```<｜tool▁call▁end｜>\n<｜tool▁call▁begin｜>function<｜tool▁sep｜>now\n```json\n{}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>", "Hm.", []ToolCall{weather, now}},
		{"deepseek_like", "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>now<｜tool▁sep｜>{}", "", []ToolCall{now}},
		{"deepseek_like", "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>now\n{}", "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>now\n{}", nil},
		{"typescript_tools", "```json\n{\"name\": \"weather\", \"arguments\": {\"city\": \"Oslo\"}}\n```", "", []ToolCall{weather}},
		{"typescript_tools", `[{"type": "function", "function": {"name": "now", "arguments": "{}"}}]`, "", []ToolCall{now}},
		{"typescript_tools", `{"answer": 42}`, `{"answer": 42}`, nil},
	} {
		text, calls := template(t, c.template).ParseCalls(c.answer)
		require.Equal(t, c.text, text, c.answer)
		require.Equal(t, c.calls, calls, c.answer)
	}
	for name, want := range map[string]Format{"hermes_tools": TagJSON, "llama_json": Llama, "mistral_tools": Mistral, "typescript_tools": JSONObject, "deepseek_like": DeepSeek, "chatml": NoTools} {
		require.Equal(t, want, template(t, name).Format(), name)
	}
}

// TestCallForm: how calls are written is what the template itself writes, and what is written so is read back.
func TestCallForm(t *testing.T) {
	c := conversation()
	c.Messages = c.Messages[:2]
	forms := map[string]CallForm{
		"hermes_tools":  {Lead: "<think>\n\n</think>\n\n", Begin: "<tool_call>\n{\"name\": \"", Middle: `", "arguments": `, End: "}\n</tool_call>", Next: "\n<tool_call>\n{\"name\": \"", Mark: "<tool_call>"},
		"mistral_tools": {Begin: `[TOOL_CALLS][{"name": "`, Middle: `", "arguments": `, End: "}", Next: `, {"name": "`, Close: "]", Mark: "[TOOL_CALLS]"},
		"llama_json":    {Begin: `{"name": "`, Middle: `", "parameters": `, End: "}"},
		"deepseek_like": {Begin: "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>", Middle: "\n```json\n", End: "\n```<｜tool▁call▁end｜>",
			Next: "\n<｜tool▁call▁begin｜>function<｜tool▁sep｜>", Close: "<｜tool▁calls▁end｜>", Mark: "<｜tool▁calls▁begin｜>"},
	}
	for name, want := range forms {
		tmpl := template(t, name)
		f, err := tmpl.CallForm(c)
		require.NoError(t, err, name)
		require.Equal(t, want, f, name)
		weather, now := ToolCall{Name: "weather", Arguments: `{"city":"Oslo"}`}, ToolCall{Name: "now", Arguments: "{}"}
		one := f.Call("weather") + ` {"city": "Oslo"}` + f.End
		text, calls := tmpl.ParseCalls(one + f.Close)
		require.Empty(t, text)
		require.Equal(t, []ToolCall{weather}, calls, name)
		if f.Next != "" {
			_, calls = tmpl.ParseCalls(one + f.Next + "now" + f.Middle + "{}" + f.End + f.Close)
			require.Equal(t, []ToolCall{weather, now}, calls, name)
		}
		c.Begin = f.Call("weather")
		prompt, err := tmpl.Render(c)
		require.NoError(t, err)
		require.True(t, strings.HasSuffix(prompt, c.Begin))
		require.Equal(t, strings.TrimRight(f.Begin+"weather"+f.Middle, " "), c.Begin)
	}
	for _, name := range []string{"chatml", "gemma_like"} {
		_, err := template(t, name).CallForm(c)
		require.Error(t, err, name)
	}
	for source, want := range map[string]CallForm{ // arguments before the name; a later form of Mistral's; a list of objects with IDs
		`{% for m in messages %}{% for c in m.tool_calls or [] %}<tool_call>{{ {"arguments": c.function.arguments, "name": c.function.name} | tojson }}</tool_call>{% endfor %}{% endfor %}`: {},
		`{% for m in messages %}{% for c in m.tool_calls or [] %}[TOOL_CALLS]{{ c.function.name }}[ARGS]{{ c.function.arguments | tojson }}{% endfor %}</s>{% endfor %}`:                     {Begin: "[TOOL_CALLS]", Middle: "[ARGS]", Next: "[TOOL_CALLS]", Mark: "[TOOL_CALLS]"},
		`{% for m in messages %}{% if m.tool_calls %}{{ m.tool_calls | tojson }}{% endif %}{% endfor %}{{ tools }}`:                                                                          {Begin: `{"name": "`, Middle: `", "arguments": `, End: "}"},
		// The first of two calls ends in another way than one alone.
		`{% for m in messages %}{% for c in m.tool_calls or [] %}<tool_call>{{ {"name": c.function.name, "arguments": c.function.arguments} | tojson }}{{ "" if loop.last else " and so on and on" }}</tool_call>{% endfor %}{% endfor %}`: {Begin: `<tool_call>{"name": "`, Middle: `", "arguments": `, End: "}</tool_call>", Mark: "<tool_call>"},
	} {
		tmpl, err := New(source, Options{})
		require.NoError(t, err)
		f, err := tmpl.CallForm(c)
		if want == (CallForm{}) {
			require.ErrorIs(t, err, ErrNoOpening)
			continue
		}
		require.NoError(t, err, source)
		require.Equal(t, want, f, source)
	}
}

// TestMayBegin: text is given out as it comes but for what may be the beginning of calls.
func TestMayBegin(t *testing.T) {
	for _, c := range []struct {
		template, text string
		want           int
	}{
		{"hermes_tools", "Hello <b", 8}, {"hermes_tools", "Hello <tool_c", 6}, {"hermes_tools", "a<tool_call>x", 1}, {"hermes_tools", "", 0},
		{"llama_json", " {", 0}, {"llama_json", "", 0}, {"llama_json", "Hello {", 7}, {"llama_json", "Hi<|python_tag|>x", 2}, {"llama_json", "[1", 0},
		{"mistral_tools", "Hm [TOOL", 3}, {"deepseek_like", "Hm <｜tool▁ca", 3},
	} {
		require.Equal(t, c.want, template(t, c.template).MayBegin(c.text), c.text)
	}
}

// FuzzTemplate: no template makes New or Render panic or write without end.
func FuzzTemplate(f *testing.F) {
	for _, name := range []string{"chatml", "hermes_tools", "operators", "filters", "loops", "whitespace", "macros"} {
		source, err := os.ReadFile("testdata/templates/" + name + ".jinja")
		require.NoError(f, err)
		f.Add(string(source))
	}
	f.Fuzz(func(t *testing.T, source string) {
		if strings.Count(source, "for") > 3 || strings.Contains(source, "macro") { // loops within loops, or a macro that calls itself, may take long
			return
		}
		tmpl, err := New(source, Options{})
		if err != nil {
			return
		}
		tmpl.Render(conversation())
	})
}
