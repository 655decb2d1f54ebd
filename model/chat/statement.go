package chat

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// translate rewrites a template for the library: white space is done with, so all text is written as {{ "text" }}; expressions are
// as parser writes them; and statements that the library has not, or has otherwise than jinja2, are spelled by those it has.
func translate(source string) (out string, err error) {
	segs, err := segments(source)
	if err != nil {
		return "", err
	}
	t := &translator{segs: segs}
	defer func() {
		if r := recover(); r != nil {
			f, ok := r.(failure)
			if !ok {
				panic(r)
			}
			out, err = "", fmt.Errorf("chat: template line %d: %w", t.line, f.error)
		}
	}()
	body, _, end := t.body(true)
	if end != "" {
		panic(failure{fmt.Errorf("unexpected %s", end)})
	}
	return body, nil
}

type translator struct {
	segs    []segment
	at      int
	line    int
	helpers int // variables made up
}

// helper makes up a variable.
func (t *translator) helper() string {
	t.helpers++
	return "h_" + strconv.Itoa(t.helpers)
}

func set(name, value string) string { return "{% set " + name + " = " + value + " %}" }

func output(e string) string { return "{{ text(" + e + ") }}" }

// names are the variables that a body sets in its own scope.
type names map[string]bool

func (n names) add(from names) { maps.Copy(n, from) }

// body translates up to a statement that ends or parts what is around it, whose parser is then t.tag; it returns that statement's name, "" at the end
// of the template.
func (t *translator) body(top bool) (out string, sets names, end string) {
	var b strings.Builder
	sets = names{}
	for t.at < len(t.segs) {
		s := t.segs[t.at]
		t.line = s.line
		switch s.kind {
		case textSegment:
			b.WriteString("{{ " + literal(s.text) + " }}")
		case outputSegment:
			p := &parser{toks: s.toks}
			b.WriteString(output(p.tuple(true)))
			p.end()
		case statementSegment:
			p := &parser{toks: s.toks}
			name := p.name()
			if strings.HasPrefix(name, "end") || name == "else" || name == "elif" {
				if top {
					p.fail("unexpected %s", name)
				}
				return b.String(), sets, name
			}
			t.at++
			b.WriteString(t.statement(name, p, sets))
			continue
		}
		t.at++
	}
	return b.String(), sets, ""
}

// closed translates up to the statement end, which is taken.
func (t *translator) closed(p *parser, end string) (string, names) {
	p.end()
	line := t.line
	body, sets, got := t.body(false)
	if got != end {
		t.line = line
		p.fail("no %s, but %q", end, got)
	}
	t.at++
	return body, sets
}

func (t *translator) statement(name string, p *parser, sets names) string {
	switch name {
	case "if":
		return t.ifs(p, sets)
	case "for":
		return t.loop(p)
	case "set":
		return t.set(p, sets)
	case "macro":
		return t.macro(p, sets)
	case "call":
		return t.call(p)
	case "filter":
		h := t.helper()
		e := p.filters(p.filter(h))
		body, inner := t.closed(p, "endfilter")
		sets.add(inner)
		return "{% set " + h + " %}" + body + "{% endset %}" + output(e)
	case "with":
		return t.with(p)
	case "generation": // where the model's part is; a scope of its own, as in transformers' AssistantTracker
		body, _ := t.closed(p, "endgeneration")
		return "{% call within() %}" + body + "{% endcall %}"
	case "block": // of a template that extends none
		p.name()
		body, _ := t.closed(p, "endblock")
		return "{% call within() %}" + body + "{% endcall %}"
	case "break", "continue":
		p.end()
		return "{% " + name + " %}"
	}
	p.fail("statement %q is not supported", name)
	return ""
}

func (t *translator) ifs(p *parser, sets names) string {
	out := "{% if " + p.tuple(true) + " %}"
	for {
		p.end()
		body, inner, end := t.body(false)
		out += body
		sets.add(inner)
		if end == "" {
			p.fail("no endif")
		}
		p = &parser{toks: t.segs[t.at].toks, at: 1}
		t.at++
		switch end {
		case "elif":
			out += "{% elif " + p.tuple(true) + " %}"
		case "else":
			out += "{% else %}"
		case "endif":
			p.end()
			return out + "{% endif %}"
		default:
			p.fail("unexpected %s in an if", end)
		}
	}
}

