package server

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"sync"
	"time"

	"umbra"
	"umbra/model/tokenizer"
	"umbra/scheduler"
)

// completionRequest is the body of /v1/completions.
type completionRequest struct {
	Model         string        `json:"model"`
	Prompt        prompts       `json:"prompt"`
	Suffix        string        `json:"suffix"`
	MaxTokens     *int          `json:"max_tokens"`
	BestOf        int           `json:"best_of"`
	Echo          bool          `json:"echo"`
	Stream        bool          `json:"stream"`
	StreamOptions streamOptions `json:"stream_options"`
	LogProbs      *int          `json:"logprobs"`
	sampling
}

// prompt is text, or tokens if that is nil.
type prompt struct {
	text   *string
	tokens []int32
}

// prompts reads a text, texts, tokens, or lists of tokens.
type prompts []prompt

// UnmarshalJSON reads any of these.
func (p *prompts) UnmarshalJSON(data []byte) error {
	var one string
	var texts []string
	var tokens []int32
	var lists [][]int32
	switch {
	case string(data) == "null":
	case json.Unmarshal(data, &one) == nil:
		*p = prompts{{text: &one}}
	case json.Unmarshal(data, &texts) == nil:
		for i := range texts {
			*p = append(*p, prompt{text: &texts[i]})
		}
	case json.Unmarshal(data, &tokens) == nil:
		*p = prompts{{tokens: tokens}}
	case json.Unmarshal(data, &lists) == nil:
		for _, l := range lists {
			*p = append(*p, prompt{tokens: l})
		}
	default:
		return invalid("", "a prompt or an input is a text, texts, tokens or lists of tokens")
	}
	return nil
}

// encode makes tokens of a prompt.
func (s *Server) encode(p prompt) []int32 {
	if p.text == nil {
		return p.tokens
	}
	return s.engine.Tokenizer().Encode(*p.text, tokenizer.EncodeOptions{AddSpecial: true, ParseSpecial: true})
}

// middle is the prompt by which the model fills in what is between two texts.
func (s *Server) middle(before, after string) ([]int32, error) {
	t := s.engine.Tokenizer()
	prefix, suffix, middle, ok := t.FIM()
	if !ok {
		return nil, invalid("suffix", "the model has no tokens for filling in the middle")
	}
	var ids []int32
	if id, has := t.BOS(); has && len(t.Encode("", tokenizer.EncodeOptions{AddSpecial: true})) > 0 {
		ids = append(ids, id)
	}
	ids = append(append(ids, prefix), t.Encode(before, tokenizer.EncodeOptions{})...)
	ids = append(append(ids, suffix), t.Encode(after, tokenizer.EncodeOptions{})...)
	return append(ids, middle), nil
}

// completions answers /v1/completions.
func (s *Server) completions(w http.ResponseWriter, r *http.Request) {
	var q completionRequest
	err := s.read(w, r, &q)
	var requests []umbra.Request
	if err == nil {
		requests, err = s.completionRequests(&q)
	}
	if err != nil {
		s.fail(w, err)
		return
	}
	a := &completionAnswer{s: s, q: &q, n: max(1, q.N), id: "cmpl-" + rand.Text(), created: time.Now().Unix()}
	a.texts = make([]completionText, len(requests)*a.n)
	if q.Stream {
		a.stream = s.startStream(w)
	}
	err = a.run(r.Context(), requests)
	s.conclude(w, a.stream, err, a.finish, func() any { return a.whole() })
}

// completionRequests makes the engine's requests of the body, one a prompt.
func (s *Server) completionRequests(q *completionRequest) ([]umbra.Request, error) {
	if err := s.known(q.Model); err != nil {
		return nil, err
	}
	if len(q.Prompt) == 0 {
		return nil, invalid("prompt", "there is no prompt")
	}
	r, err := s.request(q.sampling)
	if err != nil {
		return nil, err
	}
	if r.MaxTokens = or(q.MaxTokens, 16); r.MaxTokens < 1 {
		return nil, invalid("max_tokens", "max_tokens is %d, want at least 1", r.MaxTokens)
	}
	if r.BestOf = q.BestOf; q.BestOf != 0 && (q.BestOf < max(1, q.N) || q.Stream && q.BestOf > max(1, q.N)) {
		return nil, invalid("best_of", "best_of is %d: want at least n (%d), and no stream", q.BestOf, max(1, q.N))
	}
	if n := or(q.LogProbs, 0); n < 0 || n > 20 {
		return nil, invalid("logprobs", "logprobs is %d, want 0 to 20", n)
	} else if q.LogProbs != nil {
		r.LogProbs = n + 1
	}
	var requests []umbra.Request
	for _, p := range q.Prompt {
		one := r
		if q.Suffix == "" {
			one.Tokens = s.encode(p)
		} else if p.text == nil {
			return nil, invalid("suffix", "suffix goes with a prompt that is text")
		} else if one.Tokens, err = s.middle(*p.text, q.Suffix); err != nil {
			return nil, err
		}
		requests = append(requests, one)
	}
	return requests, nil
}

