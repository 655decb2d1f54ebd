package jsonschema

import (
	"fmt"
	"slices"
	"strconv"

	"umbra/scheduler/grammar"
)

// member is a property of an object.
type member struct {
	x        *grammar.Expr
	required bool
}

func (m *maker) object(at string, s *object) (*grammar.Expr, error) {
	properties, given := &object{}, false
	if v, is := s.values["properties"]; is {
		if properties, given = v.(*object); !given {
			return nil, refuse(at+"/properties", "want an object")
		}
	}
	var required []string
	if v, is := s.values["required"]; is {
		list, ok := v.([]any)
		for _, x := range list {
			name, is := x.(string)
			ok = ok && is
			required = append(required, name)
		}
		if !ok {
			return nil, refuse(at+"/required", "want a list of names")
		}
	}
	more := s.values["additionalProperties"]
	if more == nil {
		more = !given && len(required) == 0
	}
	var members []member
	for _, name := range properties.names {
		x, err := m.rule(at+"/properties/"+pointed(name), properties.values[name])
		if err != nil {
			return nil, err
		}
		members = append(members, member{grammar.Seq(grammar.Text(quoted(name)), colon, x), slices.Contains(required, name)})
	}
	others, err := m.rule(at+"/additionalProperties", more)
	if err != nil {
		return nil, err
	}
	names := slices.Clone(properties.names)
	for _, name := range required {
		if slices.Contains(names, name) {
			continue
		}
		names = append(names, name)
		x := others
		if _, is := s.values["additionalProperties"]; !is {
			x = grammar.Rule(anyValue)
		}
		members = append(members, member{grammar.Seq(grammar.Text(quoted(name)), colon, x), true})
	}
	var last *grammar.Expr
	if more != false {
		last = grammar.Seq(otherName(names), colon, others)
	}
	return grammar.Seq(grammar.Text("{"), m.members(at, members, last, false), grammar.Text("}")), nil
}

// members matches the rest of an object: properties in order, then any number of others, where there are any. begun says that something is before it.
func (m *maker) members(at string, rest []member, others *grammar.Expr, begun bool) *grammar.Expr {
	name := fmt.Sprintf("%s: %d to come, %v", at, len(rest), begun)
	if m.rules[name] != nil {
		return grammar.Rule(name)
	}
	separated := func(x *grammar.Expr) *grammar.Expr {
		if begun {
			return grammar.Seq(comma, x)
		}
		return x
	}
	var x *grammar.Expr
	switch {
	case len(rest) > 0:
		x = grammar.Seq(separated(rest[0].x), m.members(at, rest[1:], others, true))
		if !rest[0].required {
			x = grammar.Or(x, m.members(at, rest[1:], others, begun))
		}
	case others == nil:
		x = grammar.Seq()
	default:
		x = grammar.Maybe(grammar.Seq(separated(others), grammar.Repeat(grammar.Seq(comma, others), 0, -1)))
	}
	m.rules[name] = x
	return grammar.Rule(name)
}

func (m *maker) array(at string, s *object) (*grammar.Expr, error) {
	least, most, err := counts(at, "minItems", "maxItems", s)
	if err != nil {
		return nil, err
	}
	var first []*grammar.Expr
	if v, given := s.values["prefixItems"]; given {
		list, ok := v.([]any)
		if !ok {
			return nil, refuse(at+"/prefixItems", "want a list of schemas")
		}
		for i, schema := range list {
			x, err := m.rule(at+"/prefixItems/"+strconv.Itoa(i), schema)
			if err != nil {
				return nil, err
			}
			first = append(first, x)
		}
	}
	items := grammar.Rule(anyValue)
	if v, given := s.values["items"]; given {
		if items, err = m.rule(at+"/items", v); err != nil {
			return nil, err
		}
	}
	x := rest(first, items, 0, least, most)
	return grammar.Seq(grammar.Text("["), x, grammar.Text("]")), nil
}

// rest matches the items of an array behind n: those that have a schema of their own, then others. There are at least and at most so many in all.
func rest(first []*grammar.Expr, items *grammar.Expr, n, least, most int) *grammar.Expr {
	if n == most {
		return grammar.Seq()
	}
	var x *grammar.Expr
	switch {
	case n < len(first):
		x = grammar.Seq(first[n], rest(first, items, n+1, least, most))
	default:
		up := -1
		if most >= 0 {
			up = most - n - 1
		}
		x = grammar.Seq(items, grammar.Repeat(grammar.Seq(comma, items), max(0, least-n-1), up))
	}
	if n > 0 {
		x = grammar.Seq(comma, x)
	}
	if n >= least {
		x = grammar.Maybe(x)
	}
	return x
}
