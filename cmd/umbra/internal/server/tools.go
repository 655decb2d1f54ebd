package server

import (
	"encoding/json"
	"errors"
	"strings"

	"umbra"
	"umbra/model/chat"
	"umbra/scheduler/grammar"
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

// tool is a function that may be called, as JSON.
type tool json.RawMessage

// UnmarshalJSON keeps the order of what the template shows of it.
func (t *tool) UnmarshalJSON(data []byte) error {
	var q struct {
		Type     string `json:"type"`
		Function struct {
			Name string `json:"name"`
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
	}
	*t = append(tool(nil), data...)
	return nil
}

// offer adds the tools to a conversation, and to its beginning what a call that must come begins with.
func (q *chatRequest) offer(e *umbra.Engine, t *chat.Template, c *chat.Conversation) (o umbra.Offer, err error) {
	choice := q.ToolChoice
	if choice.how == "none" {
		return o, nil
	}
	for _, tool := range q.Tools {
		c.Tools = append(c.Tools, json.RawMessage(tool))
	}
	o, err = e.OfferTools(*c, umbra.ToolChoice{Required: choice.forced(), Name: choice.name, One: !or(q.Parallel, true)})
	var refused *grammar.Error
	switch {
	case errors.Is(err, umbra.ErrTools):
		return o, invalid("tool_choice", "%s", strings.TrimPrefix(err.Error(), umbra.ErrTools.Error()+": "))
	case len(q.Tools) > 0 && t.Format() == chat.NoTools:
		return o, invalid("tools", "the model's chat template takes no tools")
	case errors.Is(err, chat.ErrNoOpening) && choice.forced():
		return o, invalid("tool_choice", "a call cannot be forced: the model's chat template shows no call that an answer could be made to begin with; leave tool_choice at auto")
	case errors.Is(err, chat.ErrNoOpening):
		return o, invalid("tools", "strict functions cannot be held to their schemas: the model's chat template does not show how it writes calls; leave strict out")
	case errors.As(err, &refused):
		return o, invalid("tools", "%v; leave strict out, and the arguments are any JSON object", err)
	}
	c.Begin += o.Lead + o.Begin
	return o, err
}