// completionAnswer gathers or streams what is generated for all prompts.
type completionAnswer struct {
	s       *Server
	q       *completionRequest
	n       int
	id      string
	created int64
	stream  *stream
	texts   []completionText // by choice: those of the first prompt, then of the next
	mu      sync.Mutex       // of usage
	usage   usage
}

type completionText struct {
	text   string
	likes  []scheduler.TokenLogProb
	reason scheduler.Reason
	sent   int // of likes
	offset int // of the text that was streamed
}

// run runs all requests at the same time; the first error ends all.
func (a *completionAnswer) run(ctx context.Context, requests []umbra.Request) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var running sync.WaitGroup
	for i, r := range requests {
		running.Go(func() {
			result, err := a.s.run(ctx, r, func(c umbra.Chunk) error { return a.take(i, c) })
			if err != nil {
				cancel(err)
				return
			}
			for j, end := range result.Answers {
				a.texts[i*a.n+j].reason = end.Reason
			}
			a.mu.Lock()
			defer a.mu.Unlock()
			a.usage.add(result)
		})
	}
	running.Wait()
	return context.Cause(ctx)
}

func (a *completionAnswer) take(i int, c umbra.Chunk) error {
	t := &a.texts[i*a.n+c.Answer]
	first := t.text == "" && len(t.likes) == 0
	if first && a.q.Echo {
		t.text = a.echo(i)
	}
	t.text += c.Text
	t.likes = append(t.likes, c.LogProbs...)
	if a.stream == nil || len(t.text) == t.offset && len(c.LogProbs) == 0 {
		return nil
	}
	return a.stream.send(a.object([]any{a.part(i*a.n+c.Answer, nil)}))
}

// echo is the text of a prompt.
func (a *completionAnswer) echo(i int) string {
	if p := a.q.Prompt[i]; p.text != nil {
		return *p.text
	}
	return a.s.engine.Tokenizer().Decode(a.q.Prompt[i].tokens)
}

// part is what a choice has gained since the last part.
func (a *completionAnswer) part(choice int, reason any) map[string]any {
	t := &a.texts[choice]
	p := map[string]any{"index": choice, "text": t.text[t.offset:], "finish_reason": reason, "logprobs": a.likelihoods(t.likes[t.sent:], t.offset)}
	t.offset, t.sent = len(t.text), len(t.likes)
	return p
}

func (a *completionAnswer) object(choices []any) map[string]any {
	return map[string]any{"id": a.id, "object": "text_completion", "created": a.created, "model": a.s.options.Model, "choices": choices}
}

func (a *completionAnswer) finish() {
	for i := range a.texts {
		a.stream.send(a.object([]any{a.part(i, finish(a.texts[i].reason))}))
	}
	if a.q.StreamOptions.IncludeUsage {
		last := a.object([]any{})
		last["usage"] = a.usage
		a.stream.send(last)
	}
	a.stream.raw([]byte("[DONE]"))
}

func (a *completionAnswer) whole() any {
	var choices []any
	for i := range a.texts {
		choices = append(choices, a.part(i, finish(a.texts[i].reason)))
	}
	whole := a.object(choices)
	whole["usage"] = a.usage
	return whole
}

// likelihoods are log-probabilities as completions have them.
func (a *completionAnswer) likelihoods(likes []scheduler.TokenLogProb, offset int) any {
	if a.q.LogProbs == nil {
		return nil
	}
	tokens, probs, tops, offsets := []string{}, []float64{}, []any{}, []int{}
	for _, p := range likes {
		text := string(a.s.engine.Tokenizer().Render(p.ID))
		top := map[string]float64{}
		for _, t := range p.Top {
			top[string(a.s.engine.Tokenizer().Render(t.ID))] = floor(t.LogProb)
		}
		tokens, probs, tops, offsets = append(tokens, text), append(probs, floor(p.LogProb)), append(tops, top), append(offsets, offset)
		offset += len(text)
	}
	return map[string]any{"tokens": tokens, "token_logprobs": probs, "top_logprobs": tops, "text_offset": offsets}
}
