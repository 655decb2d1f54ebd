package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"umbra"
	"umbra/cmd/umbra/internal/bench"
	"umbra/cmd/umbra/internal/term"
	"umbra/gpu"
	"umbra/model"
)

// benchCommand measures the speed of a model, of each kernel, or of a server.
type benchCommand struct {
	adaptersFlag
	modelFlags
	speculationFlags
	What     string `arg:"" optional:"" default:"model" enum:"model,ops,serve,spec" help:"model: prefill and decode speed of a model. ops: speed of each kernel, and its share of what the adapter can do; of the flags only --adapter, --limits, --check and --json count. serve: many requests that arrive at random. spec, and model with --spec: decoding with proposals against decoding without."`
	Prompt   []int  `short:"p" default:"512" placeholder:"N" help:"Prompt lengths to prefill (pp)."`
	Prompts  []int  `default:"1" placeholder:"N" help:"Numbers of prompts to prefill one after the other: each of these with each -p (pp512 x 8)."`
	Generate []int  `short:"n" default:"128" placeholder:"N" help:"Numbers of tokens to decode (tg)."`
	Depth    []int  `short:"d" default:"0" placeholder:"N" help:"Tokens of context there before."`
	Batch    []int  `short:"b" default:"1" placeholder:"N" help:"Numbers of sequences decoded at once."`
	Runs     int    `short:"r" default:"5" help:"Runs of which the median is taken."`
	KVType   string `name:"kv-type" default:"f32" enum:"f32,f16,int8" help:"Element type of KV pages."`
	Check    bool   `help:"With ops: compare each kernel's speed, as shares and as multiples of a plain kernel's, with recorded ones; the exit status is 1 if one is far below."`
	Profile  bool   `help:"Show the time of each kernel (slows the runs)."`
	JSON     bool   `help:"Write JSON."`
	serveFlags
	specFlags
}

func (benchCommand) Help() string {
	return `Tests are named as usual: pp512 prefills 512 tokens, tg128 decodes 128 one after the other; "x 4" is
the total of 4 sequences at once, or of 4 prompts one after the other. Lengths past the model's context
are left out. With several adapters prompts keep all of them busy, as each computes other rows.

With ops, each kernel runs many times in one submission, over weights that no cache holds. Its share is
of the adapter's own speed, measured first: of copying where memory is the limit, of multiply-adds in
registers where arithmetic is. With --check each kernel runs in turns with the adapter's peak and with
a plain kernel, up to three times, and is compared with what is recorded for this adapter or its kind;
below 60 % of that, the exit status is 1. Times are never compared, only ratios of times. Choices that
umbra tune has kept do not count there.

With spec, or with --spec, prompts are continued with proposals and without in turn, by two engines of one
process, and the ratio of both speeds is told: Go code by greedy choice, text that repeats itself, and Go code drawn at
temperature 1, which does not. Prompts are found in the KV pool, so it is decoding that counts. --text takes
prompts from files. Of the other flags -b, -n, -r and -m count, and --draft-max and its like.

With serve, requests of random lengths arrive at random, and run until each has its number of tokens.
KV waste is the share of the slots in use without a key and a value; "if contiguous" is what it would be
if each running sequence reserved the whole context. Times to the first token count from the arrival.

Examples:
  umbra bench
  umbra bench ops
  umbra bench ops --check
  umbra bench -m model.gguf -p 512,2048 -n 128 -b 1,4,16
  umbra bench --shape llama3.1-8b --type q4_0 --json
  umbra bench --shape llama3.1-8b --adapter 0,1 -p 2048 --prompts 8 -n 16
  umbra bench spec -b 1,4,16 -n 96 -r 3
  umbra bench --spec ngram --text a.go --text b.go
  umbra bench serve --requests 64 --rate 2 --max-sequences 32 --kv-memory 128MiB
  umbra bench serve --compare --simulate --requests 10000 --max-sequences 256 --kv-memory 32GiB`
}

