package main

import (
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"unicode/utf8"

	"umbra/model/gguf"
)

// What is shown of long values without --all.
const (
	shownElements = 6  // of an array
	shownRunes    = 72 // of a string
)

// entryReport is a metadata entry. An abbreviated array has its length and first elements instead of a value.
type entryReport struct {
	Key    string `json:"key"`
	Type   string `json:"type"` // of the value, or of an array's elements after "[length]"
	Value  any    `json:"value,omitempty"`
	Length int    `json:"length,omitempty"`
	First  any    `json:"first,omitempty"`

	text string // for people
}

// entryOf describes an entry, abbreviated unless all of it is wanted.
func entryOf(kv gguf.KV, all bool) entryReport {
	v := reflect.ValueOf(kv.Value)
	if v.Kind() != reflect.Slice {
		return entryReport{Key: kv.Key, Type: v.Kind().String(), Value: jsonValue(v), text: scalarText(v, all)}
	}
	kind := v.Type().Elem().Kind().String()
	if kind == reflect.Interface.String() {
		kind = "array"
	}
	e := entryReport{Key: kv.Key, Type: fmt.Sprintf("[%d]%s", v.Len(), kind)}
	shown := v
	if !all && v.Len() > shownElements {
		shown = v.Slice(0, shownElements)
		e.Length, e.First = v.Len(), jsonValue(shown)
	} else {
		e.Value = jsonValue(v)
	}
	e.text = sliceText(shown, all)
	if shown.Len() < v.Len() {
		e.text += ", ..."
	}
	return e
}

// sliceText writes elements with commas between.
func sliceText(v reflect.Value, all bool) string {
	words := make([]string, v.Len())
	for i := range words {
		e := v.Index(i)
		if e.Kind() == reflect.Interface {
			e = e.Elem()
		}
		if e.Kind() == reflect.Slice {
			words[i] = "[" + sliceText(e, all) + "]"
		} else {
			words[i] = scalarText(e, all)
		}
	}
	return strings.Join(words, ", ")
}

// scalarText writes a number, a boolean or a string; a string in quotes, and abbreviated unless all of it is wanted.
func scalarText(v reflect.Value, all bool) string {
	switch v.Kind() {
	case reflect.String:
		s := v.String()
		if n := utf8.RuneCountInString(s); !all && n > shownRunes {
			return fmt.Sprintf("%s... (%d characters)", strconv.Quote(string([]rune(s)[:shownRunes])), n)
		}
		return strconv.Quote(s)
	case reflect.Float32:
		return strconv.FormatFloat(v.Float(), 'g', -1, 32)
	}
	return fmt.Sprint(v.Interface())
}

// jsonValue is a value as JSON can hold it: bytes as numbers, NaN and infinities as text.
func jsonValue(v reflect.Value) any {
	switch v.Kind() {
	case reflect.Interface:
		return jsonValue(v.Elem())
	case reflect.Slice:
		list := make([]any, v.Len())
		for i := range list {
			list[i] = jsonValue(v.Index(i))
		}
		return list
	case reflect.Float32:
		if f := v.Float(); !math.IsNaN(f) && !math.IsInf(f, 0) {
			return json.Number(scalarText(v, true))
		}
		return scalarText(v, true)
	case reflect.Float64:
		if f := v.Float(); !math.IsNaN(f) && !math.IsInf(f, 0) {
			return f
		}
		return scalarText(v, true)
	}
	return v.Interface()
}
