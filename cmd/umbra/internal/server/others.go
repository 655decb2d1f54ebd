package server

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strings"

	"umbra"
	"umbra/model/chat"
	"umbra/model/tokenizer"
)

// known refuses other models than the one there is; none given is that.
func (s *Server) known(model string) error {
	if model == "" || model == s.options.Model {
		return nil
	}
	return &apiError{status: http.StatusNotFound, kind: invalidRequest, code: "model_not_found", param: "model",
		message: "there is no model " + model + ", only " + s.options.Model}
}

func (s *Server) model() any {
	return map[string]any{"id": s.options.Model, "object": "model", "created": s.started.Unix(), "owned_by": "umbra",
		"meta": map[string]any{"n_ctx": s.limits.context, "n_vocab": s.engine.Tokenizer().Size()}}
}

func (s *Server) models(w http.ResponseWriter, _ *http.Request) {
	s.answer(w, http.StatusOK, map[string]any{"object": "list", "data": []any{s.model()}})
}

func (s *Server) oneModel(w http.ResponseWriter, r *http.Request) {
	if err := s.known(r.PathValue("model")); err != nil {
		s.fail(w, err)
		return
	}
	s.answer(w, http.StatusOK, s.model())
}

// embeddings answers /v1/embeddings; pooling is a field besides OpenAI's.
func (s *Server) embeddings(w http.ResponseWriter, r *http.Request) {
	var q struct {
		Model      string  `json:"model"`
		Input      prompts `json:"input"`
		Format     string  `json:"encoding_format"`
		Dimensions int     `json:"dimensions"`
		Pooling    string  `json:"pooling"`
		ignored
	}
	err := s.read(w, r, &q)
	switch {
	case err != nil:
	case q.Format != "" && q.Format != "float" && q.Format != "base64":
		err = invalid("encoding_format", "encoding_format %q is not known; there are float and base64", q.Format)
	case q.Dimensions < 0 || q.Dimensions > s.limits.embedding:
		err = invalid("dimensions", "dimensions is %d; the model's vectors have %d", q.Dimensions, s.limits.embedding)
	case len(q.Input) == 0:
		err = invalid("input", "there is no input")
	default:
		err = s.known(q.Model)
	}
	var data []any
	tokens := 0
	for i, p := range q.Input {
		if err != nil {
			break
		}
		var vector []float32
		var n int
		if vector, n, err = s.embed(r.Context(), p, umbra.Pooling(q.Pooling)); err != nil {
			break
		}
		tokens += n
		vector = shortened(vector, q.Dimensions)
		var embedding any = vector
		if q.Format == "base64" {
			var raw []byte
			for _, x := range vector {
				raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(x))
			}
			embedding = base64.StdEncoding.EncodeToString(raw)
		}
		data = append(data, map[string]any{"object": "embedding", "index": i, "embedding": embedding})
	}
	if err != nil {
		s.fail(w, err)
		return
	}
	s.answer(w, http.StatusOK, map[string]any{"object": "list", "data": data, "model": s.options.Model,
		"usage": map[string]any{"prompt_tokens": tokens, "total_tokens": tokens}})
}

// shortened is the beginning of a vector, of length 1 again: what models are trained for whose vectors may be cut off. n 0 is all.
func shortened(vector []float32, n int) []float32 {
	if n == 0 || n == len(vector) {
		return vector
	}
	squares := 0.0
	for _, x := range vector[:n] {
		squares += float64(x) * float64(x)
	}
	short := make([]float32, n)
	for i := range short {
		short[i] = float32(float64(vector[i]) / max(math.Sqrt(squares), math.SmallestNonzeroFloat64))
	}
	return short
}

func (s *Server) embed(ctx context.Context, p prompt, how umbra.Pooling) ([]float32, int, error) {
	if err := s.room.take(1); err != nil {
		return nil, 0, err
	}
	defer s.room.give(1)
	q := umbra.EmbedRequest{Tokens: p.tokens, Pooling: how}
	if p.text != nil {
		q.Text = *p.text
	}
	e, err := s.engine.Embed(ctx, q)
	s.note(err)
	return e.Vector, e.Tokens, err
}

