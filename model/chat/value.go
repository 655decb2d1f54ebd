package chat

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"unicode"

	"github.com/ardanlabs/jinja"
)

type value = jinja.Value

// spaceMark is a key that no template can name; a dictionary that has it is a namespace.
const spaceMark = "\x00namespace"

// decode reads JSON into values that keep the order of keys, as Python's do.
func decode(data []byte) (value, error) {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	v, err := decodeNext(d)
	if err != nil {
		return v, err
	}
	if _, err := d.Token(); err != io.EOF {
		return v, fmt.Errorf("more than one JSON value")
	}
	return v, nil
}

func decodeNext(d *json.Decoder) (value, error) {
	t, err := d.Token()
	if err != nil {
		return jinja.Undefined(), err
	}
	switch t := t.(type) {
	case json.Delim:
		if t == '[' {
			var items []value
			for d.More() {
				v, err := decodeNext(d)
				if err != nil {
					return v, err
				}
				items = append(items, v)
			}
			_, err := d.Token()
			return jinja.NewList(items), err
		}
		dict := jinja.NewDict()
		for d.More() {
			key, err := d.Token()
			if err != nil {
				return dict, err
			}
			v, err := decodeNext(d)
			if err != nil {
				return dict, err
			}
			dict.AsDict().Set(key.(string), v)
		}
		_, err := d.Token()
		return dict, err
	case json.Number:
		if !strings.ContainsAny(t.String(), ".eE") {
			if n, err := t.Int64(); err == nil {
				return jinja.NewInt(n), nil
			}
		}
		f, err := t.Float64()
		return jinja.NewFloat(f), err
	case bool:
		return jinja.NewBool(t), nil
	case string:
		return jinja.NewString(t), nil
	}
	return jinja.None(), nil
}

// text is Python's str.
func text(v value) string {
	switch {
	case v.IsUndefined():
		return ""
	case v.IsString():
		return v.AsString()
	}
	return repr(v)
}

