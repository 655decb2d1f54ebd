package hf

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
)

// object is an object of one of the folder's JSON files. Its methods take several names for one thing, of which the first that is
// there and not null counts. All objects of a folder keep its first error.
type object struct {
	file   string // for messages
	values map[string]any
	first  *error
}

// parse reads a file's text, which must be one object; nil text is an empty object.
func parse(file string, text []byte, first *error) object {
	o := object{file: file, values: map[string]any{}, first: first}
	if text == nil {
		return o
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&o.values); err != nil {
		o.fail("%w", err)
	} else if _, err := d.Token(); !errors.Is(err, io.EOF) {
		o.fail("more follows the first object")
	}
	return o
}

func (o object) fail(format string, args ...any) {
	if *o.first == nil {
		*o.first = fmt.Errorf("hf: "+o.file+": "+format, args...)
	}
}

// get returns a value and its name; nil if there is none.
func (o object) get(names ...string) (any, string) {
	for _, name := range names {
		if v := o.values[name]; v != nil {
			return v, name
		}
	}
	return nil, strings.Join(names, " or ")
}

func (o object) has(names ...string) bool { v, _ := o.get(names...); return v != nil }

// value returns a value of type T, or fallback if there is none; what names T in the error if it is of another type.
func value[T any](o object, fallback T, what string, names []string) T {
	v, name := o.get(names...)
	if v == nil {
		return fallback
	}
	t, ok := v.(T)
	if !ok {
		o.fail("%s is %s, want %s", name, show(v), what)
		return fallback
	}
	return t
}

func (o object) text(fallback string, names ...string) string {
	return value(o, fallback, "text", names)
}

func (o object) boolean(fallback bool, names ...string) bool {
	return value(o, fallback, "true or false", names)
}

func (o object) list(names ...string) []any { return value[[]any](o, nil, "a list", names) }

// object returns an object within, and whether it is there.
func (o object) object(names ...string) (object, bool) {
	_, name := o.get(names...)
	values := value[map[string]any](o, nil, "an object", names)
	return object{file: o.file + ": " + name, values: values, first: o.first}, values != nil
}

// whole returns a whole number from lo to hi. A missing one is fallback, or an error if that is below lo.
func (o object) whole(fallback, lo, hi int, names ...string) int {
	v, name := o.get(names...)
	if v == nil {
		if fallback < lo {
			o.fail("%s is missing", name)
		}
		return fallback
	}
	n, ok := wholeOf(v)
	if !ok || n < lo || n > hi {
		o.fail("%s is %s, want a whole number from %d to %d", name, show(v), lo, hi)
		return max(fallback, lo)
	}
	return n
}

// number returns a finite number. A missing one is fallback, or an error if that is NaN.
func (o object) number(fallback float64, names ...string) float64 {
	v, name := o.get(names...)
	if v == nil {
		if math.IsNaN(fallback) {
			o.fail("%s is missing", name)
			return 1
		}
		return fallback
	}
	f, ok := numberOf(v)
	if !ok {
		o.fail("%s is %s, want a number", name, show(v))
		return 1
	}
	return f
}

// numbers returns a list of numbers; nil if there is none.
func (o object) numbers(names ...string) (all []float32) {
	for _, v := range o.list(names...) {
		f, ok := numberOf(v)
		if !ok {
			o.fail("%s has %s, want numbers", strings.Join(names, " or "), show(v))
			return nil
		}
		all = append(all, float32(f))
	}
	return all
}

// texts returns a list of texts; nil if there is none.
func (o object) texts(names ...string) (all []string) {
	for _, v := range o.list(names...) {
		s, ok := v.(string)
		if !ok {
			o.fail("%s has %s, want text", strings.Join(names, " or "), show(v))
			return nil
		}
		all = append(all, s)
	}
	return all
}

// need fails unless a text, if there is one, is among those given.
func (o object) need(among []string, why string, names ...string) {
	v, name := o.get(names...)
	if s := o.text("", names...); v != nil && !slices.Contains(among, s) {
		o.fail("%s %s is not supported%s (%s)", name, show(v), why, strings.Join(among, ", "))
	}
}

func wholeOf(v any) (int, bool) {
	f, ok := numberOf(v)
	if !ok || f != math.Trunc(f) || math.Abs(f) > 1<<53 {
		return 0, false
	}
	return int(f), true
}

func numberOf(v any) (float64, bool) {
	n, ok := v.(json.Number)
	if !ok {
		return 0, false
	}
	f, err := n.Float64()
	return f, err == nil
}

// show writes a value for a message, cut where it is long.
func show(v any) string {
	const most = 300
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprintf("%T", v)
	}
	if len(text) > most {
		return string(text[:most]) + "..."
	}
	return string(text)
}
