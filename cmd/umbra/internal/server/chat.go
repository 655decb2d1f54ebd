package server

import (
	"crypto/rand"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"umbra"
	"umbra/model/chat"
	"umbra/scheduler"
)

// chatRequest is the body of /v1/chat/completions.
type chatRequest struct {
	Model               string                     `json:"model"`
	Messages            []message                  `json:"messages"`
	Tools               []json.RawMessage          `json:"tools"`
	ToolChoice          json.RawMessage            `json:"tool_choice"`
	MaxTokens           int                        `json:"max_tokens"`
	MaxCompletionTokens int                        `json:"max_completion_tokens"`
	Stream              bool                       `json:"stream"`
	StreamOptions       streamOptions              `json:"stream_options"`
	LogProbs            bool                       `json:"logprobs"`
	TopLogProbs         int                        `json:"top_logprobs"`
	Template            map[string]json.RawMessage `json:"chat_template_kwargs"`
	sampling
}

type streamOptions struct {
	IncludeUsage bool `json:"include_usage"`
}

// message is one of a conversation, as OpenAI's API has it.
type message struct {
	Role       string     `json:"role"`
	Content    content    `json:"content"`
	Reasoning  string     `json:"reasoning_content"`
	Name       string     `json:"name"`
	ToolCallID string     `json:"tool_call_id"`
	ToolCalls  []toolCall `json:"tool_calls"`
}

// content is text, or parts of text, which are joined.
type content string

// UnmarshalJSON reads either.
func (c *content) UnmarshalJSON(data []byte) error {
	var parts []struct{ Type, Text string }
	switch {
	case string(data) == "null":
		return nil
	case data[0] != '[':
		return json.Unmarshal(data, (*string)(c))
	}
	if err := json.Unmarshal(data, &parts); err != nil {
		return err
	}
	for _, p := range parts {
		if p.Type != "text" {
			return invalid("messages", "a part of a message is of type %q; the model reads text only", p.Type)
		}
		*c += content(p.Text)
	}
	return nil
}

type toolCall struct {
	Index    *int     `json:"index,omitempty"`
	ID       string   `json:"id"`
	Type     string   `json:"type"`
	Function function `json:"function"`
}

type function struct {
	Name      string `json:"name"`
	Arguments string `json:"arguments"`
}

// conversation makes of the body what a prompt is made of.
func (q *chatRequest) conversation() (chat.Conversation, error) {
	c := chat.Conversation{Generate: true, More: q.Template, Tools: q.Tools}
	if len(q.Messages) == 0 {
		return c, invalid("messages", "there are no messages")
	}
	switch choice := string(q.ToolChoice); choice {
	case "", "null", `"auto"`:
	case `"none"`:
		c.Tools = nil
	default:
		return c, invalid("tool_choice", "tool_choice %s is not supported, only auto and none", choice)
	}
	for i, m := range q.Messages {
		if m.Role == "" {
			return c, invalid("messages", "message %d has no role", i)
		}
		to := chat.Message{Role: m.Role, Content: string(m.Content), Reasoning: m.Reasoning, Name: m.Name, ToolCallID: m.ToolCallID}
		for _, call := range m.ToolCalls {
			to.ToolCalls = append(to.ToolCalls, chat.ToolCall{ID: call.ID, Name: call.Function.Name, Arguments: call.Function.Arguments})
		}
		c.Messages = append(c.Messages, to)
	}
	return c, nil
}

// chat answers /v1/chat/completions.
func (s *Server) chat(w http.ResponseWriter, r *http.Request) {
	var q chatRequest
	if err := s.read(w, r, &q); err != nil {
		s.fail(w, err)
		return
	}
	t, request, err := s.chatRequest(&q)
	if err != nil {
		s.fail(w, err)
		return
	}
	a := &chatAnswer{s: s, id: "chatcmpl-" + rand.Text(), created: time.Now().Unix(), template: t, tools: len(q.Tools) > 0 && string(q.ToolChoice) != `"none"`,
		logprobs: q.LogProbs, answers: make([]chatText, max(1, request.N))}
	if q.Stream {
		a.stream = s.startStream(w)
	}
	result, err := s.run(r.Context(), request, a.take)
	s.conclude(w, a.stream, err, func() { a.finish(result, q.StreamOptions.IncludeUsage) }, func() any { return a.whole(result) })
}

// chatRequest makes the engine's request of the body.
func (s *Server) chatRequest(q *chatRequest) (*chat.Template, umbra.Request, error) {
	if err := s.known(q.Model); err != nil {
		return nil, umbra.Request{}, err
	}
	t, err := s.engine.Template()
	if err != nil {
		return nil, umbra.Request{}, err
	}
	c, err := q.conversation()
	if err != nil {
		return nil, umbra.Request{}, err
	}
	request, err := s.request(q.sampling)
	if err != nil {
		return nil, request, err
	}
	if request.Tokens, err = s.engine.ChatPrompt(c); err != nil {
		return nil, request, err
	}
	if request.MaxTokens = q.MaxCompletionTokens; request.MaxTokens == 0 {
		request.MaxTokens = q.MaxTokens
	}
	if request.MaxTokens < 0 {
		return nil, request, invalid("max_tokens", "max_tokens is %d", request.MaxTokens)
	}
	if q.TopLogProbs < 0 || q.TopLogProbs > 20 {
		return nil, request, invalid("top_logprobs", "top_logprobs is %d, want 0 to 20", q.TopLogProbs)
	}
	if q.LogProbs {
		request.LogProbs = q.TopLogProbs + 1
	}
	return t, request, nil
}