// repr is Python's repr.
func repr(v value) string {
	switch {
	case v.IsUndefined():
		return "Undefined"
	case v.IsNone():
		return "None"
	case v.IsBool():
		if v.AsBool() {
			return "True"
		}
		return "False"
	case v.IsInt():
		return strconv.FormatInt(v.AsInt(), 10)
	case v.IsFloat():
		return reprFloat(v.AsFloat())
	case v.IsString():
		return reprString(v.AsString())
	case v.IsList():
		var parts []string
		for _, x := range v.AsList().Items {
			parts = append(parts, repr(x))
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case v.IsDict():
		var parts []string
		for _, k := range keys(v) {
			parts = append(parts, reprString(k)+": "+repr(v.AsDict().Data[k]))
		}
		if isSpace(v) {
			return "<Namespace {" + strings.Join(parts, ", ") + "}>"
		}
		return "{" + strings.Join(parts, ", ") + "}"
	}
	return "<" + v.AsCallable().Name + ">"
}

func isSpace(v value) bool { return v.IsDict() && v.AsDict().Has(spaceMark) }

// keys are a dictionary's, in order.
func keys(v value) []string {
	all := v.AsDict().Keys
	if isSpace(v) {
		all = all[1:]
	}
	return all
}

// reprFloat writes the shortest digits that give the number back; powers of ten from 16 on, and below -4.
func reprFloat(f float64) string {
	switch {
	case math.IsNaN(f):
		return "nan"
	case math.IsInf(f, 0):
		return strings.Replace(strings.ToLower(fmt.Sprint(f)), "+", "", 1)
	}
	s := strconv.FormatFloat(f, 'e', -1, 64)
	exponent, _ := strconv.Atoi(s[strings.IndexByte(s, 'e')+1:])
	if f != 0 && (exponent < -4 || exponent >= 16) {
		return s
	}
	if s = strconv.FormatFloat(f, 'f', -1, 64); !strings.Contains(s, ".") {
		s += ".0"
	}
	return s
}

func reprString(s string) string {
	quote := '\''
	if strings.Contains(s, "'") && !strings.Contains(s, `"`) {
		quote = '"'
	}
	var b strings.Builder
	b.WriteRune(quote)
	for _, r := range s {
		switch {
		case r == quote || r == '\\':
			b.WriteRune('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\r':
			b.WriteString(`\r`)
		case r == '\t':
			b.WriteString(`\t`)
		case r == ' ' || unicode.IsPrint(r):
			b.WriteRune(r)
		case r < 0x100:
			fmt.Fprintf(&b, `\x%02x`, r)
		case r < 0x10000:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			fmt.Fprintf(&b, `\U%08x`, r)
		}
	}
	b.WriteRune(quote)
	return b.String()
}

// dumper is Python's json.dumps.
type dumper struct {
	ascii, sort bool
	indent      string
	multi       bool // with line ends
	item, colon string
	strings.Builder
}

func (d *dumper) newline(depth int) {
	if d.multi {
		d.WriteByte('\n')
		d.WriteString(strings.Repeat(d.indent, depth))
	}
}

func (d *dumper) dump(v value, depth int) error {
	switch {
	case v.IsNone():
		d.WriteString("null")
	case v.IsBool():
		d.WriteString(strconv.FormatBool(v.AsBool()))
	case v.IsInt():
		d.WriteString(repr(v))
	case v.IsFloat():
		f := v.AsFloat()
		switch {
		case math.IsNaN(f):
			d.WriteString("NaN")
		case math.IsInf(f, 1):
			d.WriteString("Infinity")
		case math.IsInf(f, -1):
			d.WriteString("-Infinity")
		default:
			d.WriteString(reprFloat(f))
		}
	case v.IsString():
		d.string(v.AsString())
	case v.IsList():
		items := v.AsList().Items
		d.WriteByte('[')
		for i, x := range items {
			if i > 0 {
				d.WriteString(d.item)
			}
			d.newline(depth + 1)
			if err := d.dump(x, depth+1); err != nil {
				return err
			}
		}
		if len(items) > 0 {
			d.newline(depth)
		}
		d.WriteByte(']')
	case v.IsDict() && !isSpace(v):
		all := keys(v)
		if d.sort {
			all = sorted(all)
		}
		d.WriteByte('{')
		for i, k := range all {
			if i > 0 {
				d.WriteString(d.item)
			}
			d.newline(depth + 1)
			d.string(k)
			d.WriteString(d.colon)
			if err := d.dump(v.AsDict().Data[k], depth+1); err != nil {
				return err
			}
		}
		if len(all) > 0 {
			d.newline(depth)
		}
		d.WriteByte('}')
	default:
		return fmt.Errorf("an object of type %s is not JSON serializable", typeName(v))
	}
	return nil
}

func (d *dumper) string(s string) {
	d.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			d.WriteByte('\\')
			d.WriteRune(r)
		case r < 0x20 && strings.ContainsRune("\n\r\t\f\b", r):
			d.WriteByte('\\')
			d.WriteByte("nrtfb"[strings.IndexRune("\n\r\t\f\b", r)])
		case r < 0x20 || d.ascii && r > 0x7e && r < 0x10000:
			fmt.Fprintf(d, `\u%04x`, r)
		case d.ascii && r >= 0x10000:
			r -= 0x10000
			fmt.Fprintf(d, `\u%04x\u%04x`, 0xd800+r>>10, 0xdc00+r&0x3ff)
		default:
			d.WriteRune(r)
		}
	}
	d.WriteByte('"')
}

func typeName(v value) string {
	switch {
	case v.IsUndefined():
		return "Undefined"
	case v.IsNone():
		return "NoneType"
	case v.IsBool():
		return "bool"
	case v.IsInt():
		return "int"
	case v.IsFloat():
		return "float"
	case v.IsString():
		return "str"
	case v.IsList():
		return "list"
	case v.IsDict():
		return "dict"
	}
	return "function"
}