// modelReport is the JSON form.
type modelReport struct {
	Adapter gpu.AdapterInfo
	Limits  string // adapter or floor
	Model   string
	Type    string `json:",omitempty"`
	KVType  string
	Weights uint64        // bytes on the device
	Tuned   int           // choices of umbra tune that were in use
	Devices []benchDevice `json:",omitempty"` // where there are several
	Speeds  []bench.Speed
	Kernels []gpu.KernelTime `json:",omitempty"`
}

// benchDevice is one of several devices, and what it has of the model.
type benchDevice struct {
	Adapter gpu.AdapterInfo
	Stage   model.Stage
	Why     string
}

func (b benchCommand) Run(c *console) error {
	switch b.What {
	case "ops":
		return b.ops(c)
	case "serve":
		return b.serve(c)
	case "spec":
		return b.spec(c)
	}
	if b.Spec != "off" {
		return b.spec(c)
	}
	return b.model(c)
}

// Validate refuses what parsing alone cannot.
func (b benchCommand) Validate() error {
	switch {
	case b.Check && b.What != "ops":
		return errors.New("--check is for `bench ops`")
	case b.Check && b.Limits != string(gpu.AdapterLimits):
		return errors.New("--check compares with what was measured without --limits; leave that out")
	}
	for _, n := range b.Prompts {
		if n < 1 {
			return fmt.Errorf("--prompts %d must be at least 1", n)
		}
	}
	return errors.Join(b.serveFlags.validate(), b.validateSpec())
}

func (b benchCommand) model(c *console) error {
	source, name, done, err := b.source()
	if err != nil {
		return err
	}
	defer done()
	kv, err := model.ParseKVType(b.KVType)
	if err != nil {
		return err
	}
	plan, err := umbra.PlanFor(source, umbra.Options{})
	if err != nil {
		return err
	}
	tests, o := b.tests(plan.Config.Context)
	if len(tests) == 0 {
		return usageError("no test fits the model's context of " + fmt.Sprint(plan.Config.Context) + " tokens; choose smaller -p, -n or -d")
	}
	o.KVType, o.BatchTokens, o.MicroBatch = kv, b.MaxBatchTokens, b.MicroBatch
	on, err := b.adaptersFlag.open(c, b.Profile)
	if err != nil {
		return err
	}
	defer on.Release()
	sayPlaces(c, on)
	m, err := on.Load(source, o)
	if err != nil {
		return err
	}
	defer m.Release()
	sayLines(c, on.Says(m.Plan()))
	tuned, _ := on.All[0].Tuning.Choices.Count()
	report := modelReport{Adapter: on.All[0].Device.Info(), Limits: b.Limits, Model: name, Type: b.typeName(), KVType: b.KVType, Weights: m.Plan().Weights, Tuned: tuned}
	for i, s := range m.Plan().Stages {
		if len(on.All) > 1 {
			report.Devices = append(report.Devices, benchDevice{on.All[i].Device.Info(), s, on.Why})
		}
	}
	table := term.NewTable("test", ">tok/s", ">min", ">max")
	for _, t := range tests {
		s, err := bench.Run(m, t, b.Runs)
		if err != nil {
			return err
		}
		report.Speeds = append(report.Speeds, s)
		table.Row(s.Test, fmt.Sprintf("%.1f", s.Median), fmt.Sprintf("%.1f", s.Min), fmt.Sprintf("%.1f", s.Max))
	}
	report.Kernels = on.Profile()
	if b.JSON {
		return writeJSON(c.out, report)
	}
	fmt.Fprintf(c.out, "%s %s, %s of weights, KV %s\n", name, report.Type, term.Bytes(report.Weights), b.KVType)
	if _, err := table.WriteTo(c.out); err != nil {
		return err
	}
	return writeProfile(c, report.Kernels)
}