// infill answers /infill, in llama.cpp's form.
func (s *Server) infill(w http.ResponseWriter, r *http.Request) {
	var q struct {
		Prefix string `json:"input_prefix"`
		Suffix string `json:"input_suffix"`
		Prompt string `json:"prompt"` // goes on from the prefix
		Extra  []struct {
			Filename string `json:"filename"`
			Text     string `json:"text"`
		} `json:"input_extra"`
		NPredict int  `json:"n_predict"`
		Stream   bool `json:"stream"`
		sampling
		ignored
		// Hints that change nothing: how far lines are to be indented at least, how long it may take, and which fields are wanted.
		Indent     json.RawMessage `json:"n_indent"`
		MostPrompt json.RawMessage `json:"t_max_prompt_ms"`
		MostTime   json.RawMessage `json:"t_max_predict_ms"`
		Fields     json.RawMessage `json:"response_fields"`
	}
	q.Temperature = new(float64) // code is best at its likeliest
	err := s.read(w, r, &q)
	var request umbra.Request
	if err == nil {
		request, err = s.request(q.sampling)
	}
	if err == nil {
		request.N = 1
		request.MaxTokens = max(0, q.NPredict)
		request.Tokens, err = s.middle(q.Prefix+q.Prompt, q.Suffix)
		var extra strings.Builder
		for _, e := range q.Extra {
			fmt.Fprintf(&extra, "// %s\n%s\n", e.Filename, e.Text)
		}
		request.Tokens = s.before(extra.String(), request.Tokens, max(request.MaxTokens, s.limits.context/4))
	}
	if err != nil {
		s.fail(w, err)
		return
	}
	var events *stream
	if q.Stream {
		events = s.startStream(w)
	}
	var text strings.Builder
	result, err := s.run(r.Context(), request, func(c umbra.Chunk) error {
		text.WriteString(c.Text)
		if events == nil || c.Text == "" {
			return nil
		}
		return events.send(map[string]any{"content": c.Text, "stop": false})
	})
	end := map[string]any{"content": text.String(), "stop": true, "model": s.options.Model, "stop_type": finish(result.Reason),
		"tokens_predicted": result.Usage.Generated, "tokens_evaluated": result.Usage.Prompt, "tokens_cached": result.Usage.Cached}
	s.conclude(w, events, err, func() {
		end["content"] = ""
		events.send(end)
	}, func() any { return end })
}

// before puts as much of the end of a text before the tokens of a prompt as fits with room tokens more.
func (s *Server) before(text string, ids []int32, room int) []int32 {
	extra := s.engine.Tokenizer().Encode(text, tokenizer.EncodeOptions{})
	fits := max(0, s.limits.context-len(ids)-room)
	extra = extra[max(0, len(extra)-fits):]
	at := 0
	if id, has := s.engine.Tokenizer().BOS(); has && len(ids) > 0 && ids[0] == id {
		at = 1
	}
	return slices.Insert(ids, at, extra...)
}

// tokenize answers /tokenize, in llama.cpp's form, or of a conversation.
func (s *Server) tokenize(w http.ResponseWriter, r *http.Request) {
	var q struct {
		Content      string    `json:"content"`
		Messages     []message `json:"messages"`
		AddSpecial   bool      `json:"add_special"`
		ParseSpecial *bool     `json:"parse_special"`
		WithPieces   bool      `json:"with_pieces"`
	}
	err := s.read(w, r, &q)
	ids := s.engine.Tokenizer().Encode(q.Content, tokenizer.EncodeOptions{AddSpecial: q.AddSpecial, ParseSpecial: or(q.ParseSpecial, true)})
	if err == nil && len(q.Messages) > 0 {
		var c chat.Conversation
		if _, c, _, err = s.conversation(&chatRequest{Messages: q.Messages}); err == nil {
			ids, err = s.engine.ChatPrompt(c)
		}
	}
	if err != nil {
		s.fail(w, err)
		return
	}
	var tokens any = ids
	if q.WithPieces {
		pieces := []any{}
		for _, id := range ids {
			pieces = append(pieces, map[string]any{"id": id, "piece": string(s.engine.Tokenizer().Render(id))})
		}
		tokens = pieces
	}
	s.answer(w, http.StatusOK, map[string]any{"tokens": tokens, "count": len(ids), "max_model_len": s.limits.context})
}

