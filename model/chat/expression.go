package chat

import (
	"fmt"
	"strconv"
	"strings"
)

// parser reads the tokens of one tag and writes what they mean in what the Jinja library can be relied on for: names, texts, numbers, and, or,
// not, ?: and calls. All else is a call of one of this package's functions (functions), whose meaning is Python's. Template variables
// get the prefix v_, so that they are neither these nor the library's own. The grammar is that of jinja2/parser.py, 3.1.
type parser struct {
	toks   []token
	at     int
	stands map[string]string // what stands for a variable
}

func (p *parser) peek() token {
	if p.at < len(p.toks) {
		return p.toks[p.at]
	}
	return token{kind: endToken, text: "end of the tag"}
}

func (p *parser) next() token {
	t := p.peek()
	p.at++
	return t
}

func (p *parser) isOp(text string) bool {
	t := p.peek()
	return t.kind == operator && t.text == text
}

func (p *parser) isName(text string) bool {
	t := p.peek()
	return t.kind == nameToken && t.text == text
}

// skip takes the next token if it is that operator or name.
func (p *parser) skip(text string) bool {
	if p.isOp(text) || p.isName(text) {
		p.at++
		return true
	}
	return false
}

// failure carries a parse error up, as parsing has many levels.
type failure struct{ error }

func (p *parser) fail(format string, args ...any) {
	panic(failure{fmt.Errorf(format, args...)})
}

func (p *parser) expect(text string) {
	if !p.skip(text) {
		p.fail("expected %q, found %q", text, p.peek().text)
	}
}

func (p *parser) name() string {
	t := p.next()
	if t.kind != nameToken {
		p.fail("expected a name, found %q", t.text)
	}
	return t.text
}

func (p *parser) end() {
	if p.peek().kind != endToken {
		p.fail("unexpected %q", p.peek().text)
	}
}

// tuple reads expressions separated by commas: one, or a tuple of them. Without conditions, "if" ends it.
func (p *parser) tuple(conditions bool) string {
	one := p.or
	if conditions {
		one = p.expression
	}
	items := []string{one()}
	many := false
	for p.skip(",") {
		many = true
		if t := p.peek(); t.kind == endToken || t.kind == operator && strings.Contains(")]}=", t.text) {
			break
		}
		items = append(items, one())
	}
	if !many {
		return items[0]
	}
	return "tuple(" + strings.Join(items, ", ") + ")"
}

func (p *parser) expression() string {
	e := p.or()
	for p.skip("if") {
		condition := p.or()
		other := "undefined"
		if p.skip("else") {
			other = p.expression()
		}
		e = "(" + e + " if " + condition + " else " + other + ")"
	}
	return e
}

func (p *parser) or() string {
	e := p.and()
	for p.skip("or") {
		e = "(" + e + " or " + p.and() + ")"
	}
	return e
}

func (p *parser) and() string {
	e := p.not()
	for p.skip("and") {
		e = "(" + e + " and " + p.not() + ")"
	}
	return e
}

func (p *parser) not() string {
	if p.skip("not") {
		return "(not " + p.not() + ")"
	}
	return p.compare()
}

var comparisons = map[string]string{"==": "eq", "!=": "ne", "<": "lt", "<=": "le", ">": "gt", ">=": "ge"}

func (p *parser) compare() string {
	left := p.sum()
	var all []string
	for {
		t := p.peek()
		op := ""
		switch {
		case t.kind == operator && comparisons[t.text] != "":
			p.at++
			op = comparisons[t.text]
		case p.isName("in"):
			p.at++
			op = "in"
		case p.isName("not") && p.at+1 < len(p.toks) && p.toks[p.at+1] == token{nameToken, "in"}:
			p.at += 2
			op = "not_in"
		default:
			if all == nil {
				return left
			}
			return "(" + strings.Join(all, " and ") + ")"
		}
		right := p.sum()
		all = append(all, "op_"+op+"("+left+", "+right+")")
		left = right
	}
}

// binary reads operands joined by operators, the first binding first.
func (p *parser) binary(operand func() string, names map[string]string) string {
	e := operand()
	for p.peek().kind == operator && names[p.peek().text] != "" {
		name := names[p.next().text]
		e = "op_" + name + "(" + e + ", " + operand() + ")"
	}
	return e
}

var (
	sums     = map[string]string{"+": "add", "-": "sub"}
	products = map[string]string{"*": "mul", "/": "div", "//": "floordiv", "%": "mod"}
	powers   = map[string]string{"**": "pow"}
	joins    = map[string]string{"~": "concat"}
)

func (p *parser) sum() string     { return p.binary(p.concat, sums) }
func (p *parser) concat() string  { return p.binary(p.product, joins) }
func (p *parser) product() string { return p.binary(p.power, products) }
func (p *parser) power() string {
	return p.binary(func() string { return p.unary(true) }, powers)
}

func (p *parser) unary(filters bool) string {
	var e string
	switch {
	case p.skip("-"):
		e = "op_neg(" + p.unary(false) + ")"
	case p.skip("+"):
		e = "op_pos(" + p.unary(false) + ")"
	default:
		e = p.postfix(p.primary())
	}
	for filters {
		switch {
		case p.isOp("|"):
			e = p.filters(e)
		case p.isName("is"):
			e = p.test(e)
		case p.isOp("("):
			e = p.call(e)
		default:
			return e
		}
	}
	return e
}

