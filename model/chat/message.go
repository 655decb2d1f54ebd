package chat

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/ardanlabs/jinja"
)

// Message is one turn of a conversation, with the fields of OpenAI's API.
type Message struct {
	// Role is who speaks: system, user, assistant, tool, or what a template knows besides.
	Role string
	// Content is the text.
	Content string
	// Reasoning is what an assistant thought before the text (reasoning_content).
	Reasoning string
	// ToolCalls are those of an assistant. Without Content, templates then see none.
	ToolCalls []ToolCall
	// ToolCallID and Name say which call a tool answers.
	ToolCallID, Name string
}

// ToolCall is a call of a function.
type ToolCall struct {
	ID   string
	Name string
	// Arguments is a JSON object.
	Arguments string
}

// Conversation is what a prompt is made of.
type Conversation struct {
	Messages []Message
	// Tools are JSON objects, {"type": "function", "function": {...}}; their keys keep their order.
	Tools []json.RawMessage
	// Generate has the prompt end with the beginning of an assistant's turn.
	Generate bool
	// Now is what strftime_now tells; zero is the time of the call.
	Now time.Time
	// More are further variables, as JSON: enable_thinking and the like.
	More map[string]json.RawMessage
}

// Render makes the prompt. Special tokens are in it as text. It fails with an Exception where the template refuses the conversation.
func (t *Template) Render(c Conversation) (string, error) {
	var messages, tools []value
	for _, m := range c.Messages {
		v, err := m.value(t.stringly)
		if err != nil {
			return "", err
		}
		messages = append(messages, v)
	}
	for i, tool := range c.Tools {
		v, err := decode(tool)
		if err != nil {
			return "", fmt.Errorf("chat: tool %d: %w", i, err)
		}
		tools = append(tools, v)
	}
	variables := map[string]value{"messages": jinja.NewList(messages), "add_generation_prompt": jinja.NewBool(c.Generate), "tools": jinja.None(),
		"documents": jinja.None(), "bos_token": jinja.NewString(t.bos), "eos_token": jinja.NewString(t.eos)}
	if len(tools) > 0 {
		variables["tools"] = jinja.NewList(tools)
	}
	for name, data := range c.More {
		v, err := decode(data)
		if err != nil {
			return "", fmt.Errorf("chat: variable %s: %w", name, err)
		}
		variables[name] = v
	}
	now := c.Now
	if now.IsZero() {
		now = time.Now()
	}
	return t.render(variables, now)
}

// value is the message as templates see it.
func (m Message) value(stringly bool) (value, error) {
	v := jinja.NewDict()
	d := v.AsDict()
	d.Set("role", jinja.NewString(m.Role))
	d.Set("content", jinja.NewString(m.Content))
	if m.Content == "" && len(m.ToolCalls) > 0 {
		d.Set("content", jinja.None())
	}
	for _, f := range []struct{ name, text string }{{"reasoning_content", m.Reasoning}, {"tool_call_id", m.ToolCallID}, {"name", m.Name}} {
		if f.text != "" {
			d.Set(f.name, jinja.NewString(f.text))
		}
	}
	if len(m.ToolCalls) == 0 {
		return v, nil
	}
	var calls []value
	for _, c := range m.ToolCalls {
		arguments := jinja.NewString(c.Arguments)
		if !stringly && strings.TrimSpace(c.Arguments) != "" {
			var err error
			if arguments, err = decode([]byte(c.Arguments)); err != nil {
				return v, fmt.Errorf("chat: the arguments of the call of %s are no JSON: %w", c.Name, err)
			}
		}
		f, call := jinja.NewDict(), jinja.NewDict()
		f.AsDict().Set("name", jinja.NewString(c.Name))
		f.AsDict().Set("arguments", arguments)
		if c.ID != "" {
			call.AsDict().Set("id", jinja.NewString(c.ID))
		}
		call.AsDict().Set("type", jinja.NewString("function"))
		call.AsDict().Set("function", f)
		calls = append(calls, call)
	}
	d.Set("tool_calls", jinja.NewList(calls))
	return v, nil
}

// wantsText finds out whether the template takes the arguments of calls as text, and writes no JSON of objects: some join them to other text.
func (t *Template) wantsText() bool {
	const mark = "umbra probes"
	try := func(arguments value) string {
		f, call := jinja.NewDict(), jinja.NewDict()
		f.AsDict().Set("name", jinja.NewString("f"))
		f.AsDict().Set("arguments", arguments)
		call.AsDict().Set("id", jinja.NewString("call00001"))
		call.AsDict().Set("type", jinja.NewString("function"))
		call.AsDict().Set("function", f)
		m, _ := Message{Role: "assistant"}.value(false)
		m.AsDict().Set("tool_calls", jinja.NewList([]value{call}))
		u, _ := Message{Role: "user", Content: "x"}.value(false)
		out, err := t.render(map[string]value{"messages": jinja.NewList([]value{u, m}), "tools": jinja.None(),
			"bos_token": jinja.NewString(t.bos), "eos_token": jinja.NewString(t.eos), "add_generation_prompt": jinja.NewBool(false)}, time.Now())
		if err != nil {
			return ""
		}
		return out
	}
	object := jinja.NewDict()
	object.AsDict().Set(mark, jinja.NewString(mark))
	if out := try(object); strings.Contains(out, mark) && !strings.Contains(out, "'"+mark+"'") {
		return false
	}
	return strings.Contains(try(jinja.NewString(`{"`+mark+`": 1}`)), `{"`+mark+`": 1}`)
}
