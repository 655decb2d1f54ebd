package server

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"slices"
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
	Tools               []tool                     `json:"tools"`
	ToolChoice          toolChoice                 `json:"tool_choice"`
	Parallel            *bool                      `json:"parallel_tool_calls"`
	MaxTokens           int                        `json:"max_tokens"`
	MaxCompletionTokens int                        `json:"max_completion_tokens"`
	LogProbs            bool                       `json:"logprobs"`
	TopLogProbs         int                        `json:"top_logprobs"`
	Template            map[string]json.RawMessage `json:"chat_template_kwargs"`
	Effort              json.RawMessage            `json:"reasoning_effort"`
	Modalities          []string                   `json:"modalities"`
	AddPrompt           *bool                      `json:"add_generation_prompt"`
	Continue            bool                       `json:"continue_final_message"`
	streaming
	sampling
	ignored
}

// streaming are the fields that say whether an answer comes in pieces.
type streaming struct {
	Stream        bool           `json:"stream"`
	StreamOptions *streamOptions `json:"stream_options"`
}

type streamOptions struct {
	IncludeUsage bool `json:"include_usage"`
}

// UnmarshalJSON refuses other options.
func (o *streamOptions) UnmarshalJSON(data []byte) error {
	type plain streamOptions
	return decode(data, (*plain)(o))
}

// check refuses options of a stream where there is none.
func (q streaming) check() error {
	if q.StreamOptions != nil && !q.Stream {
		return invalid("stream_options", "stream_options are for answers with stream")
	}
	return nil
}

// usage reports whether the stream ends with what it took.
func (q streaming) usage() bool { return q.StreamOptions != nil && q.StreamOptions.IncludeUsage }

// message is one of a conversation, as OpenAI's API has it.
type message struct {
	Role       string     `json:"role"`
	Content    content    `json:"content"`
	Reasoning  string     `json:"reasoning_content"`
	Thoughts   string     `json:"reasoning"` // another name of it
	Name       string     `json:"name"`
	ToolCallID string     `json:"tool_call_id"`
	ToolCalls  []toolCall `json:"tool_calls"`

	// What clients send back of an answer, and no template shows.
	Refusal     json.RawMessage `json:"refusal"`
	Annotations json.RawMessage `json:"annotations"`
}

