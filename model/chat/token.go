package chat

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"
)

// A token is a word of an expression.
type token struct {
	kind tokenKind
	text string // of a string: what it means
}

type tokenKind int

const (
	endToken tokenKind = iota
	nameToken
	stringToken
	intToken
	floatToken
	operator
)

var (
	nameRE  = regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_]*`)
	floatRE = regexp.MustCompile(`^(?:\d+_)*\d+(?:\.(?:\d+_)*\d+(?:[eE][+-]?\d+)?|[eE][+-]?\d+)`)
	intRE   = regexp.MustCompile(`^(?:0[xX][0-9a-fA-F_]+|0[bB][01_]+|0[oO][0-7_]+|\d[\d_]*)`)
)

// operators, the longest first.
var operators = []string{"**", "//", "==", "!=", "<=", ">=", "+", "-", "*", "/", "%", "~", "<", ">", "=", ".", ":", "|", ",", ";",
	"(", ")", "[", "]", "{", "}"}

// tokens reads an expression or statement up to end, which is }} or %}, with - or + before it perhaps. It returns how many bytes that took, end
// included, and the sign.
func tokens(s, end string) (toks []token, taken int, mark string, err error) {
	depth := 0
	for at := 0; ; {
		rest := s[at:]
		trimmed := strings.TrimLeft(rest, " \t\n\r\f\v")
		at += len(rest) - len(trimmed)
		rest = trimmed
		if rest == "" {
			return nil, 0, "", fmt.Errorf("a tag has no end %s", end)
		}
		if depth == 0 {
			if strings.HasPrefix(rest, end) {
				return toks, at + 2, "", nil
			}
			if (rest[0] == '-' || rest[0] == '+' && end == "%}") && strings.HasPrefix(rest[1:], end) {
				return toks, at + 3, rest[:1], nil
			}
		}
		t, n, err := word(rest)
		if err != nil {
			return nil, 0, "", err
		}
		switch t.text {
		case "(", "[", "{":
			if t.kind == operator {
				depth++
			}
		case ")", "]", "}":
			if t.kind == operator {
				depth--
			}
		}
		toks = append(toks, t)
		at += n
	}
}

// word reads one token and returns how many bytes it has.
func word(s string) (token, int, error) {
	if s[0] == '\'' || s[0] == '"' {
		for i := 1; i < len(s); i++ {
			switch s[i] {
			case '\\':
				i++
			case s[0]:
				text, err := unescape(s[1:i])
				return token{stringToken, text}, i + 1, err
			}
		}
		return token{}, 0, fmt.Errorf("a text has no end: %.20s", s)
	}
	if m := floatRE.FindString(s); m != "" {
		return token{floatToken, strings.ReplaceAll(m, "_", "")}, len(m), nil
	}
	if m := intRE.FindString(s); m != "" {
		n, err := strconv.ParseInt(strings.ReplaceAll(m, "_", ""), 0, 64)
		if strings.Trim(m, "0123456789_") == "" {
			n, err = strconv.ParseInt(strings.ReplaceAll(m, "_", ""), 10, 64)
		}
		return token{intToken, strconv.FormatInt(n, 10)}, len(m), err
	}
	if m := nameRE.FindString(s); m != "" {
		return token{nameToken, m}, len(m), nil
	}
	for _, op := range operators {
		if strings.HasPrefix(s, op) {
			return token{operator, op}, len(op), nil
		}
	}
	r, _ := utf8.DecodeRuneInString(s)
	return token{}, 0, fmt.Errorf("unexpected %q", r)
}

// unescape gives a Python string literal's meaning.
func unescape(s string) (string, error) {
	if !strings.Contains(s, `\`) {
		return s, nil
	}
	var out strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			out.WriteByte(s[i])
			continue
		}
		i++
		digits := 0
		switch s[i] {
		case 'n', 't', 'r', 'a', 'b', 'f', 'v':
			out.WriteByte("\n\t\r\a\b\f\v"[strings.IndexByte("ntrabfv", s[i])])
		case '\\', '\'', '"':
			out.WriteByte(s[i])
		case '\n':
		case 'x':
			digits = 2
		case 'u':
			digits = 4
		case 'U':
			digits = 8
		case '0', '1', '2', '3', '4', '5', '6', '7':
			n := 1
			for n < 3 && i+n < len(s) && s[i+n] >= '0' && s[i+n] <= '7' {
				n++
			}
			v, _ := strconv.ParseUint(s[i:i+n], 8, 32)
			out.WriteRune(rune(v))
			i += n - 1
		default:
			out.WriteByte('\\')
			out.WriteByte(s[i])
		}
		if digits > 0 {
			if i+digits >= len(s) {
				return "", fmt.Errorf("a text ends within an escape: %q", s)
			}
			v, err := strconv.ParseUint(s[i+1:i+1+digits], 16, 32)
			if err != nil {
				return "", fmt.Errorf("no escape: %q", s[i-1:i+1+digits])
			}
			out.WriteRune(rune(v))
			i += digits
		}
	}
	return out.String(), nil
}
