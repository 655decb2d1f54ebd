package jsonschema

import (
	"bytes"
	"encoding/json"

	"umbra/scheduler/grammar"
)

// quoted is a string as JSON.
func quoted(s string) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.Encode(s) // a string always can be
	return string(bytes.TrimSuffix(b.Bytes(), []byte("\n")))
}

// literal matches one value, with the white space that all values have.
func literal(v any) *grammar.Expr {
	switch v := v.(type) {
	case *object:
		all := []*grammar.Expr{grammar.Text("{")}
		for i, name := range v.names {
			if i > 0 {
				all = append(all, comma)
			}
			all = append(all, grammar.Text(quoted(name)), colon, literal(v.values[name]))
		}
		return grammar.Seq(append(all, grammar.Text("}"))...)
	case []any:
		all := []*grammar.Expr{grammar.Text("[")}
		for i, x := range v {
			if i > 0 {
				all = append(all, comma)
			}
			all = append(all, literal(x))
		}
		return grammar.Seq(append(all, grammar.Text("]"))...)
	case string:
		return grammar.Text(quoted(v))
	case json.Number:
		return grammar.Text(v.String())
	case bool:
		if v {
			return grammar.Text("true")
		}
		return grammar.Text("false")
	}
	return grammar.Text("null")
}

// kindOf is a value's type by JSON Schema, "integer" for numbers without a fraction.
func kindOf(v any) string {
	switch v := v.(type) {
	case *object:
		return "object"
	case []any:
		return "array"
	case string:
		return "string"
	case json.Number:
		if r, ok := rational(v); ok && r.IsInt() {
			return "integer"
		}
		return "number"
	case bool:
		return "boolean"
	}
	return "null"
}