func (p *parser) primary() string {
	t := p.next()
	switch t.kind {
	case nameToken:
		switch t.text {
		case "true", "True":
			return "true"
		case "false", "False":
			return "false"
		case "none", "None":
			return "none"
		}
		if s, ok := p.stands[t.text]; ok {
			return s
		}
		return variable(t.text)
	case stringToken:
		text := t.text
		for p.peek().kind == stringToken {
			text += p.next().text
		}
		return literal(text)
	case intToken:
		return t.text
	case floatToken:
		f, err := strconv.ParseFloat(t.text, 64)
		if err != nil {
			p.fail("%v", err)
		}
		return "op_float(" + literal(strconv.FormatFloat(f, 'g', -1, 64)) + ")"
	case operator:
		switch t.text {
		case "(":
			if p.skip(")") {
				return "tuple()"
			}
			e := p.tuple(true)
			p.expect(")")
			return e
		case "[":
			return "list(" + p.items("]", p.expression) + ")"
		case "{":
			return "dict(" + p.items("}", func() string {
				key := p.expression()
				p.expect(":")
				return key + ", " + p.expression()
			}) + ")"
		}
	}
	p.fail("unexpected %q", t.text)
	return ""
}

// items reads what stands between commas, up to end.
func (p *parser) items(end string, one func() string) string {
	var all []string
	for !p.skip(end) {
		if len(all) > 0 {
			p.expect(",")
			if p.skip(end) {
				break
			}
		}
		all = append(all, one())
	}
	return strings.Join(all, ", ")
}

func (p *parser) postfix(e string) string {
	for {
		switch {
		case p.skip("."):
			t := p.next()
			switch {
			case t.kind == intToken:
				e = "item(" + e + ", " + t.text + ")"
			case t.kind != nameToken:
				p.fail("expected a name after the dot, found %q", t.text)
			case p.isOp("("):
				p.at++
				e = "method(" + joined(e, literal(t.text), p.arguments("")) + ")"
			default:
				e = "attribute(" + e + ", " + literal(t.text) + ")"
			}
		case p.skip("["):
			e = p.subscript(e)
			p.expect("]")
		case p.isOp("("):
			e = p.call(e)
		default:
			return e
		}
	}
}

func (p *parser) subscript(e string) string {
	part := func() string {
		if p.isOp(":") || p.isOp("]") {
			return "none"
		}
		return p.expression()
	}
	first := part()
	if !p.skip(":") {
		return "item(" + e + ", " + first + ")"
	}
	second, third := part(), "none"
	if p.skip(":") {
		third = part()
	}
	return "slice(" + e + ", " + first + ", " + second + ", " + third + ")"
}

// call reads the arguments of a call. Names of arguments get the prefix of variables, which those of macros have.
func (p *parser) call(e string) string {
	p.expect("(")
	if e == "v_dict" || e == "v_namespace" { // the library does not keep the order of names
		return "v_ordered(" + joined(literal(e[2:]), p.pairs()) + ")"
	}
	return e + "(" + p.arguments("v_") + ")"
}

// pairs reads arguments with names as a list of names and values; one without a name becomes "", value.
func (p *parser) pairs() string {
	return p.items(")", func() string {
		if name, ok := p.keyword(); ok {
			return literal(name) + ", " + p.expression()
		}
		p.skip("**")
		return `"", ` + p.expression()
	})
}

func (p *parser) keyword() (string, bool) {
	if p.peek().kind == nameToken && p.at+1 < len(p.toks) && p.toks[p.at+1] == (token{operator, "="}) {
		name := p.next().text
		p.at++
		return name, true
	}
	return "", false
}

// arguments reads what follows an opening bracket up to its end.
func (p *parser) arguments(prefix string) string {
	return p.items(")", func() string {
		if name, ok := p.keyword(); ok {
			return prefix + name + "=" + p.expression()
		}
		if p.isOp("*") || p.isOp("**") {
			p.fail("* and ** in a call are not supported")
		}
		return p.expression()
	})
}

func (p *parser) filters(e string) string {
	for p.skip("|") {
		e = p.filter(e)
	}
	return e
}

// filter reads one filter, applied to e.
func (p *parser) filter(e string) string {
	name := p.name()
	if filterTable[name] == nil {
		p.fail("no filter named %q", name)
	}
	args := ""
	if p.skip("(") {
		args = p.arguments("")
	}
	return "f_" + name + "(" + joined(e, args) + ")"
}

func (p *parser) test(e string) string {
	p.expect("is")
	not := p.skip("not")
	t := p.next()
	if testTable[t.text] == nil {
		p.fail("no test named %q", t.text)
	}
	args := ""
	switch a := p.peek(); {
	case p.skip("("):
		args = p.arguments("")
	case a.kind == nameToken && a.text != "else" && a.text != "or" && a.text != "and" && a.text != "if" && a.text != "is" && a.text != "in" && a.text != "not",
		a.kind == stringToken, a.kind == intToken, a.kind == floatToken, p.isOp("["), p.isOp("{"):
		args = p.postfix(p.primary())
	}
	e = "t_" + t.text + "(" + joined(e, args) + ")"
	if not {
		return "(not " + e + ")"
	}
	return e
}

// joined joins what is not empty.
func joined(parts ...string) string {
	var all []string
	for _, p := range parts {
		if p != "" {
			all = append(all, p)
		}
	}
	return strings.Join(all, ", ")
}

// variable is how the library knows a template's variable. It makes loop and caller itself.
func variable(name string) string {
	if name == "loop" || name == "caller" {
		return name
	}
	return "v_" + name
}

var escapes = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "\t", `\t`)

// literal is a text as the library reads it.
func literal(s string) string { return `"` + escapes.Replace(s) + `"` }