// loop translates a for. The library has one scope for all rounds, jinja2 one for each: variables that the body sets begin each round
// with what they have outside.
func (t *translator) loop(p *parser) string {
	targets := t.targets(p)
	p.expect("in")
	items := p.tuple(false)
	one, unpack, condition := variable(targets[0]), "", ""
	if len(targets) > 1 {
		one = t.helper()
		unpack = unpacked(one, targets)
	}
	if p.skip("if") {
		if len(targets) > 1 { // not set yet where the library asks
			p.stands = map[string]string{}
			for i, name := range targets {
				p.stands[name] = part(one, i, len(targets))
			}
		}
		condition = " if " + p.expression()
	}
	if p.isName("recursive") {
		p.fail("a recursive for is not supported")
	}
	p.end()
	body, sets, end := t.body(false)
	before, begin := "", ""
	for _, name := range slices.Sorted(maps.Keys(sets)) {
		if !slices.Contains(targets, name) {
			h := t.helper()
			before += set(h, variable(name))
			begin += set(variable(name), h)
		}
	}
	out := before + "{% for " + one + " in iterate(" + items + ")" + condition + " %}" + begin + unpack + body
	if end == "else" {
		t.at++
		body, _, end = t.body(false)
		out += "{% else %}" + body
	}
	if end != "endfor" {
		p.fail("no endfor, but %q", end)
	}
	t.at++
	return out + "{% endfor %}"
}

// targets reads the variables of a for or set.
func (t *translator) targets(p *parser) []string {
	bracket := p.skip("(")
	all := []string{p.name()}
	for p.skip(",") {
		all = append(all, p.name())
	}
	if bracket {
		p.expect(")")
	}
	return all
}

// unpacked sets targets to the items of one.
func unpacked(one string, targets []string) (out string) {
	for i, name := range targets {
		out += set(variable(name), part(one, i, len(targets)))
	}
	return out
}

// part is item i of the n that one must have.
func part(one string, i, n int) string { return fmt.Sprintf("unpack(%s, %d, %d)", one, i, n) }

func (t *translator) set(p *parser, sets names) string {
	if p.at+1 < len(p.toks) && p.toks[p.at+1] == (token{operator, "."}) {
		target := variable(p.name()) + "."
		p.at++
		target += p.name()
		p.expect("=")
		e := p.tuple(true)
		p.end()
		return "{% if namespace(" + strings.Split(target, ".")[0] + ") %}" + set(target, e) + "{% endif %}"
	}
	targets := t.targets(p)
	for _, name := range targets {
		sets[name] = true
	}
	switch {
	case p.skip("="):
		e := p.tuple(true)
		p.end()
		if len(targets) == 1 {
			return set(variable(targets[0]), e)
		}
		h := t.helper()
		return set(h, e) + unpacked(h, targets)
	case len(targets) > 1:
		p.fail("expected =")
	}
	target := variable(targets[0])
	if !p.isOp("|") {
		body, inner := t.closed(p, "endset")
		sets.add(inner)
		return "{% set " + target + " %}" + body + "{% endset %}"
	}
	h := t.helper()
	e := p.filters(h)
	body, inner := t.closed(p, "endset")
	sets.add(inner)
	return "{% set " + h + " %}" + body + "{% endset %}" + set(target, e)
}

// macro translates a macro. The library cuts its parameters at any comma, so that defaults become variables.
func (t *translator) macro(p *parser, sets names) string {
	name := p.name()
	sets[name] = true
	p.expect("(")
	before := ""
	params := p.items(")", func() string {
		param := variable(p.name())
		if p.skip("=") {
			h := t.helper()
			before += set(h, p.expression())
			param += "=" + h
		}
		return param
	})
	body, _ := t.closed(p, "endmacro")
	return before + "{% macro " + variable(name) + "(" + params + ") %}" + body + "{% endmacro %}"
}

func (t *translator) call(p *parser) string {
	params := ""
	if p.skip("(") {
		params = p.items(")", func() string { return variable(p.name()) })
	}
	e := p.postfix(p.primary())
	if !strings.HasSuffix(e, ")") {
		p.fail("expected a call")
	}
	body, _ := t.closed(p, "endcall")
	return "{% call(" + params + ") " + e + " %}" + body + "{% endcall %}"
}

func (t *translator) with(p *parser) string {
	var params, values []string
	for p.peek().kind != endToken {
		if len(params) > 0 {
			p.expect(",")
		}
		params = append(params, variable(p.name()))
		p.expect("=")
		values = append(values, p.expression())
	}
	body, _ := t.closed(p, "endwith")
	return "{% call(" + strings.Join(params, ", ") + ") within(" + strings.Join(values, ", ") + ") %}" + body + "{% endcall %}"
}