// applyTemplate answers /apply-template: the prompt that a conversation makes.
func (s *Server) applyTemplate(w http.ResponseWriter, r *http.Request) {
	var q chatRequest
	err := s.read(w, r, &q)
	var prompt string
	if err == nil {
		var t *chat.Template
		var c chat.Conversation
		if t, c, _, err = s.conversation(&q); err == nil {
			prompt, err = t.Render(c)
		}
	}
	if err != nil {
		s.fail(w, err)
		return
	}
	s.answer(w, http.StatusOK, map[string]any{"prompt": prompt})
}

// conversation is chatRequest.conversation with the model's template.
func (s *Server) conversation(q *chatRequest) (*chat.Template, chat.Conversation, umbra.Offer, error) {
	t, err := s.engine.Template()
	if err != nil {
		return nil, chat.Conversation{}, umbra.Offer{}, err
	}
	c, offer, err := q.conversation(s.engine, t)
	return t, c, offer, err
}

// props answers /props: what a client may want to know of the server.
func (s *Server) props(w http.ResponseWriter, _ *http.Request) {
	template, format := "", ""
	if t, err := s.engine.Template(); err == nil {
		template, format = t.Source(), string(t.Format())
	}
	_, _, _, fills := s.engine.Tokenizer().FIM()
	info := s.engine.Info()
	s.answer(w, http.StatusOK, map[string]any{"model": s.options.Model, "architecture": info.Architecture, "adapter": info.Adapters(),
		"total_slots": s.limits.sequences, "default_generation_settings": map[string]any{"n_ctx": s.limits.context}, "embedding_length": s.limits.embedding,
		"kv_type": info.Plan.KVType.String(), "chat_template": template, "tool_call_format": format, "infill": fills, "build_info": s.options.Version})
}

func (s *Server) version(w http.ResponseWriter, _ *http.Request) {
	s.answer(w, http.StatusOK, map[string]any{"version": s.options.Version})
}

func (s *Server) detokenize(w http.ResponseWriter, r *http.Request) {
	var q struct {
		Tokens []int32 `json:"tokens"`
	}
	if err := s.read(w, r, &q); err != nil {
		s.fail(w, err)
		return
	}
	var text []byte
	for i, id := range q.Tokens {
		if id < 0 || int(id) >= s.engine.Tokenizer().Size() {
			s.fail(w, invalid("tokens", "token %d is id %d, not in the vocabulary of %d", i, id, s.engine.Tokenizer().Size()))
			return
		}
		text = append(text, s.engine.Tokenizer().Render(id)...)
	}
	s.answer(w, http.StatusOK, map[string]any{"content": string(text)})
}

// health says that the process answers.
func (s *Server) health(w http.ResponseWriter, _ *http.Request) {
	s.answer(w, http.StatusOK, map[string]any{"status": "ok"})
}

// ready says whether requests are taken.
func (s *Server) ready(w http.ResponseWriter, _ *http.Request) {
	if _, open := s.engine.Stats(); s.draining.Load() || !open {
		s.answer(w, http.StatusServiceUnavailable, map[string]any{"status": "draining"})
		return
	}
	s.answer(w, http.StatusOK, map[string]any{"status": "ready"})
}

// loading answers while there is no engine.
func (s *Server) loading(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/health":
		s.health(w, r)
	case "/ready":
		s.answer(w, http.StatusServiceUnavailable, map[string]any{"status": "loading"})
	default:
		s.fail(w, &apiError{status: http.StatusServiceUnavailable, kind: serverError, code: "loading", message: "the model is loading; try again later"})
	}
}
