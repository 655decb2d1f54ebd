package grammar

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// What a source may be at most.
const (
	maxSource = 1 << 20 // bytes
	maxNested = 128     // parentheses
	maxTimes  = 1 << 20 // of a repetition
)

// Parse reads a grammar in GBNF, as llama.cpp has it (grammars/README.md there):
//
//	root  ::= item ("," item)*   # a rule ends where the next begins
//	item  ::= [a-z_]+ | "\"" [^"\n]{0,20} "\"" | .
//
// A rule is a name, ::= and alternatives separated by |, of texts in quotes, classes of characters in brackets, . for any character, names of rules and
// groups in parentheses; * + ? {n} {n,} {n,m} {,m} repeat what they follow. Texts and classes know \n, \r, \t, \\, \", \', \[, \], \-, \^, \xHH, \uHHHH and \UHHHHHHHH, which
// all stand for a character. A comment is from # to the line's end. It fails with an *Error that names the place.
func Parse(source string) (Rules, error) {
	p := &parser{source: source, rules: Rules{}}
	if len(source) > maxSource {
		return nil, problem("the source has %d bytes, at most %d are taken", len(source), maxSource)
	}
	if !utf8.ValidString(source) {
		return nil, problem("the source is not UTF-8")
	}
	for p.space(); p.at < len(source); p.space() {
		if err := p.rule(); err != nil {
			return nil, err
		}
	}
	if p.rules[Root] == nil {
		return nil, problem("there is no rule %s, which a whole text has to match", Root)
	}
	return p.rules, nil
}

type parser struct {
	source string
	at     int
	rules  Rules
	nested int
}

// fail is an error at a byte of the source.
func (p *parser) fail(at int, format string, args ...any) error {
	return &Error{"grammar", p.place(at), fmt.Sprintf(format, args...)}
}

// place says where a byte of the source is.
func (p *parser) place(at int) string {
	before := p.source[:at]
	line := strings.Count(before, "\n")
	column := utf8.RuneCountInString(before[strings.LastIndexByte(before, '\n')+1:])
	return fmt.Sprintf("line %d, column %d", line+1, column+1)
}

// next is what comes next, for errors.
func (p *parser) next() string {
	if p.at == len(p.source) {
		return "the end"
	}
	r, _ := utf8.DecodeRuneInString(p.source[p.at:])
	return strconv.QuoteRune(r)
}

// space goes on behind white space and comments.
func (p *parser) space() {
	for p.at < len(p.source) {
		switch p.source[p.at] {
		case ' ', '\t', '\r', '\n':
			p.at++
		case '#':
			end := strings.IndexByte(p.source[p.at:], '\n')
			if end < 0 {
				end = len(p.source) - p.at
			}
			p.at += end
		default:
			return
		}
	}
}

// take goes on behind a text, if that comes next.
func (p *parser) take(text string) bool {
	if !strings.HasPrefix(p.source[p.at:], text) {
		return false
	}
	p.at += len(text)
	return true
}

// name reads a rule's name; "" if none comes next.
func (p *parser) name() string {
	start := p.at
	for p.at < len(p.source) && isName(p.source[p.at]) {
		p.at++
	}
	return p.source[start:p.at]
}

func isName(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_'
}

func (p *parser) rule() error {
	at := p.at
	name := p.name()
	if name == "" {
		return p.fail(at, "want the name of a rule, found %s", p.next())
	}
	if p.space(); !p.take("::=") {
		return p.fail(p.at, "want ::= behind the name %s, found %s", name, p.next())
	}
	if p.rules[name] != nil {
		return p.fail(at, "rule %s is defined twice", name)
	}
	x, err := p.alternatives()
	if err == nil && p.at < len(p.source) && !p.begins() {
		err = p.fail(p.at, "found %s, which begins nothing", p.next())
	}
	p.rules[name] = x
	return err
}

// begins reports whether a rule comes next.
func (p *parser) begins() bool {
	at := p.at
	defer func() { p.at = at }()
	if p.name() == "" {
		return false
	}
	p.space()
	return p.take("::=")
}

func (p *parser) alternatives() (*Expr, error) {
	var all []*Expr
	for {
		x, err := p.sequence()
		if err != nil {
			return nil, err
		}
		if all = append(all, x); !p.take("|") {
			return Or(all...), nil
		}
	}
}

func (p *parser) sequence() (*Expr, error) {
	var all []*Expr
	for {
		p.space()
		x, err := p.item()
		if err != nil {
			return nil, err
		}
		if x == nil {
			return Seq(all...), nil
		}
		if x, err = p.repeats(x); err != nil {
			return nil, err
		}
		all = append(all, x)
	}
}

// item reads what a repetition can follow; nil if none comes next.
func (p *parser) item() (*Expr, error) {
	if p.at == len(p.source) {
		return nil, nil
	}
	at := p.at
	switch c := p.source[p.at]; {
	case c == '"':
		return p.text()
	case c == '[':
		return p.class()
	case c == '.':
		p.at++
		return Not(), nil
	case c == '(':
		if p.nested++; p.nested > maxNested {
			return nil, p.fail(at, "more than %d parentheses in each other", maxNested)
		}
		p.at++
		x, err := p.alternatives()
		if err != nil {
			return nil, err
		}
		if !p.take(")") {
			return nil, p.fail(p.at, "want a closing parenthesis for that of %s, found %s", p.place(at), p.next())
		}
		p.nested--
		return x, nil
	case c == '<' || c == '!':
		return nil, p.fail(at, "tokens by number or name are not supported; write their text in quotes")
	case c == '*' || c == '+' || c == '?' || c == '{':
		return nil, p.fail(at, "%s follows nothing that it could repeat", p.next())
	case isName(c) && !p.begins():
		return Rule(p.name()), nil
	}
	return nil, nil
}

