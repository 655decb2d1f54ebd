package server

import (
	"encoding/json"
	"errors"

	"umbra/model/chat"
)

// toolChoice is whether tools may or must be called: "" and auto, none, required, or function with a name.
type toolChoice struct{ how, name string }

// UnmarshalJSON reads OpenAI's forms of it.
func (c *toolChoice) UnmarshalJSON(data []byte) error {
	if string(data) == "null" || json.Unmarshal(data, &c.how) == nil && (c.how == "none" || c.how == "auto" || c.how == "required") {
		return nil
	}
	var named struct {
		Type     string `json:"type"`
		Function struct {
			Name string `json:"name"`
		} `json:"function"`
	}
	if json.Unmarshal(data, &named) != nil || named.Type != "function" || named.Function.Name == "" {
		return invalid("tool_choice", `tool_choice %s is not supported; there are "none", "auto", "required" and {"type": "function", "function": {"name": ...}}`, data)
	}
	c.how, c.name = named.Type, named.Function.Name
	return nil
}

// forced reports whether the answer has to be a call.
func (c toolChoice) forced() bool { return c.how == "required" || c.how == "function" }

// tool is a function that may be called.
type tool struct {
	raw  json.RawMessage
	name string
}

// UnmarshalJSON keeps the order of what the template shows of it.
func (t *tool) UnmarshalJSON(data []byte) error {
	var q struct {
		Type     string `json:"type"`
		Function struct {
			Name   string `json:"name"`
			Strict bool   `json:"strict"`
		} `json:"function"`
	}
	if err := json.Unmarshal(data, &q); err != nil {
		return err
	}
	switch {
	case q.Type != "function":
		return invalid("tools", "a tool is of type %q; only function is supported", q.Type)
	case q.Function.Name == "":
		return invalid("tools", "a tool has no function name")
	case q.Function.Strict:
		return invalid("tools", "function %s asks for strict arguments, which is not supported: nothing holds them to the schema", q.Function.Name)
	}
	t.raw, t.name = append(json.RawMessage(nil), data...), q.Function.Name
	return nil
}

// offer adds the tools to a conversation, and returns the text by which the answer begins where a call is forced: the beginning of a call, up to the
// function's name, or up to its arguments where it is known. What follows is the model's own.
func (q *chatRequest) offer(t *chat.Template, c *chat.Conversation) (begun string, err error) {
	choice := q.ToolChoice
	known := len(q.Tools) == 0 || choice.how != "function"
	for _, tool := range q.Tools {
		c.Tools = append(c.Tools, tool.raw)
		known = known || tool.name == choice.name
	}
	switch {
	case len(q.Tools) == 0 && choice.forced():
		return "", invalid("tool_choice", "a tool is to be called, but tools has none")
	case !known:
		return "", invalid("tool_choice", "function %s is to be called, but tools has none of that name", choice.name)
	case choice.how == "none":
		c.Tools = nil
		return "", nil
	case len(q.Tools) > 0 && t.Format() == chat.NoTools:
		return "", invalid("tools", "the model's chat template takes no tools")
	case !choice.forced():
		return "", nil
	}
	name := choice.name
	if len(q.Tools) == 1 {
		name = q.Tools[0].name
	}
	lead, begun, err := t.Opening(*c, name)
	if errors.Is(err, chat.ErrNoOpening) {
		return "", invalid("tool_choice", "a call cannot be forced: the model's chat template shows no call that an answer could be made to begin with; leave tool_choice at auto")
	}
	c.Begin += lead + begun
	return begun, err
}
