package repl

import (
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"

	"umbra/model/chat"
)

const help = `/system TEXT   what the model is told before all else; alone: show it
/clear         forget what was said
/regen         another answer to the last message
/set           show settings; /set NAME VALUE changes one
/save FILE     keep the conversation in a file
/load FILE     go on with one
/stats         what the last answer took
/help, /quit
A line that ends with \ goes on in the next; so does all between """ and """. Ctrl-C stops an answer, Ctrl-D ends.`

// command cuts "/name argument" up.
func command(input string) (name, argument string, ok bool) {
	rest, ok := strings.CutPrefix(input, "/")
	if !ok || strings.HasPrefix(rest, "/") || strings.HasPrefix(rest, "*") { // comments of code
		return "", "", false
	}
	name, argument, _ = strings.Cut(rest, " ")
	return name, strings.TrimSpace(argument), true
}

// command does what a command says, and reports whether it was the last.
func (s *Session) command(name, argument string) (quit bool, err error) {
	switch name {
	case "quit", "exit", "bye":
		return true, nil
	case "help", "?":
		fmt.Fprintln(s.Say, help)
	case "clear":
		s.messages, s.text = nil, ""
	case "system":
		switch {
		case s.plain:
			return false, fmt.Errorf("a model without a chat template takes no system message")
		case argument == "":
			fmt.Fprintln(s.Say, s.system)
		default:
			s.system = argument
		}
	case "regen":
		return false, s.again()
	case "set":
		return false, s.set(argument)
	case "save":
		return false, s.save(argument)
	case "load":
		return false, s.load(argument)
	case "stats":
		s.stats()
	default:
		return false, fmt.Errorf("there is no command /%s; /help lists them", name)
	}
	return false, nil
}

// again has the last message answered once more.
func (s *Session) again() error {
	n := len(s.messages)
	if s.plain || n == 0 || s.messages[n-1].Role != "assistant" {
		return fmt.Errorf("there is no answer to make again")
	}
	s.messages = s.messages[:n-1]
	return s.answer()
}

// set shows or changes settings.
func (s *Session) set(argument string) error {
	p := &s.Sampling
	numbers := []struct {
		name string
		at   *float64
	}{{"temperature", &p.Temperature}, {"top-p", &p.TopP}, {"min-p", &p.MinP}, {"typical", &p.Typical}, {"repeat-penalty", &p.Penalty},
		{"frequency-penalty", &p.Frequency}, {"presence-penalty", &p.Presence}, {"top-n-sigma", &p.TopNSigma}}
	counts := []struct {
		name string
		at   *int
	}{{"top-k", &p.TopK}, {"repeat-last", &p.PenaltyLast}, {"max-tokens", &s.MaxTokens}}
	name, text, _ := strings.Cut(argument, " ")
	if name == "" {
		for _, n := range numbers {
			fmt.Fprintf(s.Say, "%s %v\n", n.name, *n.at)
		}
		for _, n := range counts {
			fmt.Fprintf(s.Say, "%s %d\n", n.name, *n.at)
		}
		fmt.Fprintf(s.Say, "seed %d\nshift %v\n", p.Seed, s.Shift)
		return nil
	}
	before := s.Settings
	err := fmt.Errorf("there is no setting %s; /set lists them", name)
	for _, n := range numbers {
		if n.name == name {
			*n.at, err = strconv.ParseFloat(text, 64)
		}
	}
	for _, n := range counts {
		if n.name == name {
			*n.at, err = strconv.Atoi(text)
		}
	}
	switch name {
	case "seed":
		p.Seed, err = strconv.ParseUint(text, 10, 64)
	case "shift":
		switch text {
		case "on", "off":
			s.Shift, err = text == "on", nil
		default:
			err = fmt.Errorf("shift is on or off")
		}
	}
	if err == nil {
		err = p.Validate()
	}
	if err != nil {
		s.Settings = before
	}
	return err
}

// saved is a conversation's file.
type saved struct {
	System   string         `json:"system,omitempty"`
	Messages []savedMessage `json:"messages,omitempty"`
	Text     string         `json:"text,omitempty"`
}

type savedMessage struct {
	Role    string `json:"role"`
	Content string `json:"content"`
}

func (s *Session) save(path string) error {
	if path == "" {
		return fmt.Errorf("give a file: /save FILE")
	}
	f := saved{System: s.system, Text: s.text}
	for _, m := range s.messages {
		f.Messages = append(f.Messages, savedMessage{m.Role, m.Content})
	}
	data, err := json.MarshalIndent(f, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(data, '\n'), 0o600)
}

func (s *Session) load(path string) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var f saved
	if err := json.Unmarshal(data, &f); err != nil {
		return fmt.Errorf("%s is no conversation: %w", path, err)
	}
	s.system, s.text, s.messages = f.System, f.Text, nil
	for _, m := range f.Messages {
		s.messages = append(s.messages, chat.Message{Role: m.Role, Content: m.Content})
	}
	s.say("%d messages", len(s.messages))
	return nil
}

// stats tells of the last answer and of the context.
func (s *Session) stats() {
	u := s.last.Usage
	rate := func(n int, seconds float64) float64 {
		if seconds <= 0 {
			return 0
		}
		return float64(n) / seconds
	}
	s.say("prompt %d tokens, %d of them cached, %.1f tok/s; answer %d tokens, %.1f tok/s; %v; context %d of %d", u.Prompt, u.Cached,
		rate(u.Prompt-u.Cached, s.last.Prefill.Seconds()), u.Generated, rate(u.Generated-1, s.last.Decode.Seconds()), s.last.Reason,
		u.Prompt+u.Generated, s.Engine.Info().Context)
}
