package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"umbra"
	"umbra/cmd/umbra/internal/bench"
	"umbra/cmd/umbra/internal/term"
	"umbra/gpu"
	"umbra/model"
	"umbra/scheduler"
)

// specFlags are those of bench spec.
type specFlags struct {
	Text []string `group:"spec" placeholder:"FILE" help:"Take prompts from this file, in place of the built-in ones; may be repeated."`
}

func (b benchCommand) validateSpec() error {
	if err := b.speculationFlags.validate(); err != nil {
		return err
	}
	switch spec := b.What == "spec" || b.What == "model" && b.Spec != "off"; {
	case spec && (b.Runs < 1 || slices.Min(b.Batch) < 1 || b.Generate[0] < 2):
		return errors.New("-r and -b must be at least 1, and -n 2")
	case len(b.Text) > 0 && !spec:
		return errors.New("--text is for `bench spec`")
	case b.Spec != "off" && b.What == "ops":
		return errors.New("--spec is for a model, serve or spec; kernels propose nothing")
	case b.Spec != "off" && b.Simulate:
		return errors.New("--spec needs a model; --simulate has none")
	}
	return nil
}

// specReport is the JSON form.
type specReport struct {
	Adapter  gpu.AdapterInfo
	Adapters string // the names of all
	Limits   string
	Model    string
	Type     string `json:",omitempty"`
	Tokens   int    // of each continuation
	Runs     []specRun
}

// specRun is one line of the table.
type specRun struct {
	Proposer string
	bench.Compared
	Speculated scheduler.Speculated // of all rounds
}

// spec compares decoding with proposals and without.
func (b benchCommand) spec(c *console) error {
	ctx, stop := untilInterrupted()
	defer stop()
	by := []string{b.Spec}
	if b.Spec == "off" {
		by = []string{"draft", "ngram"}
	}
	works, err := b.works()
	if err != nil {
		return err
	}
	if b.Shape != "" {
		return usageError("proposals need a model that has learnt something; give one with -m, not --shape")
	}
	var report specReport
	for _, name := range by {
		flags := b.speculationFlags
		flags.Spec = name
		if err := b.compare(ctx, c, flags, works, &report); err != nil {
			return err
		}
	}
	if b.JSON {
		return writeJSON(c.out, report)
	}
	fmt.Fprintf(c.out, "%s, %s: tok/s of continuations of %s\n", strings.TrimSpace(report.Model+" "+report.Type), report.Adapters, plural(report.Tokens, "token"))
	t := term.NewTable("proposals by", "text", ">sequences", ">without", ">with", ">ratio", ">from", ">to", ">tokens a step", ">draft", "accepted by position")
	for _, r := range report.Runs {
		s := r.Speculated
		t.Row(r.Proposer, r.Text, fmt.Sprint(r.Sequences), fmt.Sprintf("%.1f", r.Plain), fmt.Sprintf("%.1f", r.With), fmt.Sprintf("%.2f", r.Ratio),
			fmt.Sprintf("%.2f", r.Least), fmt.Sprintf("%.2f", r.Most), term.Rate(s.Tokens, float64(s.Turns)), percent(draftShare(s)), strings.Join(acceptance(s), " "))
	}
	_, err = t.WriteTo(c.out)
	return err
}

// works are the texts to continue.
func (b benchCommand) works() ([]bench.Work, error) {
	if len(b.Text) == 0 {
		return bench.Works(), nil
	}
	var texts []string
	for _, path := range b.Text {
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("--text: %w", err)
		}
		texts = append(texts, string(text))
	}
	return bench.WorksOf(texts), nil
}

// compare runs all texts and numbers of sequences with one kind of proposals.
func (b benchCommand) compare(ctx context.Context, c *console, flags speculationFlags, works []bench.Work, report *specReport) error {
	most := 1
	for _, n := range b.Batch {
		most = max(most, n)
	}
	n := b.Generate[0]
	o := umbra.Options{Adapter: b.Adapter, Split: b.Split, MicroBatch: b.MicroBatch, Limits: gpu.LimitSet(b.Limits), KVType: b.KVType, Sequences: most, Context: bench.WorkContext + n,
		Tuned: true, Warn: func(err error) { c.warn("%v", err) }}
	o.Blocks = (most + bench.WorkPrompts) * ((o.Context + model.BlockSize - 1) / model.BlockSize)
	plain, err := openEngine(c, b.File, o)
	if err != nil {
		return err
	}
	defer plain.Close()
	speculation, end, err := flags.open(b.File)
	if err != nil {
		return err
	}
	o.Speculation = speculation
	with, err := openEngine(c, b.File, o)
	end()
	if err != nil {
		return err
	}
	defer with.Close()
	report.Adapters = plain.Info().Adapters()
	report.Adapter, report.Limits, report.Model, report.Type, report.Tokens = plain.Info().Adapter, b.Limits, cmp.Or(b.File, embeddedName), b.typeName(), n
	c.say("%s", chosen(plain.Info().Verdicts))
	sayLines(c, plain.Placed())
	for _, w := range works {
		for _, sequences := range b.Batch {
			before := with.Speculated()
			r, err := bench.Compare(ctx, plain, with, w, sequences, n, b.Runs)
			if ctx.Err() != nil {
				return errInterrupted
			}
			if err != nil {
				return fmt.Errorf("%s, %s: %w", w.Name, plural(sequences, "sequence"), err)
			}
			report.Runs = append(report.Runs, specRun{flags.Spec, r, with.Speculated().Since(before)})
			c.say("%s, %s, %s: %.2f", flags.Spec, w.Name, plural(sequences, "sequence"), r.Ratio)
		}
	}
	return nil
}
