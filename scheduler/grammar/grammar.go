// Package grammar holds texts to a grammar, token by token: which tokens of a vocabulary may come next is a mask, worked out in well under a
// millisecond. Grammars are written in GBNF, llama.cpp's form of BNF (Parse), or built of expressions.
//
//	rules   expressions by name (Rules), as Parse makes them, or who builds them of Text, Set and the like
//	net     states over bytes with calls of rules between them, made by Compile; never changes
//	state   where a text may be in the net, with what is to follow each call: a set of places, each with a state to return to
//	mask    the tokens that keep the text on its way, found by walking the vocabulary's trie beside the states
//
// Tokens are bytes, and may hold parts of a rune. It does no I/O and knows nothing of devices, sequences or logits.
package grammar

import (
	"fmt"
	"maps"
	"slices"
)

// Error is why a grammar is refused.
type Error struct {
	Package string // whose: grammar or jsonschema
	Place   string // where in the source, "line 3, column 7" or "#/properties/age"; "" if it is about all
	Problem string
}

// Error returns package, place and problem.
func (e *Error) Error() string {
	if e.Place == "" {
		return e.Package + ": " + e.Problem
	}
	return e.Package + ": " + e.Place + ": " + e.Problem
}

func problem(format string, args ...any) *Error {
	return &Error{Package: "grammar", Problem: fmt.Sprintf(format, args...)}
}

// Root is the rule that a whole text has to match.
const Root = "root"

// Rules are expressions by the names that they refer to each other by. The whole text matches Root.
type Rules map[string]*Expr

// Prefixed returns the same rules by names that begin with prefix, so that others may be beside them.
func (r Rules) Prefixed(prefix string) Rules {
	made := map[*Expr]*Expr{}
	var renamed func(x *Expr) *Expr
	renamed = func(x *Expr) *Expr {
		if y := made[x]; y != nil {
			return y
		}
		y := *x
		if x.kind == isRule {
			y.text = prefix + x.text
		}
		y.items = nil
		for _, item := range x.items {
			y.items = append(y.items, renamed(item))
		}
		made[x] = &y
		return &y
	}
	all := Rules{}
	for name, x := range r {
		all[prefix+name] = renamed(x)
	}
	return all
}

// Expr is what a part of a text has to match. Make one with Text, Set, Seq, Or, Repeat or Rule. It must not be changed, and may be part of several
// others.
type Expr struct {
	kind     kind
	text     string
	runes    []Range // ascending, apart
	items    []*Expr
	min, max int // max below 0: no limit
}

type kind uint8

const (
	isText kind = iota
	isSet
	isSeq
	isOr
	isRepeat
	isRule
)

// Range is the runes from First to Last.
type Range struct{ First, Last rune }

// Runes are the characters of a text, each a range.
func Runes(text string) (all []Range) {
	for _, r := range text {
		all = append(all, Range{r, r})
	}
	return all
}

// Text matches itself.
func Text(s string) *Expr { return &Expr{kind: isText, text: s} }

// Set matches one rune of the ranges.
func Set(ranges ...Range) *Expr { return &Expr{kind: isSet, runes: normalized(ranges)} }

// Not matches one rune that is in none of the ranges.
func Not(ranges ...Range) *Expr { return &Expr{kind: isSet, runes: complement(normalized(ranges))} }

// Seq matches one after the other; without any, the empty text.
func Seq(items ...*Expr) *Expr {
	if len(items) == 1 {
		return items[0]
	}
	return &Expr{kind: isSeq, items: items}
}

// Or matches what one of them matches; without any, nothing.
func Or(items ...*Expr) *Expr {
	if len(items) == 1 {
		return items[0]
	}
	return &Expr{kind: isOr, items: items}
}

// Repeat matches x at least min and at most max times one after the other; max below 0 is no limit.
func Repeat(x *Expr, min, max int) *Expr {
	return &Expr{kind: isRepeat, items: []*Expr{x}, min: min, max: max}
}

// Maybe matches x or the empty text.
func Maybe(x *Expr) *Expr { return Repeat(x, 0, 1) }

// Rule matches what the rule of that name matches.
func Rule(name string) *Expr { return &Expr{kind: isRule, text: name} }

// facts are what has to be known of rules before they become a net.
type facts struct {
	rules      Rules
	nullable   map[string]bool // matches the empty text
	productive map[string]bool // matches some text
}

