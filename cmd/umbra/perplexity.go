package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"umbra/cmd/umbra/internal/term"
	"umbra/model"
	"umbra/model/klfile"
	"umbra/model/score"
)

// perplexityCommand measures how well a model foretells a text, and how far it is from another.
type perplexityCommand struct {
	Context int    `name:"ctx" placeholder:"TOKENS" help:"Tokens of a window (default 512)."`
	Stride  int    `placeholder:"N" help:"Count as llama.cpp does with --ppl-stride: a window begins every so many tokens, and its last so many are scored."`
	KLBase  string `name:"kl-base" placeholder:"FILE" help:"Save what this model makes of each scored token to a file (.umbra-kl)."`
	KL      string `name:"kl" placeholder:"FILE" help:"Compare with the model that such a file was saved with, over its text and windows."`
	JSON    bool   `help:"Write JSON."`
	scoringFlags
}

func (perplexityCommand) Help() string {
	return `Perplexity is exp of the mean of negative log-probabilities of a text's tokens, each given those before
it. It is counted as llama.cpp's tool counts, so that figures compare: windows without overlap, BOS
first in each where the tokenizer adds one, the second half of each scored; a rest shorter than a
window is left out. With --stride windows overlap and begin with the text's own tokens. Windows run
together, as sequences of the same steps.

--kl-base saves two bytes for each token of the vocabulary and each scored token of the text, less what
compression takes off; --kl reads the text from there. It gives the mean Kullback-Leibler divergence
of the base model from this one in nats, how often both have the same likeliest token, and how far the
probabilities of the text's own tokens are apart. The standard error is after +-.

Examples:
  umbra perplexity notes.txt
  umbra perplexity -m model.gguf --ctx 2048 - < notes.txt
  umbra perplexity -m f16.gguf --kl-base f16.umbra-kl notes.txt
  umbra perplexity -m q4_0.gguf --kl f16.umbra-kl
  umbra perplexity --stride 128 --json notes.txt`
}

// Validate refuses what parsing alone cannot.
func (p *perplexityCommand) Validate() error {
	switch {
	case p.KL != "" && (p.given() || p.Context != 0 || p.Stride != 0 || p.Windows != 0 || p.KLBase != ""):
		return errors.New("--kl takes text, --ctx, --stride and --windows from its file; leave them, and --kl-base, out")
	case p.KL == "" && !p.given():
		return errors.New("give a text file, or - to read the text from standard input")
	case p.Context < 0:
		return fmt.Errorf("--ctx %d must be at least 4", p.Context)
	}
	if p.Context == 0 {
		p.Context = defaultWindow
	}
	if p.KL == "" {
		if err := (score.Counting{Context: p.Context, Stride: p.Stride}).Check(); err != nil {
			return err
		}
	}
	return p.scoringFlags.validate()
}

// perplexityReport is what perplexity finds out, with the names that scripts may rely on.
type perplexityReport struct {
	Model   string `json:"model"`
	Adapter string `json:"adapter"`
	KVType  string `json:"kv_type"`
	score.Counting
	Tokens     int             `json:"tokens"` // of the text
	Windows    int             `json:"windows"`
	Scored     int             `json:"scored"`
	Seconds    float64         `json:"seconds"`
	NLL        score.Estimate  `json:"nll"` // mean negative log-probability, nats
	Perplexity score.Estimate  `json:"perplexity"`
	Base       string          `json:"base,omitempty"` // model of --kl
	Compared   *score.Compared `json:"compared,omitempty"`
}

func (p *perplexityCommand) Run(c *console) error {
	s, err := p.file()
	if err != nil {
		return err
	}
	defer s.close()
	t, err := p.task(c, s)
	if err != nil {
		return err
	}
	defer t.close()
	if err := p.open(c, s, t.counting.Context, nil); err != nil {
		return err
	}
	ctx, stop := untilInterrupted()
	defer stop()
	r := perplexityReport{Model: s.name, Adapter: s.places.Adapters(), KVType: p.KVType, Counting: t.counting,
		Tokens: len(t.tokens), Windows: len(t.windows), Scored: score.Scored(t.windows)}
	c.say("%s: %s, %s of %d, %s scored", s.name, plural(r.Tokens, "token"), plural(r.Windows, "window"),
		t.counting.Context, plural(r.Scored, "token"))
	start := time.Now()
	if err := t.run(ctx, c, s, &r); err != nil {
		return interrupted(ctx, err)
	}
	r.Seconds = time.Since(start).Seconds()
	rows := r.Windows * (t.counting.Context - 1)
	c.say("%s rows in %.1f s, %s tok/s", term.Count(uint64(rows)), r.Seconds, term.Rate(rows, r.Seconds))
	if p.JSON {
		return writeJSON(c.out, r)
	}
	return r.write(c.out)
}

