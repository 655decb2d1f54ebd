package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"umbra"
	"umbra/cmd/umbra/internal/serve"
	"umbra/cmd/umbra/internal/term"
	"umbra/gpu"
	"umbra/model"
	"umbra/scheduler"
)

// serveFlags are those of bench serve.
type serveFlags struct {
	capacityFlags
	Context      int           `name:"ctx" group:"serve" placeholder:"TOKENS" help:"Longest sequence. Default: the model's own, up to 8192."`
	Requests     int           `group:"serve" placeholder:"N" default:"100" help:"Requests to send (${default})."`
	Rate         serve.Rate    `group:"serve" placeholder:"R" default:"inf" help:"Mean arrivals a second, at random (Poisson); inf sends all at once (${default})."`
	PromptLen    serve.Lengths `group:"serve" placeholder:"LENGTHS" default:"lognormal" help:"Tokens of prompts: fixed:N, uniform:A,B or lognormal:MEDIAN,SIGMA. Default: lognormal:98,1, mean 161, as ShareGPT's."`
	OutputLen    serve.Lengths `group:"serve" placeholder:"LENGTHS" default:"lognormal" help:"Tokens generated, whatever the model says. Default: lognormal:205,1, mean 338, as ShareGPT's."`
	SharedPrefix int           `group:"serve" placeholder:"N" help:"Begin all prompts with the same N tokens."`
	Seed         uint64        `group:"serve" default:"1" help:"Same seed, same requests (${default})."`
	Policy       serve.Policy  `group:"serve" default:"continuous" enum:"continuous,static" help:"continuous, or static: batches that run until all of their sequences have ended, each of which reserves the whole context in as much KV memory."`
	Compare      bool          `group:"serve" help:"Measure both policies, one after the other."`
	Synchronous  bool          `group:"serve" help:"Lay no step out before the one before it is over."`
	Simulate     bool          `group:"serve" help:"No device: the scheduler alone, before a clock that goes on by --step-cost + rows × --row-cost + context tokens read × --context-cost. Without -m or --shape, of llama3.1-8b."`
	StepCost     time.Duration `group:"serve" default:"4ms" help:"Of --simulate (${default}; defaults fit llama3.1-8b Q4_0 on an H200 within 20 %)."`
	RowCost      time.Duration `group:"serve" default:"690us" help:"Of --simulate (${default})."`
	ContextCost  time.Duration `group:"serve" default:"120ns" help:"Of --simulate (${default})."`
}

func (f serveFlags) validate() error {
	switch {
	case f.Context < 0:
		return fmt.Errorf("--ctx %d must be at least 1; leave it out for the model's own", f.Context)
	case f.Requests < 1:
		return fmt.Errorf("--requests %d must be at least 1", f.Requests)
	case f.SharedPrefix < 0:
		return fmt.Errorf("--shared-prefix %d must be at least 0", f.SharedPrefix)
	case f.StepCost <= 0 || f.RowCost < 0 || f.ContextCost < 0:
		return fmt.Errorf("--step-cost %v must be above 0, --row-cost %v and --context-cost %v at least 0", f.StepCost, f.RowCost, f.ContextCost)
	}
	return f.capacityFlags.validate()
}

// serveReport is the JSON form.
type serveReport struct {
	Adapter   *gpu.AdapterInfo `json:",omitempty"` // nil where simulated
	Limits    string           // adapter or floor
	Model     string
	Type      string `json:",omitempty"`
	KVType    string
	Context   int
	Sequences int
	Rows      int // at most in a step
	KVTokens  int
	Tuned     int // choices of umbra tune that were in use
	Rate      string
	Prompt    string
	Output    string
	Shared    int
	Seed      uint64
	Runs      []serve.Report
}

