// Package repl holds a conversation with a model: it reads lines and commands, writes answers as they come, and keeps what was said. It knows no terminal:
// lines come from a Reader, and what interrupts an answer is a context's end.
package repl

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"umbra"
	"umbra/model/chat"
	"umbra/model/tokenizer"
	"umbra/scheduler"
	"umbra/scheduler/sample"
)

// Reader reads a line after a prompt. It fails with io.EOF at the end, and with ErrInterrupted where the line was given up.
type Reader interface {
	Line(prompt string) (string, error)
}

// ErrInterrupted is a line that was given up.
var ErrInterrupted = errors.New("interrupted")

// Settings are what /set changes.
type Settings struct {
	Sampling  sample.Params
	MaxTokens int
	// Shift has the oldest turns left out where the context is full; without it, the conversation stops there.
	Shift bool
}

// Session is a conversation.
type Session struct {
	Engine *umbra.Engine
	In     Reader
	Out    io.Writer // answers
	Say    io.Writer // all that is said about them
	Settings
	Form umbra.Request // what answers are held to; nothing else of it counts
	// Interrupt makes a context that ends when an answer is to stop.
	Interrupt func() (context.Context, context.CancelFunc)

	system   string
	messages []chat.Message
	text     string // of a model without a template: all so far
	plain    bool
	last     umbra.Result
	dropped  int // messages left out of the latest prompt
}

// Run goes on until the end of the input or /quit.
func (s *Session) Run() error {
	switch _, err := s.Engine.Template(); {
	case errors.Is(err, umbra.ErrNoTemplate):
		s.plain = true
		s.say("the model has no chat template: it continues what you write, and does not answer")
	case err != nil:
		s.plain = true
		s.say("%v: the model continues what you write, and does not answer", err)
	}
	s.say("/help lists commands")
	for {
		input, err := s.input()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case errors.Is(err, ErrInterrupted):
			continue
		case err != nil:
			return err
		}
		if name, argument, ok := command(input); ok {
			quit, err := s.command(name, argument)
			if err != nil {
				s.say("%v", err)
			}
			if quit {
				return nil
			}
			continue
		}
		if strings.TrimSpace(input) == "" && !s.plain {
			continue
		}
		if err := s.turn(input); err != nil {
			return err
		}
	}
}

// input reads a line, those that follow one that ends with a backslash, or what stands between lines of """.
func (s *Session) input() (string, error) {
	line, err := s.In.Line("> ")
	if err != nil {
		return "", err
	}
	const quotes = `"""`
	var lines []string
	if first, ok := strings.CutPrefix(strings.TrimLeft(line, " "), quotes); ok {
		for line = first; ; {
			if last, ok := strings.CutSuffix(line, quotes); ok {
				return strings.TrimPrefix(strings.Join(append(lines, last), "\n"), "\n"), nil
			}
			lines = append(lines, line)
			if line, err = s.In.Line("... "); err != nil {
				return "", err
			}
		}
	}
	for strings.HasSuffix(line, `\`) {
		lines = append(lines, strings.TrimSuffix(line, `\`))
		if line, err = s.In.Line("... "); err != nil {
			return "", err
		}
	}
	return strings.Join(append(lines, line), "\n"), nil
}

func (s *Session) say(format string, args ...any) { fmt.Fprintf(s.Say, "umbra: "+format+"\n", args...) }

// turn adds what was written and has it answered. Only what ends the session is an error.
func (s *Session) turn(input string) error {
	if s.plain {
		s.text += input
		return s.answer()
	}
	s.messages = append(s.messages, chat.Message{Role: "user", Content: input})
	return s.answer()
}

// answer generates the next turn.
func (s *Session) answer() error {
	prompt, err := s.prompt()
	if err != nil {
		s.say("%v", err)
		s.undo()
		return nil
	}
	ctx, stop := s.Interrupt()
	defer stop()
	var text strings.Builder
	q := s.Form
	q.Tokens, q.MaxTokens, q.Sampling = prompt, s.MaxTokens, s.Sampling
	result, err := s.Engine.Generate(ctx, q, func(c umbra.Chunk) error {
		text.WriteString(c.Text)
		_, err := io.WriteString(s.Out, c.Text)
		return err
	})
	s.last = result
	s.Sampling.Seed++ // another answer next time
	fmt.Fprintln(s.Out)
	switch {
	case ctx.Err() != nil:
		s.say("stopped")
	case errors.Is(err, umbra.ErrClosed):
		return err
	case err != nil:
		s.say("%s", strings.TrimPrefix(err.Error(), "umbra: "))
		s.undo()
		return nil
	case result.Reason == scheduler.ContextFull:
		s.say("the context of %d tokens is full%s", s.Engine.Info().Context, s.whatNow())
	case result.Reason == scheduler.Length:
		s.say("stopped after %d tokens; /set max-tokens N allows more", s.MaxTokens)
	}
	if s.plain {
		s.text += text.String()
		return nil
	}
	s.messages = append(s.messages, chat.Message{Role: "assistant", Content: text.String()})
	return nil
}

// undo takes back what could not be answered.
func (s *Session) undo() {
	if n := len(s.messages); n > 0 && s.messages[n-1].Role == "user" {
		s.messages = s.messages[:n-1]
	}
}

func (s *Session) whatNow() string {
	if s.Shift {
		return ""
	}
	return "; /clear begins anew, /set shift on leaves the oldest out"
}

// room is how many tokens an answer is to have room for, at least.
func (s *Session) room() int { return min(max(1, s.MaxTokens), s.Engine.Info().Context/4) }

// prompt makes the tokens of what was said so far. Where they leave no room it leaves out the oldest turns, if it may.
func (s *Session) prompt() ([]int32, error) {
	most := s.Engine.Info().Context - s.room()
	s.dropped = 0
	if s.plain {
		ids := s.Engine.Tokenizer().Encode(s.text, tokenizer.EncodeOptions{AddSpecial: true, ParseSpecial: true})
		if len(ids) > most && s.Shift { // the latest half: what follows shares that beginning for a while
			s.dropped = len(ids) - most/2
			ids = append(ids[:1:1], ids[len(ids)-most/2:]...)
		}
		return s.fits(ids, most)
	}
	for {
		ids, err := s.Engine.ChatPrompt(chat.Conversation{Messages: s.conversation(), Generate: true})
		if err != nil {
			return nil, err
		}
		if len(ids) <= most || !s.Shift || s.dropped+2 > len(s.messages)-1 {
			return s.fits(ids, most)
		}
		s.dropped += 2 // a question and its answer
	}
}

func (s *Session) fits(ids []int32, most int) ([]int32, error) {
	if s.dropped > 0 {
		s.say("the context is full: the oldest is left out")
	}
	if len(ids) > most {
		return nil, fmt.Errorf("the conversation has %d tokens, which leaves too little room in a context of %d%s", len(ids), s.Engine.Info().Context, s.whatNow())
	}
	return ids, nil
}

// conversation is the messages that are not left out, below the system's.
func (s *Session) conversation() []chat.Message {
	var all []chat.Message
	if s.system != "" {
		all = append(all, chat.Message{Role: "system", Content: s.system})
	}
	return append(all, s.messages[s.dropped:]...)
}

// Begin sets what the model is told before all else, or goes on with a file of /save; either may be "".
func (s *Session) Begin(system, file string) error {
	if file != "" {
		if err := s.load(file); err != nil {
			return err
		}
	}
	if system != "" {
		s.system = system
	}
	return nil
}
