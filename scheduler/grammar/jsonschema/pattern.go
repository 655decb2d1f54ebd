package jsonschema

import (
	"fmt"
	"regexp/syntax"
	"strings"
	"unicode"

	"umbra/scheduler/grammar"
)

// pattern matches, within quotes, strings in which a regular expression is found. It is read as Go's regexp reads it, which is ECMAScript's way but for looks
// ahead and behind and references to groups: those are refused. ^ and $ may stand at the ends of the expression, or of its alternatives.
func pattern(at, source string) (*grammar.Expr, error) {
	re, err := syntax.Parse(source, syntax.Perl)
	if err != nil {
		return nil, refuse(at, "the pattern %q cannot be read: %s", source, strings.TrimPrefix(err.Error(), "error parsing regexp: "))
	}
	x, err := found(re)
	if err != nil {
		return nil, refuse(at, "the pattern %q is not supported: %v", source, err)
	}
	return x, nil
}

// found matches a text that an expression is found in.
func found(re *syntax.Regexp) (*grammar.Expr, error) {
	switch re.Op {
	case syntax.OpCapture:
		return found(re.Sub[0])
	case syntax.OpAlternate:
		all, err := each(re.Sub, found)
		return grammar.Or(all...), err
	}
	parts := []*syntax.Regexp{re}
	if re.Op == syntax.OpConcat {
		parts = re.Sub
	}
	anything := grammar.Repeat(character, 0, -1)
	before, behind := anything, anything
	if len(parts) > 0 && parts[0].Op == syntax.OpBeginText {
		before, parts = grammar.Seq(), parts[1:]
	}
	if n := len(parts); n > 0 && parts[n-1].Op == syntax.OpEndText {
		behind, parts = grammar.Seq(), parts[:n-1]
	}
	all, err := each(parts, matching)
	return grammar.Seq(before, grammar.Seq(all...), behind), err
}

// each makes expressions of several, by found or matching.
func each(res []*syntax.Regexp, of func(*syntax.Regexp) (*grammar.Expr, error)) (all []*grammar.Expr, err error) {
	for _, re := range res {
		x, err := of(re)
		if err != nil {
			return nil, err
		}
		all = append(all, x)
	}
	return all, nil
}

// matching matches what an expression matches.
func matching(re *syntax.Regexp) (*grammar.Expr, error) {
	subs, err := each(re.Sub, matching)
	if err != nil {
		return nil, err
	}
	switch re.Op {
	case syntax.OpNoMatch:
		return grammar.Or(), nil
	case syntax.OpEmptyMatch:
		return grammar.Seq(), nil
	case syntax.OpLiteral:
		var all []*grammar.Expr
		for _, r := range re.Rune {
			same := []rune{r, r}
			for f := unicode.SimpleFold(r); re.Flags&syntax.FoldCase != 0 && f != r; f = unicode.SimpleFold(f) {
				same = append(same, f, f)
			}
			all = append(all, inString(same))
		}
		return grammar.Seq(all...), nil
	case syntax.OpCharClass:
		return inString(re.Rune), nil
	case syntax.OpAnyChar:
		return inString([]rune{0, unicode.MaxRune}), nil
	case syntax.OpAnyCharNotNL: // ECMAScript's leaves out these four
		return inString([]rune{0, '\n' - 1, '\n' + 1, '\r' - 1, '\r' + 1, 0x2027, 0x202a, unicode.MaxRune}), nil
	case syntax.OpCapture, syntax.OpConcat:
		return grammar.Seq(subs...), nil
	case syntax.OpAlternate:
		return grammar.Or(subs...), nil
	case syntax.OpStar:
		return grammar.Repeat(subs[0], 0, -1), nil
	case syntax.OpPlus:
		return grammar.Repeat(subs[0], 1, -1), nil
	case syntax.OpQuest:
		return grammar.Maybe(subs[0]), nil
	case syntax.OpRepeat:
		return grammar.Repeat(subs[0], re.Min, re.Max), nil
	case syntax.OpBeginText, syntax.OpEndText, syntax.OpBeginLine, syntax.OpEndLine:
		return nil, fmt.Errorf("^ and $ may stand at its ends only")
	}
	return nil, fmt.Errorf("%v has no place in it", re)
}

// inString matches a character of ranges, each two runes, as it is written in a string.
func inString(ranges []rune) *grammar.Expr {
	var plain []grammar.Range
	var all []*grammar.Expr
	for i := 0; i < len(ranges); i += 2 {
		first, last := ranges[i], ranges[i+1]
		for r := first; r <= min(last, '\\'); r++ {
			if r < ' ' || r == '"' || r == '\\' {
				q := quoted(string(r))
				all = append(all, grammar.Text(q[1:len(q)-1]))
			} else {
				plain = append(plain, grammar.Range{First: r, Last: r})
			}
		}
		if first = max(first, '\\'+1); first <= last {
			plain = append(plain, grammar.Range{First: first, Last: last})
		}
	}
	return grammar.Or(append(all, grammar.Set(plain...))...)
}
