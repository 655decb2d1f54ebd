package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"umbra"
	"umbra/cmd/umbra/internal/term"
	"umbra/model/gguf"
	"umbra/scheduler"
	"umbra/scheduler/pace"
	"umbra/testdata"
)

// speculationFlags say who proposes tokens.
type speculationFlags struct {
	Spec       string `enum:"off,ngram,draft" default:"off" help:"Verify several proposed tokens in a step, which changes no greedy token and no distribution: ngram proposes what followed the last tokens earlier in the text, draft what a smaller model finds likely. How many pay is measured, and may be none."`
	DraftModel string `placeholder:"FILE" help:"The smaller model of --spec draft, with the same tokens; named as -m is. Default: for the built-in model one that is built in too."`
	DraftMax   int    `placeholder:"N" help:"Propose at most this many tokens at once (default 7, at most 15)."`
	NGramFile  string `name:"ngram-file" placeholder:"FILE" help:"Text in which --spec ngram looks too, where the sequence's own has nothing."`
	SpecAlways bool   `help:"Propose as much as --draft-max allows, whether it pays or not; for measurements."`
}

func (f speculationFlags) validate() error {
	switch {
	case f.DraftMax < 0 || f.DraftMax > pace.Most:
		return fmt.Errorf("--draft-max %d must be from 1 to %d", f.DraftMax, pace.Most)
	case f.Spec == "off" && (f.DraftMax > 0 || f.SpecAlways):
		return errors.New("--draft-max and --spec-always need --spec draft or ngram")
	case f.DraftModel != "" && f.Spec != "draft":
		return errors.New("--draft-model needs --spec draft")
	case f.NGramFile != "" && f.Spec != "ngram":
		return errors.New("--ngram-file needs --spec ngram")
	}
	return nil
}

// open makes the options, and opens the draft model if there is one; close it when the engine is open. target is the
// model's file, "" for the built-in one.
func (f speculationFlags) open(target string) (s umbra.Speculation, close func(), err error) {
	close = func() {}
	if s.By, err = umbra.ParseProposer(f.Spec); err != nil {
		return s, close, err
	}
	s.Most, s.Always = f.DraftMax, f.SpecAlways
	if f.NGramFile != "" {
		text, err := os.ReadFile(f.NGramFile)
		if err != nil {
			return s, close, fmt.Errorf("--ngram-file: %w", err)
		}
		s.Texts = string(text)
	}
	if s.By != umbra.ByDraft {
		return s, close, nil
	}
	var file *gguf.File
	switch data := testdata.GopherDraft(); {
	case f.DraftModel != "":
		file, err = openNamed(f.DraftModel)
	case target != "":
		return s, close, usageError("--spec draft needs --draft-model: only the built-in model has a draft model built in")
	case data == nil:
		return s, close, errors.New("this binary has no draft model built in (it was built with the tag noembed): name one with --draft-model")
	default:
		file, err = gguf.Parse(data)
	}
	if err != nil {
		return s, close, err
	}
	s.Draft = file
	return s, func() { file.Close() }, nil
}

// speculatedText says what came of proposals.
func speculatedText(s scheduler.Speculated) string {
	var b strings.Builder
	fmt.Fprintf(&b, "proposals: %s", perTurn(s))
	if rates := acceptance(s); len(rates) > 0 {
		fmt.Fprintf(&b, "; accepted by position %s", strings.Join(rates, " "))
	}
	if t := s.Times; t.Drafts+t.Behind > 0 {
		fmt.Fprintf(&b, "; draft %.0f %% of the time", 100*draftShare(s))
	}
	if x := speedUp(s); x > 0 {
		fmt.Fprintf(&b, "; %.2f times as fast as without, by what steps have cost", x)
	}
	return b.String()
}

func perTurn(s scheduler.Speculated) string {
	return fmt.Sprintf("%s in %s that could have some (%s a step)", plural(s.Tokens, "token"), plural(s.Turns, "step"),
		term.Rate(s.Tokens, float64(s.Turns)))
}

// acceptance is the share of proposals accepted by position, in percent, of those positions that have any.
func acceptance(s scheduler.Speculated) (rates []string) {
	for i, n := range s.Proposed {
		if n > 0 {
			rates = append(rates, fmt.Sprintf("%.0f %%", 100*float64(s.Accepted[i])/float64(n)))
		}
	}
	return rates
}

// draftShare is the share of time in which proposals are made.
func draftShare(s scheduler.Speculated) float64 {
	t := s.Times
	if all := t.Step + t.Drafts + t.Behind; all > 0 {
		return (t.Drafts + t.Behind) / all
	}
	return 0
}

// speedUp is how many times longer the same tokens would have taken, 0 if that is not known.
func speedUp(s scheduler.Speculated) float64 {
	t := s.Times
	if all := t.Step + t.Drafts + t.Behind; all > 0 {
		return t.Plain / all
	}
	return 0
}
