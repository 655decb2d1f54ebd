package main

import (
	"errors"
	"fmt"

	"umbra"
	"umbra/gpu"
	"umbra/scheduler"
)

// defaultParallel is how many prompts of a file are answered at once.
const defaultParallel = 4

// policyPriority is the --policy of scheduler.Priority.
const policyPriority = "priority"

type runCommand struct {
	Model         string   `short:"m" placeholder:"FILE" help:"Model: a file (GGUF), a folder of Hugging Face's, or a name as umbra pull takes it. Default: the built-in one."`
	File          string   `short:"f" placeholder:"FILE" help:"Read the prompt from a file."`
	Prompts       string   `placeholder:"FILE" help:"Answer many prompts, separated in the file by lines of ---, or --- priority=5 for --policy. Each answer is written whole, below a line that names it, in the file's order."`
	Parallel      int      `placeholder:"N" help:"Answer this many prompts of --prompts at once (default 4)."`
	Policy        string   `enum:"fcfs,priority" default:"fcfs" help:"Serve --prompts in the file's order (fcfs), or those of a higher priority first: they are begun before others, and where KV memory is full others give way (${default})."`
	MaxTokens     int      `placeholder:"N" default:"128" help:"Stop after this many tokens (${default})."`
	Stop          []string `sep:"none" placeholder:"TEXT" help:"Stop where the continuation contains this text, which is left out; may be repeated."`
	Echo          bool     `help:"Write the prompt before its continuation."`
	Quiet         bool     `short:"q" help:"Say nothing on standard error but errors."`
	Context       int      `name:"ctx" placeholder:"TOKENS" help:"Longest sequence, prompt and continuation together. Default: the model's own, up to 8192."`
	KVType        string   `name:"kv-type" enum:"f32,f16,int8" default:"f32" help:"Keep keys and values as f32, f16 (half the memory) or int8 (a quarter, and scales)."`
	LogSteps      string   `placeholder:"FILE" help:"Write a line of JSON for each step: rows, sequences, blocks, times. - is standard error."`
	Answers       int      `short:"n" placeholder:"N" default:"1" help:"Make this many answers of the prompt, which is computed once. Each is written whole, below a line that names it; needs --temperature to differ."`
	BestOf        int      `placeholder:"N" help:"Make this many answers and write the --answers likeliest, best first."`
	Beams         int      `placeholder:"N" help:"Search with this many beams for likely answers, drawing none, and write the best --answers."`
	LengthPenalty float64  `placeholder:"X" default:"1" help:"Of --beams: answers compare by log-probability over length to this power (${default})."`
	EarlyStopping bool     `help:"Of --beams: end when as many answers have ended as there are beams, even if others could get better."`
	Session       string   `placeholder:"FILE" help:"Take keys and values of the text from this file, if it is there, and keep them in it at the end: a long beginning is computed once."`
	Verbose       bool     `short:"v" help:"Say on standard error what there is room for, as --kv-memory does, which file of umbra tune is in use, and of one prompt's first token what it waited for."`
	samplingFlags
	heldFlags
	speculationFlags
	capacityFlags
	adaptersFlag
	Prompt *string `arg:"" optional:"" help:"The prompt, or - for standard input."`
}

func (runCommand) Help() string {
	return `Writes the continuation, and nothing else, to standard output as it is generated. The most likely
token is taken each time, so that the same prompt gives the same text; --temperature draws instead.
A line on standard error says at the start which adapter is used and why, another at the end how long
it took. Ctrl-C ends generation with that line and exit status 130; a second one kills.

Examples:
  umbra run --echo 'func main() {'
  umbra run -m model.gguf --max-tokens 256 --temperature 0.8 --top-p 0.95 'Once upon a time'
  umbra run --stop $'\n}' - < prompt.go
  umbra run --answers 2 --best-of 8 --temperature 1 'func reverse('
  umbra run --beams 4 --answers 2 --max-tokens 24 'func reverse('
  umbra run --grammar 'root ::= "yes" | "no"' 'Is Go a language? Answer: '
  umbra run --spec ngram -f table.go
  umbra run --spec draft --draft-max 4 'func main() {'
  umbra run --session doc.umbra-kv --file document-and-question.txt
  umbra run --prompts prompts.txt --parallel 8 --quiet > answers.txt
  umbra run --prompts prompts.txt --policy priority
  umbra run --prompts prompts.txt --parallel 32 --kv-memory 256MiB --log-steps steps.jsonl`
}

