package umbra

import (
	"context"
	"errors"
	"fmt"
	"time"

	"umbra/model/tokenizer"
	"umbra/scheduler"
	"umbra/scheduler/sample"
)

// DRYBreakers are the texts over which no repetition reaches (sample.DRY), unless others are asked for. Not to be changed.
var DRYBreakers = []string{"\n", ":", `"`, "*"}

// Request asks for a continuation.
type Request struct {
	// Prompt is the text to continue; special tokens in it are recognised, and the model's own first token is added.
	Prompt string
	// Tokens is the prompt as ids, just as they are, instead of Prompt.
	Tokens []int32
	// MaxTokens ends the continuation; 0 is until the model ends it or the context is full.
	MaxTokens int
	// Sampling chooses tokens; the zero value takes the likeliest (greedy).
	Sampling sample.Params
	// LogProbs, where it is above 0, has chunks tell of each token how likely it was, with the LogProbs-1 likeliest (scheduler.MaxLogProbs at
	// most). All logits are then read back.
	LogProbs int
	// Grammar, in GBNF (grammar.Parse), is what each answer is held to from its first token; "" is none. It goes without Beams. Log-probabilities stay the
	// model's own.
	Grammar string
	// JSONSchema, in its place, has each answer be JSON that the schema takes: what of JSON Schema that may be is in package jsonschema. "{}" takes any value.
	JSONSchema string
	// Calls, in the place of both, has each answer be text and calls of tools, or calls alone (OfferTools).
	Calls *Calls
	// Stop ends the continuation before the first of these texts.
	Stop []string
	// N is how many answers are made of the prompt, which is computed once; 0 is 1. Answer i is drawn with Seed+i.
	N int
	// Priority is this request's place where Options.Policy is scheduler.Priority: the higher before the lower.
	Priority int
	// BestOf, where it is above N, makes so many and gives the N that the model finds likeliest, best first, when all have
	// ended.
	BestOf int
	// Beams, where it is above 0, searches for likely answers instead of drawing them (package scheduler/beam), and gives the best
	// N by Answer.Score when the search has ended. It goes without BestOf, Stop and Sampling.
	Beams int
	// LengthPenalty and EarlyStopping are a beam search's, as in scheduler.Request.
	LengthPenalty float64
	EarlyStopping bool
	// IgnoreEnd goes on past the tokens by which the model ends a continuation; for measurements.
	IgnoreEnd bool
}

// Chunk is a piece of a continuation: whole UTF-8 characters, and the tokens since the last chunk of its answer.
type Chunk struct {
	Answer int // from 0 to N-1
	Text   string
	Tokens []int32
	// LogProbs are of each of Tokens, where Request.LogProbs asks for them.
	LogProbs []scheduler.TokenLogProb
	// At is when the step that gave it was over.
	At time.Time
}

// Result sums up a request.
type Result struct {
	// Reason and Usage are those of the first answer.
	Reason scheduler.Reason
	Usage  scheduler.Usage
	// Answers are all that have ended, by number.
	Answers []Answer
	// Prefill is the time from the request to its first token, Decode from there to the last. Where Request.BestOf is above N
	// or beams are searched all comes at the end, and Prefill is all of the time.
	Prefill, Decode time.Duration
	// Queued is the part of Prefill before the first step with tokens of it.
	Queued time.Duration
}

// Answer sums up one answer.
type Answer struct {
	Reason scheduler.Reason
	Usage  scheduler.Usage
	// LogProb is the sum of the natural logarithms of its tokens' probabilities, where Request.BestOf is above N or beams were
	// searched. Score is what the latter are compared by.
	LogProb, Score float64
}

