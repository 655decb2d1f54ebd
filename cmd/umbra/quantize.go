package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"umbra/cmd/umbra/internal/term"
	"umbra/model/gguf"
	"umbra/model/hf"
	"umbra/model/imatrix"
	"umbra/model/quant/mix"
	"umbra/model/quantize"
)

// quantizeCommand writes a model in fewer bits.
type quantizeCommand struct {
	Tensor  []string `sep:"none" placeholder:"PATTERN=TYPE" help:"Type of the tensors whose names a regular expression finds; may be repeated, the first that matches counts."`
	Imatrix string   `placeholder:"FILE" help:"Importance matrix (GGUF): columns that see large inputs count for more."`
	Threads int      `placeholder:"N" help:"Goroutines at work. Default: one per core."`
	DryRun  bool     `help:"Show what each tensor would become, and write nothing."`
	In      string   `arg:"" help:"Model: a file (GGUF), a folder of Hugging Face's, or a name as umbra pull takes it."`
	Out     string   `arg:"" help:"File to write."`
	Type    string   `arg:"" help:"What to make: ${mixes}."`
}

func (quantizeCommand) Help() string {
	return `Most matrices get the type that TYPE names, those that cost much when they are coarse more bits, vectors
stay as they are: docs/quantization.md has the tables. OUT.gguf appears when it is whole: until then there is a
temporary file beside it, which an error or an interrupt removes.

Examples:
  umbra quantize model-f16.gguf model-q4_k_m.gguf q4_k_m
  umbra quantize --tensor ffn_down=q6_k --tensor '^output=q8_0' model-f16.gguf out.gguf q4_k_s
  umbra quantize --imatrix imatrix.gguf model-f16.gguf out.gguf iq4_xs`
}

// Validate refuses what parsing alone cannot.
func (q *quantizeCommand) Validate() error {
	if q.Threads < 0 {
		return fmt.Errorf("--threads %d must be at least 1", q.Threads)
	}
	if _, err := mix.Named(q.Type); err != nil {
		return errors.New(strings.TrimPrefix(err.Error(), "mix: "))
	}
	_, err := q.overrides()
	return err
}

// overrides reads the --tensor flags.
func (q *quantizeCommand) overrides() (all []mix.Override, err error) {
	for _, text := range q.Tensor {
		o, err := mix.ParseOverride(text)
		if err != nil {
			return nil, fmt.Errorf("--tensor: %s", strings.TrimPrefix(err.Error(), "mix: "))
		}
		all = append(all, o)
	}
	return all, nil
}

func (q *quantizeCommand) Run(c *console) error {
	o := quantize.Options{Workers: q.Threads, Warn: func(s string) { c.warn("%s", s) }}
	var err error
	if o.Mix, err = mix.Named(q.Type); err != nil {
		return err
	}
	if o.Overrides, err = q.overrides(); err != nil {
		return err
	}
	in, err := located(q.In)
	if err != nil {
		return err
	}
	f, err := hf.OpenAny(in)
	if err != nil {
		return err
	}
	defer f.Close()
	if same(in, q.Out) {
		return fmt.Errorf("%s and %s are the same file; write to another", q.In, q.Out)
	}
	if q.Imatrix != "" {
		if o.Importance, err = imatrix.Load(q.Imatrix); err != nil {
			return err
		}
		o.ImportanceName = filepath.Base(q.Imatrix)
	}
	if q.DryRun {
		p, err := quantize.PlanFor(f, o)
		if err != nil {
			return err
		}
		for _, w := range p.Warnings {
			o.Warn(w)
		}
		return writePlan(c.out, p)
	}
	p, err := writeModel(c, "quantizing", f, q.Out, o)
	if err != nil {
		return err
	}
	return q.summary(c.out, f, p)
}

// writeModel writes a model's file, drawing how far it is, until it is interrupted.
func writeModel(c *console, doing string, f *gguf.File, out string, o quantize.Options) (quantize.Plan, error) {
	ctx, stop := untilInterrupted()
	defer stop()
	progress := term.NewProgress(c.bars, doing)
	o.Progress = progress.Set
	p, err := quantize.File(ctx, f, out, o)
	progress.End()
	if errors.Is(err, context.Canceled) {
		return quantize.Plan{}, errInterrupted
	}
	return p, err
}

// same reports whether two paths are of one file.
func same(a, b string) bool {
	x, err := os.Stat(a)
	if err != nil {
		return false
	}
	y, err := os.Stat(b)
	return err == nil && os.SameFile(x, y)
}

// summary writes what a file has become: its tensors by type, and sizes.
func (q *quantizeCommand) summary(w io.Writer, f *gguf.File, p quantize.Plan) error {
	type sum struct {
		tensors       int
		values, bytes uint64
	}
	sums := map[gguf.Type]*sum{}
	var types []gguf.Type
	var before uint64
	for _, t := range p.Tensors {
		if sums[t.To] == nil {
			sums[t.To] = &sum{}
			types = append(types, t.To)
		}
		s := sums[t.To]
		s.tensors, s.values, s.bytes = s.tensors+1, s.values+t.Elements(), s.bytes+t.Bytes
		before += t.Size
	}
	slices.SortFunc(types, func(a, b gguf.Type) int { return int(int64(sums[b].bytes) - int64(sums[a].bytes)) })
	table := term.NewTable("type", ">tensors", ">parameters", ">bytes")
	for _, t := range types {
		table.Row(t.String(), fmt.Sprint(sums[t].tensors), term.Count(sums[t].values), term.Count(sums[t].bytes))
	}
	if _, err := table.WriteTo(w); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "%s: tensors of %s, %.2f bits per weight; they were %s\n", q.Out, term.Bytes(p.Bytes()), p.BitsPerWeight(), term.Bytes(before))
	return err
}

// writePlan lists what each tensor would become.
func writePlan(w io.Writer, p quantize.Plan) error {
	t := term.NewTable("tensor", ">shape", "type", "becomes", ">bytes")
	for _, x := range p.Tensors {
		t.Row(x.Name, shapeText(x.Dims), x.Type.String(), x.To.String(), term.Count(x.Bytes))
	}
	if _, err := t.WriteTo(w); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "%s, %.2f bits per weight\n", term.Bytes(p.Bytes()), p.BitsPerWeight())
	return err
}