// tests lists what fits a context, and the sizes a model needs for them.
func (b benchCommand) tests(context int) (tests []bench.Test, o model.Options) {
	add := func(t bench.Test) {
		if t.Context() > context || t.Context() < 1 {
			return
		}
		tests = append(tests, t)
		o.Context, o.Blocks = max(o.Context, t.Context()), max(o.Blocks, t.Blocks())
		o.Sequences = max(o.Sequences, t.Sequences)
	}
	for _, d := range b.Depth {
		for _, p := range b.Prompt {
			for _, s := range b.Prompts {
				add(bench.Test{Prompt: p, Depth: d, Sequences: s})
			}
		}
		for _, n := range b.Generate {
			for _, s := range b.Batch {
				add(bench.Test{Generate: n, Depth: d, Sequences: s})
			}
		}
	}
	return tests, o
}

func writeProfile(c *console, kernels []gpu.KernelTime) error {
	if len(kernels) == 0 {
		return nil
	}
	var total time.Duration
	for _, k := range kernels {
		total += k.Total
	}
	t := term.NewTable("kernel", ">runs", ">each", ">share")
	for _, k := range kernels {
		name := k.Name
		if k.Device > 0 {
			name = fmt.Sprintf("device %d: %s", k.Device, name)
		}
		t.Row(name, fmt.Sprint(k.Count), (k.Total / time.Duration(k.Count)).String(), fmt.Sprintf("%.1f %%", 100*float64(k.Total)/float64(max(total, 1))))
	}
	fmt.Fprintln(c.out)
	_, err := t.WriteTo(c.out)
	return err
}

// ops measures each kernel.
func (b benchCommand) ops(c *console) error {
	device, err := gpu.Open(b.device())
	if err != nil {
		return err
	}
	defer device.Release()
	c.say("%s", chosen(device.Verdicts()))
	if b.Check {
		return b.check(c, device)
	}
	tuning, tuned := tuningOf(c, device.Info())
	var all []bench.Op
	if err := bench.Ops(device, tuning, func(op bench.Op) { all = append(all, op) }); err != nil {
		return err
	}
	if b.JSON {
		return writeJSON(c.out, struct {
			Adapter gpu.AdapterInfo
			Limits  string
			Tuned   int
			Ops     []bench.Op
		}{device.Info(), b.Limits, tuned, all})
	}
	t := term.NewTable("kernel", ">time", ">GB/s", ">GFLOP/s", ">share")
	for _, op := range all {
		t.Row(op.Name, op.Time.Round(10*time.Nanosecond).String(), fmt.Sprintf("%.1f", op.Bytes/1e9), fmt.Sprintf("%.1f", op.Flops/1e9), fmt.Sprintf("%.0f %%", 100*op.Share))
	}
	_, err = t.WriteTo(c.out)
	return err
}

// check compares each kernel with what is recorded of it.
func (b benchCommand) check(c *console, device *gpu.Device) error {
	t := term.NewTable("kernel", ">share", ">recorded", ">x plain", ">recorded", "")
	r, err := bench.Check(device, func(k bench.Checked) {
		share, plain, verdict := "-", "-", "nothing recorded"
		if k.Recorded != nil {
			share, plain, verdict = bench.Percent(k.Recorded.Share), times(k.Recorded.Plain), "ok"
		}
		if len(k.Below) > 0 {
			verdict = "below"
		}
		t.Row(k.Name, bench.Percent(k.Share), share, times(k.Plain), plain, verdict)
	})
	if err != nil {
		return err
	}
	if b.JSON {
		err = writeJSON(c.out, r)
	} else {
		_, err = t.WriteTo(c.out)
	}
	if err != nil {
		return err
	}
	if r.Against == "" {
		c.say("no speeds are recorded for %s, nor for its kind: nothing was checked", device.Info())
		return nil
	}
	if len(r.Faults) > 0 {
		return fmt.Errorf("%s against %s: %s:\n  %s", device.Info().Name, r.Against, plural(len(r.Faults), "fault"), strings.Join(r.Faults, "\n  "))
	}
	c.say("%s are as fast as recorded (%s), or not far below", plural(len(r.Measured.Kernels), "kernel"), r.Against)
	return nil
}

// times is a multiple as text.
func times(x float64) string {
	if x == 0 {
		return "-"
	}
	return fmt.Sprintf("%.3g", x)
}