// serve puts a load on a model.
func (b benchCommand) serve(c *console) error {
	f := b.serveFlags
	if f.Simulate && b.File == "" && b.Shape == "" {
		b.Shape, b.Type = "llama3.1-8b", "q4_0"
	}
	source, name, done, err := b.source()
	if err != nil {
		return err
	}
	defer done()
	o := umbra.Options{Adapter: b.Adapter, Split: b.Split, MicroBatch: b.MicroBatch, Limits: gpu.LimitSet(b.Limits), Context: f.Context, KVType: b.KVType, Synchronous: f.Synchronous,
		Tuned: true, Warn: func(err error) { c.warn("%v", err) }}
	f.capacityFlags.apply(&o, 0)
	plan, err := umbra.PlanFor(source, o)
	if err != nil {
		return err
	}
	speculation, end, err := b.speculationFlags.open(b.File)
	if err != nil {
		return err
	}
	defer end()
	o.Speculation = speculation
	load := serve.Load{Requests: f.Requests, Rate: f.Rate, Prompt: f.PromptLen.Or(serve.ChatPrompts), Output: f.OutputLen.Or(serve.ChatOutputs),
		Shared: f.SharedPrefix, Seed: f.Seed}
	items, err := load.Items(min(plan.Context, plan.Tokens()), plan.Config.Vocab)
	if err != nil {
		return err
	}
	report := serveReport{Limits: b.Limits, Model: name, Type: b.typeName(), KVType: b.KVType, Context: plan.Context, Sequences: plan.Sequences, Rows: plan.BatchTokens,
		KVTokens: plan.Tokens(), Rate: f.Rate.String(), Prompt: load.Prompt.String(), Output: load.Output.String(), Shared: f.SharedPrefix, Seed: f.Seed}
	policies := []serve.Policy{f.Policy}
	if f.Compare {
		policies = []serve.Policy{serve.Continuous, serve.Static}
	}
	ctx, stop := untilInterrupted()
	defer stop()
	for _, p := range policies {
		var r serve.Report
		if f.Simulate {
			r, err = serve.Simulate(scheduler.Config{BlockSize: model.BlockSize, Blocks: plan.Blocks, Groups: umbra.Groups(plan), MaxBatchTokens: plan.BatchTokens,
				MaxSequences: plan.Sequences, Context: plan.Context, Vocabulary: plan.Config.Vocab, NoPrefixReuse: f.NoPrefixReuse},
				items, serve.Cost{Step: f.StepCost, Row: f.RowCost, Context: f.ContextCost}, p)
		} else {
			r, err = b.drive(ctx, c, source, o, items, p, &report)
		}
		if ctx.Err() != nil {
			return errInterrupted
		}
		if err != nil {
			return err
		}
		report.Runs = append(report.Runs, r)
	}
	if b.JSON {
		return writeJSON(c.out, report)
	}
	return report.write(c, planText(plan))
}

// drive measures an engine of its own for a policy, so that none finds what another has left in its KV pool.
func (b benchCommand) drive(ctx context.Context, c *console, source model.Source, o umbra.Options, items []serve.Item, p serve.Policy, report *serveReport) (serve.Report, error) {
	meter := serve.NewMeter(report.Context)
	o.OnStep = meter.Step
	e, err := umbra.OpenSource(source, o)
	if err != nil {
		return serve.Report{}, err
	}
	defer e.Close()
	info := e.Info()
	if report.Adapter == nil {
		c.say("%s", chosen(info.Verdicts))
		sayLines(c, e.Placed())
		if info.Tuned.Path != "" {
			c.say("%s", tunedText(info.Tuned))
		}
	}
	report.Adapter, report.Tuned = &info.Adapter, info.Tuned.Choices
	r, err := serve.Drive(ctx, e, items, p, meter)
	if s := e.Speculated(); s.Turns > 0 {
		r.Speculated = &s
		c.say("%s", speculatedText(s))
	}
	return r, err
}

