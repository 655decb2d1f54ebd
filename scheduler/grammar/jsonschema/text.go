package jsonschema

import (
	"slices"
	"strings"

	"umbra/scheduler/grammar"
)

// White space: at most one space behind a comma or a colon.
var (
	comma = grammar.Seq(grammar.Text(","), grammar.Maybe(grammar.Text(" ")))
	colon = grammar.Seq(grammar.Text(":"), grammar.Maybe(grammar.Text(" ")))
)

// unplain are the runes that a string has only behind a backslash, or not at all.
var unplain = []grammar.Range{{First: 0, Last: 0x1f}, {First: '"', Last: '"'}, {First: '\\', Last: '\\'}}

func class(runes string) *grammar.Expr { return grammar.Set(grammar.Runes(runes)...) }

var hex = class("0123456789abcdefABCDEF")

// character is one of a string. Halves of surrogate pairs are left out: what they stand for is written as it is, and counts as one.
var character = grammar.Or(grammar.Not(unplain...), grammar.Seq(grammar.Text(`\`), grammar.Or(class(`"\/bfnrt`),
	grammar.Seq(grammar.Text("u"), grammar.Or(grammar.Seq(class("0123456789abcABCefEF"), hex), grammar.Seq(class("dD"), digit('0', '7'))), hex, hex))))

func inQuotes(x *grammar.Expr) *grammar.Expr {
	return grammar.Seq(grammar.Text(`"`), x, grammar.Text(`"`))
}

// otherName matches a name, in quotes, that is none of some. It has no escapes, so that it cannot be one of them in disguise.
func otherName(names []string) *grammar.Expr {
	names = slices.DeleteFunc(slices.Clone(names), func(n string) bool { return quoted(n) != `"`+n+`"` })
	return inQuotes(other(names))
}

func other(names []string) *grammar.Expr {
	var all []*grammar.Expr
	behind := map[rune][]string{}
	taken := slices.Clone(unplain)
	var first []rune
	for _, n := range names {
		if n == "" {
			continue
		}
		r := []rune(n)
		if behind[r[0]] == nil {
			first = append(first, r[0])
			taken = append(taken, grammar.Range{First: r[0], Last: r[0]})
		}
		behind[r[0]] = append(behind[r[0]], string(r[1:]))
	}
	for _, r := range first {
		all = append(all, grammar.Seq(grammar.Text(string(r)), other(behind[r])))
	}
	all = append(all, grammar.Seq(grammar.Not(taken...), grammar.Repeat(grammar.Not(unplain...), 0, -1)))
	if !slices.Contains(names, "") {
		all = append(all, grammar.Seq())
	}
	return grammar.Or(all...)
}

// Formats of strings that are held to. Of February the first 28 days are written, and no second is a leap second.
const formats = `
date  ::= [0-9]{4} "-" (("01" | "03" | "05" | "07" | "08" | "10" | "12") "-" ("0" [1-9] | [12] [0-9] | "3" [01]) | ("04" | "06" | "09" | "11") "-" ("0" [1-9] | [12] [0-9] | "30") | "02-" ("0" [1-9] | "1" [0-9] | "2" [0-8]))
time  ::= clock ":" [0-5] [0-9] ("." [0-9]{1,6})? ("Z" | [-+] clock)
clock ::= ([01] [0-9] | "2" [0-3]) ":" [0-5] [0-9]
date-time ::= date "T" time
uuid  ::= [0-9a-f]{8} "-" [0-9a-f]{4} "-" [0-9a-f]{4} "-" [0-9a-f]{4} "-" [0-9a-f]{12}
ipv4  ::= byte "." byte "." byte "." byte
byte  ::= "25" [0-5] | "2" [0-4] [0-9] | "1" [0-9] [0-9] | [1-9]? [0-9]
root  ::= date-time | uuid | ipv4
`

// Formats lists the formats of strings that are held to.
var Formats = []string{"date", "time", "date-time", "uuid", "ipv4"}

// addFormats adds the rules of formats.
func addFormats(to grammar.Rules) {
	rules, err := grammar.Parse(formats)
	if err != nil {
		panic(err)
	}
	for name, x := range rules {
		if name != grammar.Root {
			to[name] = x
		}
	}
}

// pointed is a name as JSON pointers have it.
func pointed(name string) string {
	return strings.NewReplacer("~", "~0", "/", "~1").Replace(name)
}
