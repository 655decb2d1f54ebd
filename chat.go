package umbra

import (
	"context"
	"encoding/json"
	"errors"
	"sync"

	"umbra/model/chat"
	"umbra/model/tokenizer"
)

// ErrNoTemplate is returned for conversations with a model that has no chat template: it continues text (Generate).
var ErrNoTemplate = errors.New("umbra: the model has no chat template; it continues text, and takes no conversations")

// ChatRequest asks for the next turn of a conversation.
type ChatRequest struct {
	// Request says how it is generated; its Prompt and Tokens are not used.
	Request
	// Messages is the conversation so far.
	Messages []chat.Message
	// Tools are functions that the model may call, in OpenAI's form. Arguments of those that are strict ("strict": true) are held to their schemas.
	Tools []json.RawMessage
	// ToolChoice says which of them must be called, if one must be.
	ToolChoice ToolChoice
	// Begin is text by which the turn begins already; it is part of the reply, and emit is not told of it.
	Begin string
	// Template are further variables for the chat template, as JSON: {"enable_thinking": false}.
	Template map[string]json.RawMessage
}

// Reply is the next turn of a conversation.
type Reply struct {
	// Message is the assistant's: text, and calls of tools taken out of it. Of several answers it is the first.
	Message chat.Message
	// Messages are those of all answers.
	Messages []chat.Message
	Result
}

// Template returns the model's chat template. It fails with ErrNoTemplate where the model has none, and otherwise where that cannot be read.
func (e *Engine) Template() (*chat.Template, error) { return e.template() }

// templateOf reads a chat template when it is first asked for.
func templateOf(source string, tokens *tokenizer.Tokenizer) func() (*chat.Template, error) {
	return sync.OnceValues(func() (*chat.Template, error) {
		if source == "" {
			return nil, ErrNoTemplate
		}
		var o chat.Options
		if id, ok := tokens.BOS(); ok {
			o.BOS = string(tokens.Render(id))
		}
		if id, ok := tokens.EOS(); ok {
			o.EOS = string(tokens.Render(id))
		}
		return chat.New(source, o)
	})
}

// noTemplate is templateOf of a model without a file.
func noTemplate() (*chat.Template, error) { return nil, ErrNoTemplate }

// ChatPrompt makes the prompt of a conversation. Special tokens are those that the template writes, and those that messages
// contain as text; none is added.
func (e *Engine) ChatPrompt(c chat.Conversation) ([]int32, error) {
	t, err := e.template()
	if err != nil {
		return nil, err
	}
	text, err := t.Render(c)
	if err != nil {
		return nil, err
	}
	return e.tokens.Encode(text, tokenizer.EncodeOptions{ParseSpecial: true}), nil
}

// Chat generates the next turn of a conversation and hands its text to emit as it comes, calls of tools included; emit may be nil. It is Generate in all
// else.
func (e *Engine) Chat(ctx context.Context, r ChatRequest, emit func(Chunk) error) (Reply, error) {
	t, err := e.template()
	if err != nil {
		return Reply{}, err
	}
	c := chat.Conversation{Messages: r.Messages, Tools: r.Tools, Generate: true, Begin: r.Begin, More: r.Template}
	offer, err := e.OfferTools(c, r.ToolChoice)
	if err != nil {
		return Reply{}, err
	}
	c.Begin += offer.Lead + offer.Begin
	q := r.Request
	if q.Tokens, err = e.ChatPrompt(c); err != nil {
		return Reply{}, err
	}
	if offer.Calls != nil {
		q.Calls = offer.Calls
	}
	texts := make([]string, max(1, q.N))
	for i := range texts {
		texts[i] = r.Begin + offer.Begin
	}
	result, err := e.Generate(ctx, q, func(c Chunk) error {
		texts[c.Answer] += c.Text
		if emit == nil {
			return nil
		}
		return emit(c)
	})
	reply := Reply{Result: result}
	for _, text := range texts {
		m := chat.Message{Role: "assistant", Content: text}
		if len(r.Tools) > 0 {
			m.Content, m.ToolCalls = t.ParseCalls(text)
		}
		reply.Messages = append(reply.Messages, m)
	}
	reply.Message = reply.Messages[0]
	return reply, err
}

// pieces returns the bytes of tokens as answers have them: those of the tokenizer, and the text of special tokens by which calls of tools
// begin.
func (e *Engine) pieces() func(id int32) []byte {
	marks := map[int32]bool{}
	for _, mark := range e.marks {
		if ids := e.tokens.Encode(mark, tokenizer.EncodeOptions{ParseSpecial: true}); len(ids) == 1 {
			marks[ids[0]] = true
		}
	}
	return func(id int32) []byte {
		if marks[id] {
			return e.tokens.Render(id)
		}
		return e.tokens.Piece(id)
	}
}
