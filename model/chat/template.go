// Package chat turns conversations into prompts by a model's own chat template, and the calls of tools that a model writes back into data.
// Templates are Jinja, and give what Python's jinja2 set up as transformers sets it up gives, byte for byte. It does no I/O and knows no model.
//
// The Jinja library (ardanlabs/jinja) does control flow, scopes and calls. It differs from jinja2 in white space, in the order and meaning of operators, in
// filters, tests, methods and printing, so templates are translated (parser, translator) to what it does alike, and all else are functions
// of this package. What is not supported is an error: extends, include, import, recursive loops, loop.depth and loop.changed, and * and ** in calls. What is not
// alike: values have no tuples (they print as lists) and no integers beyond 64 bits, and errors have other words.
package chat

import (
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/ardanlabs/jinja"
)

// Template is a chat template. It may be used by several goroutines at once.
type Template struct {
	source   string
	compiled *jinja.Template
	bos, eos string
	stringly bool // arguments of calls are wanted as text
	format   Format
}

// Options say what templates see of the model.
type Options struct {
	// BOS and EOS are the texts of its tokens that begin and end a text.
	BOS, EOS string
}

// New reads a template. An error names the line.
func New(source string, o Options) (*Template, error) {
	t, err := compile(source)
	if err != nil {
		return nil, err
	}
	t.bos, t.eos = o.BOS, o.EOS
	t.stringly = t.wantsText()
	t.format = formatOf(source)
	return t, nil
}

func compile(source string) (*Template, error) {
	translated, err := translate(source)
	if err != nil {
		return nil, err
	}
	compiled, err := jinja.Compile(translated)
	if err != nil {
		return nil, fmt.Errorf("chat: %w", err)
	}
	return &Template{source: source, compiled: compiled}, nil
}

// Source is the template as it was given.
func (t *Template) Source() string { return t.source }

// render runs the template with these variables. now is what strftime_now tells.
func (t *Template) render(variables map[string]value, now time.Time) (out string, err error) {
	data := maps.Clone(functions)
	data["v_strftime_now"] = jinja.NewCallable("strftime_now", func(args []value, named map[string]value) (value, error) {
		return jinja.NewString(strftime(now, text(argument(args, named, 0, "v_format", jinja.NewString(""))))), nil
	})
	for name, v := range variables {
		data["v_"+name] = v
	}
	defer func() { // a function that was given too few arguments, say
		if r := recover(); r != nil {
			err = fmt.Errorf("chat: template: %v", r)
		}
	}()
	out, err = t.compiled.RenderValues(data)
	var raised *Exception
	switch {
	case err == nil:
		return out, nil
	case errors.As(err, &raised):
		return "", fmt.Errorf("chat: the template refuses: %w", raised)
	}
	return "", fmt.Errorf("chat: template: %w", err)
}
