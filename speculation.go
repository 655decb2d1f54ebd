package umbra

import (
	"errors"
	"fmt"

	"umbra/model"
	"umbra/model/gguf"
	"umbra/model/tokenizer"
	"umbra/scheduler"
	"umbra/scheduler/ngram"
	"umbra/scheduler/pace"
)

// Proposer is where proposals of tokens come from.
type Proposer uint8

const (
	// NoProposals: each step gives a sequence one token.
	NoProposals Proposer = iota
	// ByText proposes what followed the last tokens before, in the request's own text or in Speculation.Texts.
	ByText
	// ByDraft proposes what a smaller model finds likely.
	ByDraft
)

var proposers = [...]string{"off", "ngram", "draft"}

// String returns the name that ParseProposer takes.
func (p Proposer) String() string {
	if int(p) < len(proposers) {
		return proposers[p]
	}
	return fmt.Sprintf("proposer %d", uint8(p))
}

// ParseProposer is what undoes String; "" is NoProposals.
func ParseProposer(name string) (Proposer, error) {
	if name == "" {
		return NoProposals, nil
	}
	for p, n := range proposers {
		if n == name {
			return Proposer(p), nil
		}
	}
	return 0, fmt.Errorf("umbra: proposals by %q are unknown, want off, ngram or draft", name)
}

// Speculation has a step verify several proposed tokens of a sequence at once. It changes how fast tokens come, but no
// greedy token, and of sampled ones only which are drawn: their distribution is the same.
type Speculation struct {
	By Proposer
	// Most is the most tokens proposed at once, at most pace.Most; 0 is 7. How many are depends on how many came true and
	// what they cost, as measured, down to none at all.
	Most int
	// Draft is the smaller model, with the tokenizer of the larger one. It is read while Open runs.
	Draft model.Source
	// Texts are what ByText looks in where the request's own text has nothing.
	Texts string
	// Always makes Most proposals wherever it can, whether they pay or not; for tests and measurements.
	Always bool
}

const defaultProposals = 7

// most is Most or its default.
func (s Speculation) most() int {
	if s.Most == 0 {
		return defaultProposals
	}
	return s.Most
}

// rows is how many rows of a step may verify proposals, so that their outputs have a place.
func (s Speculation) rows(sequences int) int {
	const all = 64 // where more sequences run than that, proposals do not pay
	if s.By == NoProposals {
		return 0
	}
	if sequences == 0 {
		sequences = model.DefaultSequences
	}
	return min(s.most()*sequences, max(all, s.most()))
}

// scheduler is the scheduler's part of it, for a model so sized.
func (s Speculation) scheduler(p model.Plan, tokens *tokenizer.Tokenizer) (*scheduler.Speculation, error) {
	if s.Most < 0 || s.Most > pace.Most {
		return nil, fmt.Errorf("umbra: %d proposals at once are asked for, want 1 to %d", s.Most, pace.Most)
	}
	c := &scheduler.Speculation{Most: s.most(), Outputs: p.Outputs, Always: s.Always}
	switch s.By {
	case NoProposals:
		return nil, nil
	case ByText:
		c.Text, c.Rates = true, pace.TextRates()
		if s.Texts != "" {
			if tokens == nil {
				return nil, errors.New("umbra: texts to propose from need a tokenizer, and the model has none")
			}
			c.Others = ngram.NewStatic(tokens.Encode(s.Texts, tokenizer.EncodeOptions{}))
		}
	case ByDraft:
		if s.Draft == nil {
			return nil, errors.New("umbra: proposals are to come from a draft model, and none is given")
		}
		c.Rates = pace.DraftRates()
	default:
		return nil, fmt.Errorf("umbra: proposals by %d are unknown, want NoProposals, ByText or ByDraft", s.By)
	}
	return c, nil
}

// openDraft opens the draft model on the first device, with room for what the model has room for.
func (e *Engine) openDraft(o Options) (*model.Model, error) {
	target, src := e.model.Plan(), o.Speculation.Draft
	c, err := model.PlanFor(src, model.Options{}, roomy)
	if err != nil {
		return nil, fmt.Errorf("umbra: the draft model: %w", err)
	}
	if err := sameTokens(e.tokens, target.Config.Vocab, src, c.Config); err != nil {
		return nil, err
	}
	context := min(target.Context, c.Config.Context)
	on := e.places.All[0]
	draft, err := model.NewTuned(on.Device, on.Tuning, src, model.Options{Context: context, Sequences: target.Sequences,
		BatchTokens: target.BatchTokens, Blocks: (max(target.Tokens(), context) + model.BlockSize - 1) / model.BlockSize, KVType: target.KVType, Warm: o.warm(), Lazy: o.Lazy})
	if err != nil {
		return nil, fmt.Errorf("umbra: the draft model: %w", err)
	}
	return draft, nil
}

// sameTokens returns an error unless a draft model's tokens are the target's.
func sameTokens(target *tokenizer.Tokenizer, vocabulary int, draft model.Source, c model.Config) error {
	if c.Vocab != vocabulary {
		return fmt.Errorf("umbra: the draft model has %d tokens, the model %d; they must be the same", c.Vocab, vocabulary)
	}
	f, ok := draft.(*gguf.File)
	if target == nil || !ok {
		return nil // no names to compare
	}
	t, err := tokenizer.New(f)
	if err != nil {
		return fmt.Errorf("umbra: the draft model: %w", err)
	}
	if err := target.Differs(t); err != nil {
		return fmt.Errorf("umbra: the draft model has other tokens than the model: %w", err)
	}
	return nil
}

// Speculated is what has come of proposals so far.
func (e *Engine) Speculated() (s scheduler.Speculated) {
	e.loop.do(func() { s = e.loop.scheduler.Stats().Speculated })
	return s
}