// Validate refuses what parsing alone cannot.
func (r *runCommand) Validate() error {
	given := 0
	for _, is := range []bool{r.Prompt != nil, r.File != "", r.Prompts != ""} {
		if is {
			given++
		}
	}
	switch {
	case given == 0:
		return errors.New("give a prompt, - to read it from standard input, --file, or --prompts for many")
	case given > 1:
		return errors.New("a prompt, --file and --prompts exclude each other")
	case r.MaxTokens < 1:
		return fmt.Errorf("--max-tokens %d must be at least 1", r.MaxTokens)
	case r.Context < 0:
		return fmt.Errorf("--ctx %d must be at least 1; leave it out for the model's own", r.Context)
	case r.Parallel < 0:
		return fmt.Errorf("--parallel %d must be at least 1", r.Parallel)
	case r.Parallel > 0 && r.Prompts == "":
		return fmt.Errorf("--parallel %d needs --prompts: one prompt is one sequence", r.Parallel)
	case r.Policy == policyPriority && r.Prompts == "":
		return errors.New("--policy priority is for many prompts; give them with --prompts")
	case r.Answers < 1 || r.BestOf != 0 && r.BestOf < r.Answers:
		return fmt.Errorf("--answers %d must be at least 1, and --best-of %d at least that", r.Answers, r.BestOf)
	case r.several() && r.Prompts != "":
		return errors.New("--answers, --best-of and --beams are for one prompt; leave them out with --prompts")
	case r.Beams < 0 || r.Beams > 0 && r.Beams < r.Answers:
		return fmt.Errorf("--beams %d must be at least 1, and at least --answers (%d)", r.Beams, r.Answers)
	case r.Beams > 0 && (r.BestOf > 0 || r.Temperature != nil || r.changes() || len(r.Stop) > 0):
		return errors.New("--beams draws nothing and takes no stop texts; leave out --best-of, --temperature, --stop, penalties and --logit-bias")
	case r.Beams > 0 && len(r.heldFlags.given()) > 0:
		return errors.New("--beams takes no grammar and no schema; leave out --grammar, --json-schema and the like")
	case r.Beams == 0 && (r.LengthPenalty != 1 || r.EarlyStopping):
		return errors.New("--length-penalty and --early-stopping are for --beams")
	case r.Beams == 0 && r.several() && (r.Temperature == nil || *r.Temperature == 0):
		return errors.New("--answers and --best-of need --temperature: without it all answers are the same")
	case r.several() && r.Session != "":
		return errors.New("--session keeps one text; leave it out with --answers, --best-of and --beams")
	case r.Session != "" && r.Prompts != "":
		return errors.New("--session keeps one text; leave it out with --prompts, whose common beginnings are shared anyway")
	}
	for _, s := range r.Stop {
		if s == "" {
			return errors.New("--stop needs a text: every continuation contains the empty one")
		}
	}
	if err := errors.Join(r.capacityFlags.validate(), r.speculationFlags.validate()); err != nil {
		return err
	}
	_, err := r.params()
	return err
}

func (r *runCommand) Run(c *console) (err error) {
	if r.Quiet {
		c.hush()
	}
	prompts, err := r.readPrompts(c)
	if err != nil {
		return err
	}
	params, err := r.params()
	if err != nil {
		return err
	}
	form := umbra.Request{MaxTokens: r.MaxTokens, Stop: r.Stop}
	if err := r.hold(&form); err != nil {
		return err
	}
	ctx, stop := untilInterrupted()
	defer stop()
	o := umbra.Options{Adapter: r.Adapter, Split: r.Split, MicroBatch: r.MicroBatch, Limits: gpu.LimitSet(r.Limits), Context: r.Context, KVType: r.KVType, Lazy: true, Tuned: true, Warn: func(err error) { c.warn("%v", err) }}
	if r.Policy == policyPriority {
		o.Policy = scheduler.Priority
	}
	r.capacityFlags.apply(&o, max(r.Answers, r.BestOf, r.Beams, min(r.atOnce(), len(prompts))))
	if r.LogSteps != "" {
		write, end, err2 := stepLog(c, r.LogSteps)
		if err2 != nil {
			return err2
		}
		o.OnStep = write
		defer func() { err = errors.Join(err, end()) }() // after the engine's last step
	}
	speculation, end, err := r.speculationFlags.open(r.Model)
	if err != nil {
		return err
	}
	o.Speculation = speculation
	engine, err := openEngine(c, r.Model, o)
	end()
	if err != nil {
		return err
	}
	defer engine.Close()
	if ctx.Err() != nil {
		return errInterrupted
	}
	c.say("%s", chosen(engine.Info().Verdicts))
	sayLines(c, engine.Placed())
	if r.Verbose || r.KVMemory != (kvMemory{}) {
		c.say("%s", planText(engine.Info().Plan))
	}
	if t := engine.Info().Tuned; r.Verbose && t.Path != "" {
		c.say("%s", tunedText(t))
	}
	if err := r.loadSession(c, engine); err != nil {
		return err
	}
	r.breakers(&params, engine.Tokenizer())
	form.Sampling = params
	switch q := prompts[0].of(form); {
	case r.several():
		err = r.answers(ctx, c, engine, q)
	case r.Prompts == "":
		err = r.one(ctx, c, engine, q)
	default:
		err = r.many(ctx, c, engine, prompts, form)
	}
	if speculation.By != umbra.NoProposals && err == nil {
		c.say("%s", speculatedText(engine.Speculated()))
	}
	return err
}

// several reports whether more than one answer is made of the prompt.
func (r *runCommand) several() bool { return r.Answers > 1 || r.BestOf > 1 || r.Beams > 0 }

// atOnce is how many prompts may be answered at once.
func (r *runCommand) atOnce() int {
	if r.Parallel == 0 {
		return defaultParallel
	}
	return r.Parallel
}
