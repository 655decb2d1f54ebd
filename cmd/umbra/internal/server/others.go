package server

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"math"
	"net/http"
	"strings"

	"umbra"
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
	}
	err := s.read(w, r, &q)
	switch {
	case err != nil:
	case q.Format != "" && q.Format != "float" && q.Format != "base64":
		err = invalid("encoding_format", "encoding_format %q is not known; there are float and base64", q.Format)
	case q.Dimensions != 0:
		err = invalid("dimensions", "dimensions cannot be chosen")
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
	return e.Vector, e.Tokens, err
}

// infill answers /infill, in llama.cpp's form.
func (s *Server) infill(w http.ResponseWriter, r *http.Request) {
	var q struct {
		Prefix   string `json:"input_prefix"`
		Suffix   string `json:"input_suffix"`
		Prompt   string `json:"prompt"` // goes on from the prefix
		NPredict int    `json:"n_predict"`
		Stream   bool   `json:"stream"`
		sampling
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

func (s *Server) tokenize(w http.ResponseWriter, r *http.Request) {
	var q struct {
		Content      string `json:"content"`
		AddSpecial   bool   `json:"add_special"`
		ParseSpecial *bool  `json:"parse_special"`
		WithPieces   bool   `json:"with_pieces"`
	}
	if err := s.read(w, r, &q); err != nil {
		s.fail(w, err)
		return
	}
	ids := s.engine.Tokenizer().Encode(q.Content, tokenizer.EncodeOptions{AddSpecial: q.AddSpecial, ParseSpecial: or(q.ParseSpecial, true)})
	if !q.WithPieces {
		s.answer(w, http.StatusOK, map[string]any{"tokens": ids})
		return
	}
	pieces := []any{}
	for _, id := range ids {
		pieces = append(pieces, map[string]any{"id": id, "piece": string(s.engine.Tokenizer().Render(id))})
	}
	s.answer(w, http.StatusOK, map[string]any{"tokens": pieces})
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