// Generate continues a prompt and hands the text to emit as it comes; an error of emit ends it. It may be called from
// several goroutines. When ctx ends, what has come so far has been emitted and the error is ctx's.
func (e *Engine) Generate(ctx context.Context, r Request, emit func(Chunk) error) (Result, error) {
	if err := ctx.Err(); err != nil {
		return Result{}, err
	}
	prompt := r.Tokens
	if prompt == nil {
		if e.tokens == nil {
			return Result{}, errors.New("umbra: the model has no tokenizer; give Request.Tokens instead of Prompt")
		}
		prompt = e.tokens.Encode(r.Prompt, tokenizer.EncodeOptions{AddSpecial: true, ParseSpecial: true})
	}
	stop := e.eog
	if r.IgnoreEnd {
		stop = nil
	}
	held, err := e.grammar(r)
	if err != nil {
		return Result{}, err
	}
	start := time.Now()
	id, box, err := e.loop.add(scheduler.Request{
		Prompt: prompt, Grammar: held, MaxTokens: r.MaxTokens, Sampling: r.Sampling, Stop: r.Stop, StopTokens: stop, N: r.N, BestOf: r.BestOf, Priority: r.Priority, LogProbs: r.LogProbs,
		Beams: r.Beams, LengthPenalty: r.LengthPenalty, EarlyStopping: r.EarlyStopping})
	if err != nil {
		return Result{}, err
	}
	g := generation{emit: emit, start: start, left: max(1, r.N)}
	g.result.Answers = make([]Answer, g.left)
	if e.tokens != nil {
		for range g.left {
			g.streams = append(g.streams, e.tokens.Stream())
		}
	}
	done, cancelled := ctx.Done(), false
	for {
		select {
		case <-done:
			g.fail(ctx.Err())
			done = nil
		case <-box.ready:
			for _, d := range box.take() {
				if g.take(d) {
					return g.result, g.err
				}
			}
		}
		if g.err != nil && !cancelled { // ends with the event that Cancel brings
			cancelled = true
			e.loop.do(func() { e.loop.cancel(id) })
		}
	}
}

// generation turns one request's events into chunks and a result.
type generation struct {
	streams []*tokenizer.Stream // of each answer; none without a tokenizer
	emit    func(Chunk) error
	start   time.Time
	first   time.Time // when the first token came
	left    int       // answers that have not ended
	result  Result
	err     error
}

func (g *generation) fail(err error) {
	if g.err == nil {
		g.err = err
	}
}

// take handles an event and reports whether it was the last.
func (g *generation) take(d delivery) bool {
	if g.result.Queued == 0 && !d.begun.IsZero() {
		g.result.Queued = d.begun.Sub(g.start)
	}
	if g.first.IsZero() && d.Usage.Generated > 0 {
		g.first = d.at
		g.result.Prefill = d.at.Sub(g.start)
	}
	if !g.first.IsZero() {
		g.result.Decode = d.at.Sub(g.first)
	}
	if d.Answer == scheduler.AllAnswers {
		g.end(d)
		return true
	}
	ended := d.Reason != scheduler.Unfinished
	c := Chunk{Answer: d.Answer, Tokens: d.Tokens, LogProbs: d.LogProbs, At: d.at}
	if g.streams != nil {
		c.Text = g.streams[d.Answer].Bytes(d.Text)
		if ended {
			c.Text += g.streams[d.Answer].Flush()
		}
	}
	if g.err == nil && (c.Text != "" || len(c.Tokens) > 0) {
		g.fail(g.emit(c))
	}
	if !ended {
		return false
	}
	g.result.Answers[d.Answer] = Answer{d.Reason, d.Usage, d.LogProb, d.Score}
	if d.Answer == 0 {
		g.result.Reason, g.result.Usage = d.Reason, d.Usage
	}
	g.end(d)
	g.left--
	return g.left == 0
}

// end keeps the error that an end may stand for.
func (g *generation) end(d delivery) {
	switch d.Reason {
	case scheduler.Failed:
		g.fail(fmt.Errorf("umbra: %w", d.Err))
	case scheduler.Cancelled:
		g.fail(ErrClosed)
		if g.result.Reason == scheduler.Unfinished {
			g.result.Reason, g.result.Usage = d.Reason, d.Usage
		}
	}
}