// UnmarshalJSON refuses other fields.
func (m *message) UnmarshalJSON(data []byte) error {
	type plain message
	return decode(data, (*plain)(m))
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

// conversation makes of the body what a prompt is made of, and what answers are held to by tools.
func (q *chatRequest) conversation(e *umbra.Engine, t *chat.Template) (c chat.Conversation, o umbra.Offer, err error) {
	c = chat.Conversation{Generate: true, More: maps.Clone(q.Template)}
	switch {
	case len(q.Messages) == 0:
		return c, o, invalid("messages", "there are no messages")
	case slices.ContainsFunc(q.Modalities, func(m string) bool { return m != "text" }):
		return c, o, invalid("modalities", "modalities are %q; the model writes text only", q.Modalities)
	case len(q.Effort) > 0 && string(q.Effort) != "null" && !strings.Contains(t.Source(), "reasoning_effort"):
		return c, o, invalid("reasoning_effort", "the model's chat template knows no reasoning_effort")
	case len(q.Effort) > 0 && string(q.Effort) != "null":
		if c.More == nil {
			c.More = map[string]json.RawMessage{}
		}
		c.More["reasoning_effort"] = q.Effort
	}
	for i, m := range q.Messages {
		if m.Role == "" {
			return c, o, invalid("messages", "message %d has no role", i)
		}
		to := chat.Message{Role: m.Role, Content: string(m.Content), Reasoning: m.Reasoning + m.Thoughts, Name: m.Name, ToolCallID: m.ToolCallID}
		for _, call := range m.ToolCalls {
			if call.Type != "function" && call.Type != "" {
				return c, o, invalid("messages", "message %d has a call of type %q; only function is supported", i, call.Type)
			}
			to.ToolCalls = append(to.ToolCalls, chat.ToolCall{ID: call.ID, Name: call.Function.Name, Arguments: call.Function.Arguments})
		}
		c.Messages = append(c.Messages, to)
	}
	if err := q.goOn(&c); err != nil {
		return c, o, err
	}
	o, err = q.offer(e, t, &c)
	return c, o, err
}

// goOn has the answer go on from the last message, where that is asked for.
func (q *chatRequest) goOn(c *chat.Conversation) error {
	last := len(c.Messages) - 1
	switch m := c.Messages[last]; {
	case or(q.AddPrompt, !q.Continue) == q.Continue:
		return invalid("add_generation_prompt", "either an answer is begun (add_generation_prompt), or the last message is gone on from (continue_final_message)")
	case !q.Continue:
		return nil
	case m.Role != "assistant" || len(m.ToolCalls) > 0 || q.ToolChoice.forced():
		return invalid("continue_final_message", "only text of the assistant can be gone on from, and not with a call")
	}
	c.Begin = c.Messages[last].Content
	c.Messages = c.Messages[:last]
	return nil
}

// chat answers /v1/chat/completions.
func (s *Server) chat(w http.ResponseWriter, r *http.Request) {
	var q chatRequest
	if err := s.read(w, r, &q); err != nil {
		s.fail(w, err)
		return
	}
	a := &chatAnswer{s: s, id: "chatcmpl-" + rand.Text(), created: time.Now().Unix(), tools: len(q.Tools) > 0 && q.ToolChoice.how != "none", several: or(q.Parallel, true),
		logprobs: q.LogProbs}
	request, err := a.request(&q)
	if err != nil {
		s.fail(w, err)
		return
	}
	if q.Stream {
		a.stream = s.startStream(w)
	}
	result, err := s.run(r.Context(), request, a.take)
	s.conclude(w, a.stream, err, func() { a.finish(result, q.usage()) }, func() any { return a.whole(result) })
}

// request makes the engine's request of the body, and begins the answers.
func (a *chatAnswer) request(q *chatRequest) (request umbra.Request, err error) {
	s := a.s
	if err := errors.Join(s.known(q.Model), q.check()); err != nil {
		return request, err
	}
	t, c, offer, err := s.conversation(q)
	if err != nil {
		return request, err
	}
	a.template = t
	if request, err = s.request(q.sampling); err != nil {
		return request, err
	}
	if (request.Grammar != "" || request.JSONSchema != "") && a.tools {
		return request, invalid("grammar", "a grammar or schema leaves no room for calls; leave tools out, or set tool_choice to none")
	}
	request.Calls = offer.Calls
	if request.Tokens, err = s.engine.ChatPrompt(c); err != nil {
		return request, err
	}
	if request.MaxTokens = q.MaxCompletionTokens; request.MaxTokens == 0 {
		request.MaxTokens = q.MaxTokens
	}
	if request.MaxTokens < 0 {
		return request, invalid("max_tokens", "max_tokens is %d", request.MaxTokens)
	}
	switch {
	case q.TopLogProbs < 0 || q.TopLogProbs > 20:
		return request, invalid("top_logprobs", "top_logprobs is %d, want 0 to 20", q.TopLogProbs)
	case q.LogProbs:
		request.LogProbs = q.TopLogProbs + 1
	case q.TopLogProbs > 0:
		return request, invalid("top_logprobs", "top_logprobs are for answers with logprobs")
	}
	a.answers = make([]chatText, max(1, request.N))
	for i := range a.answers {
		a.answers[i].text = offer.Begin
	}
	return request, nil
}

// chatAnswer gathers or streams what is generated.
type chatAnswer struct {
	s        *Server
	id       string
	created  int64
	template *chat.Template
	tools    bool // may be called
	several  bool // at once
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
	if !a.several && len(found) > 1 {
		found = found[:1]
	}
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
