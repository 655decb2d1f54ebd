package umbra

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"umbra/model/chat"
	"umbra/scheduler/grammar"
	"umbra/scheduler/grammar/jsonschema"
)

// ErrTools is returned, wrapped, for tools that cannot be offered or called as asked.
var ErrTools = errors.New("umbra: tools")

// ToolChoice says which calls of tools an answer may have, and which it must.
type ToolChoice struct {
	// Required says that the answer is a call.
	Required bool
	// Name, where it is not "", is the function that is called; it goes with Required.
	Name string
	// One says that there is at most one call.
	One bool
}

// Offer is a turn of a conversation in which tools may be called.
type Offer struct {
	// Lead is what the turn begins with before a call that it must have, and Begin how that call begins; "" where it need not have one.
	Lead, Begin string
	// Calls holds what follows to the tools' schemas (Request.Calls); nil where nothing does.
	Calls *Calls
}

// Calls is a grammar of answers with calls of tools, as OfferTools makes it.
type Calls struct {
	key   string
	rules grammar.Rules
}

// function is what is known of a tool.
type function struct {
	Name       string          `json:"name"`
	Parameters json.RawMessage `json:"parameters"`
	Strict     bool            `json:"strict"`
}

// noParameters is the schema of a function without any.
const noParameters = `{"type": "object", "properties": {}, "additionalProperties": false}`

// OfferTools works out how the next turn of a conversation has to begin, and what holds it to the tools' schemas. A call that must come is held to its function's
// schema, one that may come if the function is strict ("strict": true). A schema that cannot be held to (package jsonschema) is an error of a strict
// function; arguments of others are then any object. It fails with ErrTools, ErrNoOpening of package chat, or a *grammar.Error.
func (e *Engine) OfferTools(c chat.Conversation, choice ToolChoice) (o Offer, err error) {
	t, err := e.template()
	if err != nil {
		return o, err
	}
	var functions []function
	for i, raw := range c.Tools {
		var tool struct{ Function function }
		if err := json.Unmarshal(raw, &tool); err != nil || tool.Function.Name == "" {
			return o, fmt.Errorf("%w: tool %d is no function with a name", ErrTools, i)
		}
		functions = append(functions, tool.Function)
	}
	strict := slices.ContainsFunc(functions, func(f function) bool { return f.Strict })
	switch {
	case len(functions) == 0 && choice.Required:
		return o, fmt.Errorf("%w: a tool is to be called, but tools has none", ErrTools)
	case choice.Name != "" && !slices.ContainsFunc(functions, func(f function) bool { return f.Name == choice.Name }):
		return o, fmt.Errorf("%w: function %s is to be called, but tools has none of that name", ErrTools, choice.Name)
	case !choice.Required && !strict:
		return o, nil
	}
	form, err := t.CallForm(c)
	if err != nil {
		return o, err
	}
	if choice.Name != "" {
		functions = slices.DeleteFunc(functions, func(f function) bool { return f.Name != choice.Name })[:1]
		choice.One = true
	}
	b := callRules{form: form, rules: grammar.Rules{}}
	if err := b.functions(functions, choice.One); err != nil {
		return o, err
	}
	var root *grammar.Expr
	switch {
	case !choice.Required:
		root = b.free()
	case len(functions) == 1:
		o.Lead, o.Begin, root = form.Lead, form.Call(functions[0].Name), grammar.Seq(b.arguments(0), b.more())
	default:
		o.Lead, o.Begin, root = form.Lead, form.Begin, b.calls()
	}
	b.rules[grammar.Root] = root
	key, err := json.Marshal([]any{form, functions, choice})
	o.Calls = &Calls{"calls\x00" + string(key), b.rules}
	return o, err
}

// callRules makes the rules of answers with calls.
type callRules struct {
	form  chat.CallForm
	names []string
	rules grammar.Rules
	one   bool
}

func (b *callRules) functions(functions []function, one bool) error {
	b.one = one || b.form.Next == ""
	for i, f := range functions {
		schema := f.Parameters
		if len(schema) == 0 || string(schema) == "null" {
			schema = json.RawMessage(noParameters)
		}
		rules, err := jsonschema.Rules(schema)
		if err != nil && f.Strict {
			return fmt.Errorf("function %s: %w", f.Name, err)
		}
		if err != nil {
			rules, _ = jsonschema.Rules([]byte(`{"type": "object"}`))
		}
		b.names = append(b.names, f.Name)
		for name, x := range rules.Prefixed(strconv.Itoa(i) + " ") {
			b.rules[name] = x
		}
	}
	return nil
}

// arguments are those of a function behind Call, to the call's end.
func (b *callRules) arguments(i int) *grammar.Expr {
	return grammar.Seq(grammar.Maybe(grammar.Text(" ")), grammar.Rule(strconv.Itoa(i)+" "+grammar.Root), grammar.Text(b.form.End))
}

// call is any call from its name on.
func (b *callRules) call() *grammar.Expr {
	var all []*grammar.Expr
	for i, name := range b.names {
		all = append(all, grammar.Seq(grammar.Text(chat.Quoted(name)+strings.TrimRight(b.form.Middle, " ")), b.arguments(i)))
	}
	return grammar.Or(all...)
}

// more is what may follow a call, to the end of all.
func (b *callRules) more() *grammar.Expr {
	if b.one {
		return grammar.Text(b.form.Close)
	}
	return grammar.Seq(grammar.Repeat(grammar.Seq(grammar.Text(b.form.Next), b.call()), 0, -1), grammar.Text(b.form.Close))
}

// calls is one call or more, from the first's name on.
func (b *callRules) calls() *grammar.Expr { return grammar.Seq(b.call(), b.more()) }

// free is any text with calls or without.
func (b *callRules) free() *grammar.Expr {
	const calls, text = "calls", "text"
	b.rules[calls] = b.calls()
	if mark := b.form.Mark; mark != "" {
		b.until(text, mark, grammar.Seq(grammar.Text(strings.TrimPrefix(b.form.Begin, mark)), grammar.Rule(calls)))
		return grammar.Rule(text)
	}
	// A turn is calls and nothing else, or begins like no call.
	b.until(text, chat.PythonTag, grammar.Or())
	first := grammar.Not(grammar.Runes(" \t\r\n{[" + chat.PythonTag[:1])...)
	return grammar.Maybe(grammar.Or(grammar.Seq(grammar.Text(b.form.Begin), grammar.Rule(calls)), grammar.Seq(first, grammar.Rule(text))))
}

// until makes rules of text that has not got mark, or ends with the first of it and then. The first character of mark is in it once.
func (b *callRules) until(name, mark string, then *grammar.Expr) {
	characters := []rune(mark)
	first := characters[0]
	part := func(n int) *grammar.Expr { // behind n characters of mark
		if n == len(characters) {
			return then
		}
		return grammar.Rule(name + " " + strconv.Itoa(n))
	}
	begun := grammar.Seq(grammar.Text(string(first)), part(1))
	b.rules[name] = grammar.Seq(grammar.Repeat(grammar.Not(grammar.Runes(string(first))...), 0, -1), grammar.Maybe(begun))
	for n := 1; n < len(characters); n++ {
		next := characters[n]
		b.rules[name+" "+strconv.Itoa(n)] = grammar.Maybe(grammar.Or(
			grammar.Seq(grammar.Not(grammar.Runes(string(first)+string(next))...), grammar.Rule(name)), begun,
			grammar.Seq(grammar.Text(string(next)), part(n+1))))
	}
}
