package chat

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"
)

// A segment is a piece of a template: text, or what stands between {{ and }} or {% and %}.
type segment struct {
	kind kind
	text string // of a tag: what is between its marks, as tokens
	toks []token
	line int
}

type kind int

const (
	textSegment kind = iota
	outputSegment
	statementSegment
)

var (
	rawBegin = regexp.MustCompile(`^\{%([-+]?)\s*raw\s*(?:-%\}\s*|%\})`)
	rawEnd   = regexp.MustCompile(`\{%([-+]?)\s*endraw\s*(?:\+%\}|-%\}\s*|%\}\n?)`)
	newlines = strings.NewReplacer("\r\n", "\n", "\r", "\n")
)

// segments cuts a template up as jinja2's lexer does with trim_blocks and lstrip_blocks on and keep_trailing_newline off
// (jinja2/lexer.py, 3.1): what - and + and these options take off is gone, comments are too.
func segments(source string) ([]segment, error) {
	l := &lexer{rest: strings.TrimSuffix(newlines.Replace(source), "\n"), line: 1, starting: true}
	for l.rest != "" {
		at := nextTag(l.rest)
		if at < 0 {
			l.add(textSegment, l.rest, nil)
			break
		}
		if err := l.tag(at); err != nil {
			return nil, err
		}
	}
	return l.out, nil
}

type lexer struct {
	rest     string
	line     int
	starting bool // what was last taken ended with a line end
	out      []segment
}

// nextTag finds where the next tag or comment begins.
func nextTag(s string) int {
	for i := 0; i+1 < len(s); i++ {
		if s[i] == '{' && (s[i+1] == '{' || s[i+1] == '%' || s[i+1] == '#') {
			return i
		}
	}
	return -1
}

func (l *lexer) add(k kind, text string, toks []token) {
	if k != textSegment || text != "" {
		l.out = append(l.out, segment{kind: k, text: text, toks: toks, line: l.line})
	}
}

// take moves past n bytes.
func (l *lexer) take(n int) {
	if n > 0 {
		l.starting = l.rest[n-1] == '\n'
	}
	l.line += strings.Count(l.rest[:n], "\n")
	l.rest = l.rest[n:]
}

// before is the text before a tag with that sign, cut as the sign and lstrip_blocks say.
func (l *lexer) before(text, sign string, output bool) string {
	switch {
	case sign == "-":
		return strings.TrimRightFunc(text, unicode.IsSpace)
	case sign == "+" || output:
		return text
	}
	start := strings.LastIndexByte(text, '\n') + 1
	if (start > 0 || l.starting) && strings.TrimSpace(text[start:]) == "" {
		return text[:start]
	}
	return text
}

// tag takes the text up to a tag, and the tag.
func (l *lexer) tag(at int) error {
	text, tag := l.rest[:at], l.rest[at:]
	if m := rawBegin.FindStringSubmatch(tag); m != nil {
		l.add(textSegment, l.before(text, m[1], false), nil)
		l.take(at + len(m[0]))
		end := rawEnd.FindStringSubmatchIndex(l.rest)
		if end == nil {
			return l.errorf("no endraw")
		}
		raw := l.before(l.rest[:end[0]], l.rest[end[2]:end[3]], false)
		l.add(textSegment, raw, nil)
		l.take(end[1])
		return nil
	}
	sign := ""
	if len(tag) > 2 && (tag[2] == '-' || tag[2] == '+') {
		sign = tag[2:3]
	}
	l.add(textSegment, l.before(text, sign, tag[1] == '{'), nil)
	l.take(at + 2 + len(sign))
	switch tag[1] {
	case '#':
		end := strings.Index(l.rest, "#}")
		if end < 0 {
			return l.errorf("a comment has no end")
		}
		mark := ""
		if end > 0 && (l.rest[end-1] == '-' || l.rest[end-1] == '+') {
			mark = l.rest[end-1 : end]
		}
		l.take(end + 2)
		l.after(mark, false)
		return nil
	case '{':
		return l.body(outputSegment, "}}")
	}
	return l.body(statementSegment, "%}")
}

// body takes the tokens of a tag up to its end.
func (l *lexer) body(k kind, end string) error {
	toks, n, mark, err := tokens(l.rest, end)
	if err != nil {
		return l.errorf("%v", err)
	}
	l.add(k, "", toks)
	l.take(n)
	l.after(mark, k == outputSegment)
	return nil
}

// after takes off what the end of a tag takes off the text after it: with - white space, else of all but {{ }} a line end.
func (l *lexer) after(mark string, output bool) {
	switch {
	case mark == "-":
		l.take(len(l.rest) - len(strings.TrimLeftFunc(l.rest, unicode.IsSpace)))
	case mark == "" && !output && strings.HasPrefix(l.rest, "\n"):
		l.take(1)
	}
}

func (l *lexer) errorf(format string, args ...any) error {
	return fmt.Errorf("chat: template line %d: %s", l.line, fmt.Sprintf(format, args...))
}