// write writes the report for people: a column for each run, and one that compares them.
func (r serveReport) write(c *console, plan string) error {
	what := "measured"
	if r.Runs[0].Simulated {
		what = "simulated: the scheduler before a model of the device's time"
	}
	fmt.Fprintf(c.out, "%s, %s\n%s\n", strings.TrimSpace(r.Model+" "+r.Type), what, plan)
	fmt.Fprintf(c.out, "%s at a rate of %s/s, prompts %s, outputs %s, shared prefix %d, seed %d\n\n",
		plural(r.Runs[0].Requests, "request"), r.Rate, r.Prompt, r.Output, r.Shared, r.Seed)
	columns := []string{""}
	for _, run := range r.Runs {
		columns = append(columns, ">"+string(run.Policy))
	}
	if len(r.Runs) > 1 {
		columns = append(columns, ">ratio")
	}
	t := term.NewTable(columns...)
	for _, line := range serveLines {
		cells := []string{line.name}
		for _, run := range r.Runs {
			cells = append(cells, line.text(line.value(run)))
		}
		if len(r.Runs) > 1 {
			ratio := "-"
			if b := line.value(r.Runs[1]); b != 0 {
				ratio = fmt.Sprintf("%.2f", line.value(r.Runs[0])/b)
			}
			cells = append(cells, ratio)
		}
		t.Row(cells...)
	}
	_, err := t.WriteTo(c.out)
	return err
}

// serveLines are the table's.
var serveLines = []struct {
	name  string
	value func(serve.Report) float64
	text  func(float64) string
}{
	{"requests/s", func(r serve.Report) float64 { return r.RequestS }, fixed(3)},
	{"output tok/s", func(r serve.Report) float64 { return r.OutputS }, fixed(1)},
	{"prompt tok/s", func(r serve.Report) float64 { return r.PromptS }, fixed(1)},
	{"seconds", func(r serve.Report) float64 { return r.Seconds }, fixed(2)},
	{"first token p50", func(r serve.Report) float64 { return r.First.P50 }, milliseconds},
	{"first token p90", func(r serve.Report) float64 { return r.First.P90 }, milliseconds},
	{"first token p99", func(r serve.Report) float64 { return r.First.P99 }, milliseconds},
	{"between tokens p50", func(r serve.Report) float64 { return r.Between.P50 }, milliseconds},
	{"between tokens p90", func(r serve.Report) float64 { return r.Between.P90 }, milliseconds},
	{"between tokens p99", func(r serve.Report) float64 { return r.Between.P99 }, milliseconds},
	{"end to end p50", func(r serve.Report) float64 { return r.EndToEnd.P50 }, milliseconds},
	{"end to end p90", func(r serve.Report) float64 { return r.EndToEnd.P90 }, milliseconds},
	{"end to end p99", func(r serve.Report) float64 { return r.EndToEnd.P99 }, milliseconds},
	{"steps", func(r serve.Report) float64 { return float64(r.Steps) }, fixed(0)},
	{"rows a step", func(r serve.Report) float64 { return r.RowsPerStep }, fixed(1)},
	{"sequences running", func(r serve.Report) float64 { return r.MeanRunning }, fixed(1)},
	{"at most", func(r serve.Report) float64 { return float64(r.PeakRunning) }, fixed(0)},
	{"preemptions", func(r serve.Report) float64 { return float64(r.Preemptions) }, fixed(0)},
	{"KV waste", func(r serve.Report) float64 { return r.KVWaste }, percent},
	{"if contiguous", func(r serve.Report) float64 { return r.ContiguousWaste }, percent},
	{"prefix hits", func(r serve.Report) float64 { return r.PrefixHits }, percent},
	{"blocks saved", func(r serve.Report) float64 { return float64(r.BlocksSaved) }, fixed(0)},
	{"loaded", func(r serve.Report) float64 { return float64(r.BlocksLoaded) }, fixed(0)},
	{"host share", func(r serve.Report) float64 { return r.HostShare }, percent},
	{"device idle", func(r serve.Report) float64 { return r.IdleShare }, percent},
}

func fixed(places int) func(float64) string {
	return func(v float64) string { return fmt.Sprintf("%.*f", places, v) }
}

// milliseconds writes a time of so many, in seconds if it is long.
func milliseconds(v float64) string {
	if v >= 1e4 {
		return fmt.Sprintf("%.2f s", v/1e3)
	}
	return fmt.Sprintf("%.2f ms", v)
}

func percent(v float64) string { return fmt.Sprintf("%.2f %%", 100*v) }
