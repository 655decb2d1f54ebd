package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/peterh/liner"

	"umbra"
	"umbra/cmd/umbra/internal/repl"
	"umbra/cmd/umbra/internal/term"
	"umbra/gpu"
)

type chatCommand struct {
	Model     string `short:"m" placeholder:"FILE" help:"Model: a file (GGUF), a folder of Hugging Face's, or a name as umbra pull takes it. Default: the built-in one, which only continues Go source."`
	System    string `placeholder:"TEXT" help:"What the model is told before all else."`
	Load      string `placeholder:"FILE" help:"Go on with a conversation that /save has kept."`
	MaxTokens int    `placeholder:"N" default:"1024" help:"Longest answer in tokens (${default})."`
	WhenFull  string `enum:"stop,shift" default:"stop" help:"What to do when the context is full: stop and say so, or shift: leave the oldest turns out (${default})."`
	Context   int    `name:"ctx" placeholder:"TOKENS" help:"Longest conversation. Default: the model's own, up to 8192."`
	KVType    string `name:"kv-type" enum:"f32,f16,int8" default:"f32" help:"Keep keys and values as f32, f16 (half the memory) or int8 (a quarter, and scales)."`
	Quiet     bool   `short:"q" help:"Say nothing on standard error but errors and what commands are to show."`
	samplingFlags
	heldFlags
	adaptersFlag
}

func (chatCommand) Help() string {
	return `Reads a line, answers it as it comes, and reads the next; /help lists what else there is. A model with a chat template
answers; any other continues what is written. Ctrl-C stops an answer, Ctrl-D ends. Without a terminal, lines come from
standard input.

Examples:
  umbra chat -m model.gguf --temperature 0.7
  umbra chat -m model.gguf --system 'Answer in one sentence.' --when-full shift`
}

// Validate refuses what parsing alone cannot.
func (r *chatCommand) Validate() error {
	switch {
	case r.MaxTokens < 1:
		return fmt.Errorf("--max-tokens %d must be at least 1", r.MaxTokens)
	case r.Context < 0:
		return fmt.Errorf("--ctx %d must be at least 1; leave it out for the model's own", r.Context)
	}
	_, err := r.params()
	return err
}

func (r *chatCommand) Run(c *console) error {
	if r.Quiet {
		c.hush()
	}
	params, err := r.params()
	if err != nil {
		return err
	}
	var form umbra.Request
	if err := r.hold(&form); err != nil {
		return err
	}
	engine, err := openEngine(c, r.Model, umbra.Options{Adapter: r.Adapter, Split: r.Split, MicroBatch: r.MicroBatch, Limits: gpu.LimitSet(r.Limits), Context: r.Context, KVType: r.KVType,
		Sequences: 1, Lazy: true, Tuned: true, Warn: func(err error) { c.warn("%v", err) }})
	if err != nil {
		return err
	}
	defer engine.Close()
	r.breakers(&params, engine.Tokenizer())
	c.say("%s", chosen(engine.Info().Verdicts))
	sayLines(c, engine.Placed())
	in, end := lines(c)
	defer end()
	s := &repl.Session{Engine: engine, In: in, Out: c.out, Say: c.err, Interrupt: func() (context.Context, context.CancelFunc) { return untilInterrupted() },
		Settings: repl.Settings{Sampling: params, MaxTokens: r.MaxTokens, Shift: r.WhenFull == "shift"}, Form: form}
	if err := s.Begin(r.System, r.Load); err != nil {
		return err
	}
	return s.Run()
}

// lines reads from the terminal, with a history that is kept, or else from standard input.
func lines(c *console) (repl.Reader, func()) {
	if c.in != os.Stdin || !term.IsTerminal(c.out) || !liner.TerminalSupported() {
		return &plainLines{bufio.NewReader(c.in)}, func() {}
	}
	l := liner.NewLiner()
	l.SetCtrlCAborts(true)
	l.SetMultiLineMode(true)
	path := ""
	if dir, err := os.UserCacheDir(); err == nil {
		path = filepath.Join(dir, "umbra", "chat_history")
		if f, err := os.Open(path); err == nil {
			l.ReadHistory(f)
			f.Close()
		}
	}
	return terminalLines{l}, func() {
		if path != "" && os.MkdirAll(filepath.Dir(path), 0o700) == nil {
			if f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600); err == nil {
				l.WriteHistory(f)
				f.Close()
			}
		}
		l.Close()
	}
}

type terminalLines struct{ *liner.State }

func (t terminalLines) Line(prompt string) (string, error) {
	line, err := t.Prompt(prompt)
	if errors.Is(err, liner.ErrPromptAborted) {
		return "", repl.ErrInterrupted
	}
	if err == nil && line != "" {
		t.AppendHistory(line)
	}
	return line, err
}

type plainLines struct{ *bufio.Reader }

func (p *plainLines) Line(string) (string, error) {
	line, err := p.ReadString('\n')
	if line == "" || err != nil && err != io.EOF {
		return "", err
	}
	if line[len(line)-1] == '\n' {
		line = line[:len(line)-1]
	}
	return line, nil
}
