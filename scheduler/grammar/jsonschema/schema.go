// Package jsonschema makes grammars of JSON Schemas: all texts of the grammar are JSON that the schema takes, and what cannot be held to is refused by name.
// Not all that a schema takes is written:
//
//	white space  at most one space behind a comma or a colon
//	objects      properties in the schema's order; others only where additionalProperties asks for them, or where there are no properties at all
//	numbers      at most 15 digits before the point and 15 behind it
//	types        where keywords of some types are given and no type, only values of these
//
// oneOf is read as anyOf. title, description and other annotations are ignored.
package jsonschema

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"strings"

	"umbra/scheduler/grammar"
)

func refuse(place, format string, args ...any) *grammar.Error {
	return &grammar.Error{Package: "jsonschema", Place: place, Problem: fmt.Sprintf(format, args...)}
}

func asRefused(err error) *grammar.Error {
	var known *grammar.Error
	errors.As(err, &known)
	return known
}

var (
	annotations = []string{"title", "description", "default", "examples", "example", "$schema", "$id", "$comment", "$anchor", "deprecated", "readOnly", "writeOnly", "$defs", "definitions"}
	types       = []string{"object", "array", "string", "number", "integer", "boolean", "null"}

	// keywords are those of one type.
	keywords = map[string][]string{
		"object":  {"properties", "required", "additionalProperties"},
		"array":   {"items", "prefixItems", "minItems", "maxItems"},
		"string":  {"minLength", "maxLength", "format", "pattern"},
		"integer": {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"},
	}
	// whole are keywords that say all about a value, and go with annotations alone.
	whole = []string{"$ref", "anyOf", "oneOf", "allOf", "const", "enum"}
)

const (
	anyValue  = "any value"
	anyObject = "any object"
	anyArray  = "any array"
	anyString = "any string"
	anyNumber = "any number"
	maxSeen   = 1 << 12 // schemas in a schema
)

// Rules makes a grammar of a schema. It fails with a *grammar.Error, whose place is a JSON pointer.
func Rules(schema []byte) (grammar.Rules, error) {
	root, err := read(schema)
	if err != nil {
		return nil, err
	}
	m := &maker{root: root, rules: grammar.Rules{}}
	m.common()
	addFormats(m.rules)
	x, err := m.rule("#", root)
	m.rules[grammar.Root] = x
	return m.rules, err
}

type maker struct {
	root  any
	rules grammar.Rules
	seen  int
}

// common adds rules for values of any schema.
func (m *maker) common() {
	list := func(x *grammar.Expr) *grammar.Expr {
		return grammar.Maybe(grammar.Seq(x, grammar.Repeat(grammar.Seq(comma, x), 0, -1)))
	}
	v, nine := grammar.Rule(anyValue), digit('0', '9')
	m.rules[anyString] = inQuotes(grammar.Repeat(character, 0, -1))
	m.rules[anyArray] = grammar.Seq(grammar.Text("["), list(v), grammar.Text("]"))
	m.rules[anyObject] = grammar.Seq(grammar.Text("{"), list(grammar.Seq(grammar.Rule(anyString), colon, v)), grammar.Text("}"))
	m.rules[anyNumber] = grammar.Seq(grammar.Maybe(grammar.Text("-")), digits(0, largest), grammar.Maybe(grammar.Seq(grammar.Text("."), grammar.Repeat(nine, 1, maxDigits))),
		grammar.Maybe(grammar.Seq(class("eE"), grammar.Maybe(class("+-")), grammar.Repeat(nine, 1, 2))))
	m.rules[anyValue] = grammar.Or(grammar.Rule(anyObject), grammar.Rule(anyArray), grammar.Rule(anyString), grammar.Rule(anyNumber), grammar.Text("true"), grammar.Text("false"), grammar.Text("null"))
}

// rule makes a rule of the schema at a place, unless there is one, and refers to it.
func (m *maker) rule(at string, schema any) (*grammar.Expr, error) {
	if m.rules[at] != nil {
		return grammar.Rule(at), nil
	}
	if m.seen++; m.seen > maxSeen {
		return nil, refuse(at, "there are more than %d schemas", maxSeen)
	}
	m.rules[at] = grammar.Or() // until it is made: it may refer to itself
	x, err := m.schema(at, schema)
	if err != nil {
		return nil, err
	}
	m.rules[at] = x
	return grammar.Rule(at), nil
}

func (m *maker) schema(at string, schema any) (*grammar.Expr, error) {
	switch s := schema.(type) {
	case bool:
		if s {
			return grammar.Rule(anyValue), nil
		}
		return grammar.Or(), nil
	case *object:
		x, err := m.of(at, s)
		if null, given := s.values["nullable"]; given && err == nil {
			if is, ok := null.(bool); !ok {
				return nil, refuse(at+"/nullable", "want true or false")
			} else if is {
				x = grammar.Or(x, grammar.Text("null"))
			}
		}
		return x, err
	}
	return nil, refuse(at, "a schema is an object, true or false")
}

func (m *maker) of(at string, s *object) (*grammar.Expr, error) {
	all := ""
	for _, name := range s.names {
		known := slices.Contains(annotations, name) || slices.Contains(whole, name) || name == "type" || name == "nullable"
		for _, list := range keywords {
			known = known || slices.Contains(list, name)
		}
		if !known {
			return nil, refuse(at+"/"+pointed(name), "the keyword %q is not supported", name)
		}
		if slices.Contains(whole, name) {
			all = name
		}
	}
	if all == "" {
		return m.typed(at, s)
	}
	for _, name := range s.names {
		if name != all && !slices.Contains(annotations, name) && name != "nullable" && !(name == "type" && (all == "enum" || all == "const")) {
			return nil, refuse(at+"/"+pointed(name), "the keyword %q beside %q is not supported", name, all)
		}
	}
	v, at := s.values[all], at+"/"+all
	switch all {
	case "$ref":
		return m.reference(at, v)
	case "const":
		return m.listed(at, s, []any{v})
	}
	list, ok := v.([]any)
	switch {
	case !ok || len(list) == 0:
		return nil, refuse(at, "want a list with something in it")
	case all == "enum":
		return m.listed(at, s, list)
	case all == "allOf" && len(list) > 1:
		return nil, refuse(at, "allOf of more than one schema is not supported")
	}
	var xs []*grammar.Expr
	for i, schema := range list {
		x, err := m.rule(at+"/"+strconv.Itoa(i), schema)
		if err != nil {
			return nil, err
		}
		xs = append(xs, x)
	}
	return grammar.Or(xs...), nil
}

// listed matches those of a list of values that have a type of the schema.
func (m *maker) listed(at string, s *object, list []any) (*grammar.Expr, error) {
	kinds, err := typesOf(at, s)
	if err != nil {
		return nil, err
	}
	var xs []*grammar.Expr
	for _, v := range list {
		kind := kindOf(v)
		if kinds == nil || slices.Contains(kinds, kind) || kind == "integer" && slices.Contains(kinds, "number") {
			xs = append(xs, literal(v))
		}
	}
	if xs == nil {
		return nil, refuse(at, "no value has the type that is wanted")
	}
	return grammar.Or(xs...), nil
}

// reference matches what the schema referred to matches.
func (m *maker) reference(at string, v any) (*grammar.Expr, error) {
	ref, _ := v.(string)
	path, ok := strings.CutPrefix(ref, "#")
	if !ok || path != "" && path[0] != '/' {
		return nil, refuse(at, "the reference %q is not supported, only those into the schema itself: #/$defs/name", ref)
	}
	schema := m.root
	if path != "" {
		for part := range strings.SplitSeq(path[1:], "/") {
			switch s := schema.(type) {
			case *object:
				schema, ok = s.values[strings.NewReplacer("~1", "/", "~0", "~").Replace(part)]
			case []any:
				i, err := strconv.Atoi(part)
				if ok = err == nil && i >= 0 && i < len(s); ok {
					schema = s[i]
				}
			default:
				ok = false
			}
			if !ok {
				return nil, refuse(at, "there is nothing at %q", ref)
			}
		}
	}
	return m.rule(ref, schema)
}

// typesOf are the types that are given, nil if none is.
func typesOf(at string, s *object) (kinds []string, err error) {
	v, given := s.values["type"]
	if !given {
		return nil, nil
	}
	list, ok := v.([]any)
	if !ok {
		list = []any{v}
	}
	for _, x := range list {
		name, _ := x.(string)
		if !slices.Contains(types, name) {
			return nil, refuse(at, "the type %v is not known", x)
		}
		kinds = append(kinds, name)
	}
	if kinds == nil {
		return nil, refuse(at, "the list of types is empty")
	}
	return kinds, nil
}

// typed matches values of the types that are given, or that the keywords are about.
func (m *maker) typed(at string, s *object) (*grammar.Expr, error) {
	kinds, err := typesOf(at, s)
	if err != nil {
		return nil, err
	}
	if kinds == nil {
		for _, kind := range types {
			if slices.ContainsFunc(keywords[kind], func(k string) bool { _, given := s.values[k]; return given }) {
				kinds = append(kinds, kind)
			}
		}
	}
	if kinds == nil {
		return grammar.Rule(anyValue), nil
	}
	var xs []*grammar.Expr
	for _, kind := range kinds {
		x, err := m.kind(at, kind, s)
		if err != nil {
			return nil, err
		}
		xs = append(xs, x)
	}
	return grammar.Or(xs...), nil
}

func (m *maker) kind(at, kind string, s *object) (*grammar.Expr, error) {
	switch kind {
	case "object":
		return m.object(at, s)
	case "array":
		return m.array(at, s)
	case "string":
		return m.string(at, s)
	case "integer":
		return m.integer(at, s)
	case "number":
		for _, k := range keywords["integer"] {
			if _, given := s.values[k]; given {
				return nil, refuse(at+"/"+k, "%q is supported for integers only", k)
			}
		}
		return grammar.Rule(anyNumber), nil
	case "boolean":
		return grammar.Or(grammar.Text("true"), grammar.Text("false")), nil
	}
	return grammar.Text("null"), nil
}

func (m *maker) integer(at string, s *object) (*grammar.Expr, error) {
	low, high := big.NewInt(-largest), big.NewInt(largest)
	for _, k := range keywords["integer"] {
		v, given := s.values[k]
		if !given {
			continue
		}
		n, _ := v.(json.Number)
		r, ok := rational(n)
		if !ok {
			return nil, refuse(at+"/"+k, "want a number, of at most 30 digits")
		}
		exclusive := strings.HasPrefix(k, "exclusive")
		if strings.HasSuffix(strings.ToLower(k), "minimum") {
			if n := least(r, exclusive); n.Cmp(low) > 0 {
				low = n
			}
		} else if n := least(new(big.Rat).Neg(r), exclusive); n.Neg(n).Cmp(high) < 0 {
			high = n
		}
	}
	if low.Cmp(high) > 0 {
		return nil, refuse(at, "no integer of at most %d digits is within the bounds", maxDigits)
	}
	return integers(low.Int64(), high.Int64()), nil
}

// count is the value of a keyword that counts; otherwise without it.
func count(at, keyword string, s *object, otherwise int) (int, error) {
	v, given := s.values[keyword]
	if !given {
		return otherwise, nil
	}
	n, _ := v.(json.Number)
	i, err := strconv.Atoi(n.String())
	if err != nil || i < 0 || i > 1<<20 {
		return 0, refuse(at+"/"+keyword, "want a number from 0 to %d", 1<<20)
	}
	return i, nil
}

// counts are the values of two keywords, of which the second may be absent, -1 then.
func counts(at, min, max string, s *object) (least, most int, err error) {
	if least, err = count(at, min, s, 0); err == nil {
		most, err = count(at, max, s, -1)
	}
	if err == nil && most >= 0 && most < least {
		err = refuse(at+"/"+max, "at most %d is less than at least %d", most, least)
	}
	return least, most, err
}

func (m *maker) string(at string, s *object) (*grammar.Expr, error) {
	least, most, err := counts(at, "minLength", "maxLength", s)
	if err != nil {
		return nil, err
	}
	if v, given := s.values["pattern"]; given {
		source, is := v.(string)
		_, formed := s.values["format"]
		switch {
		case !is:
			return nil, refuse(at+"/pattern", "want a regular expression")
		case least > 0 || most >= 0 || formed:
			return nil, refuse(at+"/pattern", "a pattern beside minLength, maxLength or format is not supported; ^.{2,5}$ is a length, too")
		}
		x, err := pattern(at+"/pattern", source)
		return inQuotes(x), err
	}
	v, given := s.values["format"]
	if !given {
		return inQuotes(grammar.Repeat(character, least, most)), nil
	}
	name, _ := v.(string)
	if !slices.Contains(Formats, name) {
		return nil, refuse(at+"/format", "the format %v is not supported, but %s", v, strings.Join(Formats, ", "))
	}
	if least > 0 || most >= 0 {
		return nil, refuse(at+"/format", "a format beside minLength or maxLength is not supported")
	}
	return inQuotes(grammar.Rule(name)), nil
}
