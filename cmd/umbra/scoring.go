package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"umbra/cmd/umbra/internal/term"
	"umbra/internal/places"
	"umbra/model"
	"umbra/model/gguf"
	"umbra/model/score"
	"umbra/model/tokenizer"
)

// scoringFlags are shared by the commands that run a text through a model in windows.
type scoringFlags struct {
	Model          string `short:"m" placeholder:"FILE" help:"Model: a file (GGUF), a folder of Hugging Face's, or a name as umbra pull takes it. Default: the built-in one."`
	File           string `short:"f" placeholder:"FILE" help:"Read the text from this file, as the argument does."`
	Windows        int    `placeholder:"N" help:"Run at most this many windows. Default: all of the text."`
	KVType         string `name:"kv-type" enum:"f32,f16,int8" default:"f32" help:"Keep keys and values as f32, f16 or int8 (${default})."`
	MaxBatchTokens int    `placeholder:"N" help:"Compute at most this many token rows in a step. Default: 512."`
	adaptersFlag
	Text string `arg:"" optional:"" placeholder:"FILE" help:"The text's file, or - for standard input."`
}

// defaultWindow is how many tokens a window has where nothing else is said, as in llama.cpp's tools.
const defaultWindow = 512

func (f scoringFlags) validate() error {
	switch {
	case f.File != "" && f.Text != "":
		return errors.New("the argument and --file are two texts; give one")
	case f.Windows < 0:
		return fmt.Errorf("--windows %d must be at least 1", f.Windows)
	case f.MaxBatchTokens < 0:
		return fmt.Errorf("--max-batch-tokens %d must be at least 1", f.MaxBatchTokens)
	}
	return nil
}

// given reports whether there is a text.
func (f scoringFlags) given() bool { return f.File != "" || f.Text != "" }

// name is the text's, for people.
func (f scoringFlags) name() string {
	switch {
	case f.File != "":
		return f.File
	case f.Text == "-":
		return "standard input"
	}
	return f.Text
}

// read reads the text.
func (f scoringFlags) read(c *console) (string, error) {
	if f.Text == "-" {
		return readText(c, "-")
	}
	data, err := os.ReadFile(f.File + f.Text) // one of them is empty
	return string(data), err
}

// scorer is a model opened for windows of a text.
type scorer struct {
	file      *gguf.File
	name      string
	tokenizer *tokenizer.Tokenizer
	places    *places.Places
	model     *model.Model
}

// file opens the model's file and tokenizer.
func (f scoringFlags) file() (s *scorer, err error) {
	s = &scorer{}
	if s.file, s.name, err = openModel(f.Model); err != nil {
		return nil, err
	}
	if s.tokenizer, err = tokenizer.New(s.file); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// open brings the model to its devices, in shape for windows of so many tokens; more may change its options.
func (f scoringFlags) open(c *console, s *scorer, tokens int, more func(o *model.Options)) (err error) {
	kv, err := model.ParseKVType(f.KVType)
	if err != nil {
		return err
	}
	if s.places, err = f.adaptersFlag.open(c, false); err != nil {
		return err
	}
	sayPlaces(c, s.places)
	o, err := score.Sizes(s.file, tokens, f.MaxBatchTokens, s.places.Narrowest())
	if err != nil {
		return err
	}
	bar := term.NewProgress(c.bars, "loading")
	defer bar.End()
	o.KVType, o.Lazy, o.Progress = kv, true, bar.Set
	if more != nil {
		more(&o)
	}
	o.MicroBatch = f.MicroBatch
	if s.model, err = s.places.Load(s.file, o); err != nil {
		return err
	}
	sayLines(c, s.places.Says(s.model.Plan()))
	if n, vocab := s.tokenizer.Size(), s.model.Plan().Config.Vocab; n != vocab {
		return fmt.Errorf("the tokenizer has %d tokens, the model %d rows of embeddings", n, vocab)
	}
	return nil
}

func (s *scorer) close() {
	if s.model != nil {
		s.model.Release()
	}
	if s.places != nil {
		s.places.Release()
	}
	s.file.Close()
}

// limited leaves out windows past --windows.
func (f scoringFlags) limited(all []score.Window) []score.Window {
	if f.Windows > 0 {
		return all[:min(len(all), f.Windows)]
	}
	return all
}

// progress shows how far scoring is, with the perplexity until there. end takes it away.
func progress(w io.Writer) (report score.Progress, end func()) {
	bar := term.NewCount(w, "scoring", "tok")
	return func(done, total int, nll score.Mean) {
		value, err := nll.Perplexity()
		bar.Describe(fmt.Sprintf("perplexity %.4g +- %.2g", value, err))
		bar.Set(int64(done), int64(total))
	}, bar.End
}

// interrupted makes the end of a context the command's own.
func interrupted(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return errInterrupted
	}
	return err
}