// chatAnswer gathers or streams what is generated.
type chatAnswer struct {
	s        *Server
	id       string
	created  int64
	template *chat.Template
	tools    bool
	logprobs bool
	stream   *stream
	answers  []chatText
}

// chatText is one answer so far.
type chatText struct {
	text  string
	sent  int // bytes of text that were streamed
	begun bool
	likes []any // log-probabilities not sent yet
}

// take is told of what has been generated.
func (a *chatAnswer) take(c umbra.Chunk) error {
	t := &a.answers[c.Answer]
	t.text += c.Text
	for _, p := range c.LogProbs {
		t.likes = append(t.likes, a.s.likelihood(p))
	}
	if a.stream == nil {
		return nil
	}
	if !t.begun {
		t.begun = true
		if err := a.stream.send(a.chunk(c.Answer, map[string]any{"role": "assistant", "content": ""}, nil, nil)); err != nil {
			return err
		}
	}
	sure := len(t.text)
	if a.tools {
		sure = a.template.MayBegin(t.text)
	}
	return a.text(c.Answer, sure)
}

// text streams an answer's text up to a byte.
func (a *chatAnswer) text(answer, to int) error {
	t := &a.answers[answer]
	if to <= t.sent && (len(t.likes) == 0 || a.tools) {
		return nil
	}
	part := t.text[t.sent:max(to, t.sent)]
	t.sent = max(to, t.sent)
	likes := t.likes
	t.likes = nil
	return a.stream.send(a.chunk(answer, map[string]any{"content": part}, likes, nil))
}

func (a *chatAnswer) chunk(answer int, delta any, likes []any, reason any) map[string]any {
	choice := map[string]any{"index": answer, "delta": delta, "finish_reason": reason}
	if a.logprobs {
		choice["logprobs"] = nil
		if likes != nil {
			choice["logprobs"] = map[string]any{"content": likes}
		}
	}
	return a.object("chat.completion.chunk", []any{choice})
}

func (a *chatAnswer) object(kind string, choices []any) map[string]any {
	return map[string]any{"id": a.id, "object": kind, "created": a.created, "model": a.s.options.Model, "choices": choices}
}

// calls takes calls of tools out of an answer, with what finish reason that has.
func (a *chatAnswer) calls(text string, reason scheduler.Reason) (rest string, calls []toolCall, why string) {
	why = finish(reason)
	if !a.tools {
		return text, nil, why
	}
	rest, found := a.template.ParseCalls(text)
	for i, c := range found {
		id := c.ID
		if id == "" {
			id = "call_" + rand.Text()
		}
		calls = append(calls, toolCall{ID: id, Type: "function", Function: function{c.Name, c.Arguments}})
		if a.stream != nil {
			calls[i].Index = &i
		}
	}
	if calls != nil && why == "stop" {
		why = "tool_calls"
	}
	return rest, calls, why
}

// finish streams the ends of all answers.
func (a *chatAnswer) finish(r umbra.Result, withUsage bool) {
	for i, end := range r.Answers {
		t := &a.answers[i]
		_, calls, why := a.calls(t.text, end.Reason)
		to := len(t.text)
		if calls != nil { // what is before them has been sent
			to = t.sent
		}
		a.text(i, to)
		delta := map[string]any{}
		if calls != nil {
			delta["tool_calls"] = calls
		}
		a.stream.send(a.chunk(i, delta, nil, why))
	}
	if withUsage {
		last := a.object("chat.completion.chunk", []any{})
		var u usage
		u.add(r)
		last["usage"] = u
		a.stream.send(last)
	}
	a.stream.raw([]byte("[DONE]"))
}

// whole is the answer in one piece.
func (a *chatAnswer) whole(r umbra.Result) any {
	var choices []any
	for i, end := range r.Answers {
		text, calls, why := a.calls(a.answers[i].text, end.Reason)
		m := map[string]any{"role": "assistant", "content": text, "refusal": nil}
		if calls != nil {
			m["tool_calls"] = calls
			if strings.TrimSpace(text) == "" {
				m["content"] = nil
			}
		}
		choice := map[string]any{"index": i, "message": m, "finish_reason": why, "logprobs": nil}
		if a.logprobs {
			choice["logprobs"] = map[string]any{"content": a.answers[i].likes}
		}
		choices = append(choices, choice)
	}
	whole := a.object("chat.completion", choices)
	var u usage
	u.add(r)
	whole["usage"] = u
	return whole
}

// likelihood is a token's log-probability as chat answers have it.
func (s *Server) likelihood(p scheduler.TokenLogProb) any {
	one := func(id int32, logProb float64) map[string]any {
		piece := s.engine.Tokenizer().Render(id)
		bytes := make([]int, len(piece))
		for i, b := range piece {
			bytes[i] = int(b)
		}
		return map[string]any{"token": string(piece), "logprob": floor(logProb), "bytes": bytes}
	}
	whole := one(p.ID, p.LogProb)
	top := []any{}
	for _, t := range p.Top {
		top = append(top, one(t.ID, t.LogProb))
	}
	whole["top_logprobs"] = top
	return whole
}

// floor is a log-probability that JSON has a number for.
func floor(logProb float64) float64 { return max(logProb, -9999) }