// check works the facts out, and returns an error for what cannot be: a rule that is not there, one that begins with itself, one that never ends.
func check(rules Rules) (*facts, error) {
	f := &facts{rules, map[string]bool{}, map[string]bool{}}
	if rules[Root] == nil {
		return nil, problem("there is no rule %s, which a whole text has to match", Root)
	}
	if len(rules) > maxRules {
		return nil, problem("there are %d rules, at most %d are taken", len(rules), maxRules)
	}
	for _, name := range slices.Sorted(maps.Keys(rules)) {
		if missing := f.missing(rules[name]); missing != "" {
			return nil, problem("rule %s refers to %s, which is not defined", name, missing)
		}
	}
	names := f.inOrder()
	for again := true; again; {
		again = false
		for _, name := range names {
			if !f.nullable[name] && f.empty(rules[name]) {
				f.nullable[name], again = true, true
			}
			if !f.productive[name] && f.ends(rules[name]) {
				f.productive[name], again = true, true
			}
		}
	}
	if !f.productive[Root] {
		return nil, problem("rule %s matches no text that ends", Root)
	}
	return f, f.leftRecursion(names)
}

// inOrder lists the rules so that most come after those they refer to.
func (f *facts) inOrder() (names []string) {
	seen := map[string]bool{}
	var visit func(name string)
	var refer func(x *Expr)
	refer = func(x *Expr) {
		if x.kind == isRule {
			visit(x.text)
		}
		for _, item := range x.items {
			refer(item)
		}
	}
	visit = func(name string) {
		if !seen[name] {
			seen[name] = true
			refer(f.rules[name])
			names = append(names, name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(f.rules)) {
		visit(name)
	}
	return names
}

// missing is a name that x refers to and that has no rule.
func (f *facts) missing(x *Expr) string {
	if x.kind == isRule && f.rules[x.text] == nil {
		return x.text
	}
	for _, item := range x.items {
		if name := f.missing(item); name != "" {
			return name
		}
	}
	return ""
}

// empty reports whether x matches the empty text, as far as is known of rules.
func (f *facts) empty(x *Expr) bool {
	switch x.kind {
	case isText:
		return x.text == ""
	case isSeq:
		return !slices.ContainsFunc(x.items, func(i *Expr) bool { return !f.empty(i) })
	case isOr:
		return slices.ContainsFunc(x.items, f.empty)
	case isRepeat:
		return x.min == 0 || f.empty(x.items[0])
	case isRule:
		return f.nullable[x.text]
	}
	return false
}

// ends reports whether x matches some text, as far as is known of rules.
func (f *facts) ends(x *Expr) bool {
	switch x.kind {
	case isSet:
		return len(x.runes) > 0
	case isSeq:
		return !slices.ContainsFunc(x.items, func(i *Expr) bool { return !f.ends(i) })
	case isOr:
		return slices.ContainsFunc(x.items, f.ends)
	case isRepeat:
		return x.min == 0 || x.max != 0 && f.ends(x.items[0])
	case isRule:
		return f.productive[x.text]
	}
	return true
}

// first adds the rules that x may call before a byte of it is matched.
func (f *facts) first(x *Expr, to map[string]bool) {
	switch x.kind {
	case isRule:
		to[x.text] = true
	case isSeq:
		for _, item := range x.items {
			f.first(item, to)
			if !f.empty(item) {
				return
			}
		}
	case isOr, isRepeat:
		for _, item := range x.items {
			f.first(item, to)
		}
	}
}

// leftRecursion returns an error if a rule begins with itself.
func (f *facts) leftRecursion(names []string) error {
	const open, done = 1, 2
	state := map[string]int{}
	var visit func(name string, path []string) error
	visit = func(name string, path []string) error {
		path = append(path, name)
		switch state[name] {
		case done:
			return nil
		case open:
			path = path[slices.Index(path, name):]
			return problem("rule %s begins with itself (%s): write what repeats with * or +, or put what is called last behind what is read first", name, shown(path))
		}
		state[name] = open
		calls := map[string]bool{}
		f.first(f.rules[name], calls)
		for _, next := range slices.Sorted(maps.Keys(calls)) {
			if err := visit(next, path); err != nil {
				return err
			}
		}
		state[name] = done
		return nil
	}
	for _, name := range names {
		if err := visit(name, nil); err != nil {
			return err
		}
	}
	return nil
}

// shown is a path of rules, shortened if it is long.
func shown(path []string) string {
	text := path[0]
	for i, name := range path[1:] {
		if i == 8 && len(path) > 10 {
			return text + " -> ... -> " + path[len(path)-1]
		}
		text += " -> " + name
	}
	return text
}