// task is a text in windows, and the files that take part.
type task struct {
	counting score.Counting
	tokens   []int32
	windows  []score.Window
	save     *klfile.Writer // nil without --kl-base
	base     *klfile.Reader // nil without --kl
}

// task reads the text, or the base's file.
func (p *perplexityCommand) task(c *console, s *scorer) (t *task, err error) {
	t = &task{counting: score.Counting{Context: p.Context, Stride: p.Stride}}
	if p.KL != "" {
		return t, t.open(p.KL, s)
	}
	text, err := p.read(c)
	if err != nil {
		return nil, err
	}
	var bos int32
	t.tokens, bos = score.Tokens(s.tokenizer, text)
	if t.windows, err = t.counting.Windows(t.tokens, bos); err != nil {
		return nil, fmt.Errorf("%s: %w", p.name(), err)
	}
	t.windows = p.limited(t.windows)
	if p.KLBase == "" {
		return t, nil
	}
	t.save, err = klfile.Create(p.KLBase, klfile.Header{
		Model: filepath.Base(s.name), Fingerprint: model.Fingerprint(s.file), Tokenizer: score.Vocabulary(s.tokenizer), Vocab: s.tokenizer.Size(),
		Context: p.Context, Stride: p.Stride, BOS: bos, Rows: score.Scored(t.windows),
	}, t.tokens)
	return t, err
}

// open takes text and counting from a base's file, which must be of the same tokenizer.
func (t *task) open(path string, s *scorer) (err error) {
	if t.base, err = klfile.Open(path); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			t.close()
			err = fmt.Errorf("%s: %w", path, err)
		}
	}()
	h := t.base.Header
	if h.Tokenizer != score.Vocabulary(s.tokenizer) {
		return fmt.Errorf("it belongs to a model with another tokenizer (%s, %s); models that compare share one", h.Model, plural(h.Vocab, "token"))
	}
	t.counting, t.tokens = score.Counting{Context: h.Context, Stride: h.Stride}, t.base.Tokens
	all, err := t.counting.Windows(t.tokens, h.BOS)
	if err != nil {
		return err
	}
	for len(all) > 0 && score.Scored(all) > h.Rows {
		all = all[:len(all)-1]
	}
	t.windows = all
	return nil
}

func (t *task) close() {
	if t.save != nil {
		t.save.Close()
	}
	if t.base != nil {
		t.base.Close()
	}
}

// run scores the windows and fills the report in.
func (t *task) run(ctx context.Context, c *console, s *scorer, r *perplexityReport) (err error) {
	report, end := progress(c.bars)
	defer end()
	var nll score.Mean
	switch {
	case t.base != nil:
		var all score.Comparison
		if all, err = score.Compare(ctx, s.model, t.windows, t.base, report); err != nil {
			return err
		}
		compared := all.Result()
		r.Base, r.Compared, nll = t.base.Header.Model, &compared, all.NLL()
	case t.save != nil:
		nll, err = score.Save(ctx, s.model, t.windows, t.save, report)
	default:
		nll, err = score.Perplexity(ctx, s.model, t.windows, report)
	}
	if err != nil {
		return err
	}
	r.NLL = score.Estimate{Value: nll.Value(), Error: nll.Error()}
	r.Perplexity.Value, r.Perplexity.Error = nll.Perplexity()
	return nil
}

// write writes the report for people; the perplexity comes last.
func (r perplexityReport) write(w io.Writer) error {
	if k := r.Compared; k != nil {
		t := term.NewTable("against "+r.Base, ">", ">+-")
		row := func(name, format string, scale float64, e score.Estimate) {
			t.Row(name, fmt.Sprintf(format, scale*e.Value), fmt.Sprintf(format, scale*e.Error))
		}
		row("perplexity of the base", "%.4f", 1, k.Base)
		row("perplexity over the base's", "%.6f", 1, k.Ratio)
		row("mean KL divergence", "%.6f", 1, k.KL)
		t.Row("median", fmt.Sprintf("%.6f", k.MedianKL))
		t.Row("99 % below", fmt.Sprintf("%.6f", k.KL99))
		t.Row("largest", fmt.Sprintf("%.6f", k.MaxKL))
		row("same likeliest token, %", "%.3f", 100, k.SameBest)
		row("RMS change of probability, %", "%.3f", 100, k.RMS)
		row("mean change, %", "%.3f", 100, k.Change)
		t.Row("largest change, %", fmt.Sprintf("%.3f", 100*k.Largest))
		if _, err := t.WriteTo(w); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(w, "perplexity: %.4f +- %.4f\n", r.Perplexity.Value, r.Perplexity.Error)
	return err
}