// repeats reads the repetitions behind x.
func (p *parser) repeats(x *Expr) (*Expr, error) {
	for times := 0; ; times++ {
		p.space()
		at := p.at
		switch {
		case p.take("*"):
			x = Repeat(x, 0, -1)
		case p.take("+"):
			x = Repeat(x, 1, -1)
		case p.take("?"):
			x = Maybe(x)
		case p.take("{"):
			least, most, err := p.times(at)
			if err != nil {
				return nil, err
			}
			x = Repeat(x, least, most)
		default:
			return x, nil
		}
		if times == maxNested {
			return nil, p.fail(at, "more than %d repetitions of each other", maxNested)
		}
	}
}

// times reads how often something is repeated, behind the brace at at.
func (p *parser) times(at int) (least, most int, err error) {
	number := func() (int, bool) {
		p.space()
		start := p.at
		for p.at < len(p.source) && p.source[p.at] >= '0' && p.source[p.at] <= '9' {
			p.at++
		}
		digits := p.source[start:p.at]
		p.space()
		n, e := strconv.Atoi(digits)
		if digits != "" && (e != nil || n > maxTimes) && err == nil {
			err = p.fail(start, "%s times are more than the %d that are taken", digits, maxTimes)
		}
		return n, digits != ""
	}
	least, given := number()
	most = least
	if p.take(",") {
		var limited bool
		if most, limited = number(); !limited {
			most = -1
		}
		given = given || limited
	}
	switch {
	case err != nil:
		return 0, 0, err
	case !p.take("}"):
		return 0, 0, p.fail(p.at, "want a closing brace, found %s", p.next())
	case !given:
		return 0, 0, p.fail(at, "a repetition without a number; write {2}, {2,}, {,5} or {2,5}")
	case most >= 0 && most < least:
		return 0, 0, p.fail(at, "at least %d times are more than at most %d", least, most)
	}
	return least, most, nil
}

// text reads a text in quotes.
func (p *parser) text() (*Expr, error) {
	at := p.at
	p.at++
	var b strings.Builder
	for !p.take(`"`) {
		if p.at == len(p.source) || p.source[p.at] == '\n' {
			return nil, p.fail(at, "the text has no closing quote")
		}
		r, err := p.rune()
		if err != nil {
			return nil, err
		}
		b.WriteRune(r)
	}
	return Text(b.String()), nil
}

// class reads a class of characters.
func (p *parser) class() (*Expr, error) {
	at := p.at
	p.at++
	not := p.take("^")
	var ranges []Range
	for !p.take("]") {
		if p.at == len(p.source) || p.source[p.at] == '\n' {
			return nil, p.fail(at, "the class has no closing bracket")
		}
		start := p.at
		r, err := p.rune()
		if err != nil {
			return nil, err
		}
		last := r
		if strings.HasPrefix(p.source[p.at:], "-") && !strings.HasPrefix(p.source[p.at:], "-]") {
			p.at++
			if p.at == len(p.source) {
				return nil, p.fail(at, "the class has no closing bracket")
			}
			if last, err = p.rune(); err != nil {
				return nil, err
			}
		}
		if last < r {
			return nil, p.fail(start, "the range %s is upside down", p.source[start:p.at])
		}
		ranges = append(ranges, Range{r, last})
	}
	if not {
		return Not(ranges...), nil
	}
	return Set(ranges...), nil
}

// rune reads a character of a text or a class.
func (p *parser) rune() (rune, error) {
	at := p.at
	r, n := utf8.DecodeRuneInString(p.source[p.at:])
	p.at += n
	if r != '\\' {
		return r, nil
	}
	if p.at == len(p.source) {
		return 0, p.fail(at, "a backslash with nothing behind it")
	}
	c := p.source[p.at]
	p.at++
	digits := 0
	switch c {
	case 'n':
		return '\n', nil
	case 'r':
		return '\r', nil
	case 't':
		return '\t', nil
	case '\\', '"', '\'', '[', ']', '-', '^':
		return rune(c), nil
	case 'x':
		digits = 2
	case 'u':
		digits = 4
	case 'U':
		digits = 8
	default:
		p.at--
		return 0, p.fail(at, `\%s is not known; there are \n \r \t \\ \" \' \[ \] \- \^ \xHH \uHHHH \UHHHHHHHH`, strings.Trim(p.next(), "'"))
	}
	if p.at+digits > len(p.source) {
		return 0, p.fail(at, `\%c wants %d digits`, c, digits)
	}
	code, err := strconv.ParseUint(p.source[p.at:p.at+digits], 16, 32)
	if err != nil {
		return 0, p.fail(at, `\%c wants %d hexadecimal digits`, c, digits)
	}
	if !utf8.ValidRune(rune(code)) || code > utf8.MaxRune {
		return 0, p.fail(at, "%X is no character", code)
	}
	p.at += digits
	return rune(code), nil
}
