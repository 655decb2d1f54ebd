package jsonschema

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
)

// object is a JSON object with its names in the order of the text. Other values are []any, string, json.Number, bool and nil.
type object struct {
	names  []string
	values map[string]any
}

// What a schema may be at most.
const (
	maxSource = 1 << 20 // bytes
	maxNested = 128     // objects and arrays
)

// read reads one JSON value.
func read(source []byte) (any, error) {
	if len(source) > maxSource {
		return nil, refuse("", "the schema has %d bytes, at most %d are taken", len(source), maxSource)
	}
	d := json.NewDecoder(bytes.NewReader(source))
	d.UseNumber()
	v, err := value(d, 0)
	if err == nil {
		if _, err = d.Token(); err == nil {
			err = errors.New("more follows behind its end")
		} else if err == io.EOF {
			return v, nil
		}
	}
	var refused error = refuse("", "the schema is no JSON: %v", err)
	if known := asRefused(err); known != nil {
		refused = known
	}
	return nil, refused
}

func value(d *json.Decoder, nested int) (any, error) {
	t, err := d.Token()
	if err != nil {
		return nil, err
	}
	if nested > maxNested {
		return nil, refuse("", "more than %d objects and arrays in each other", maxNested)
	}
	switch t {
	case json.Delim('['):
		all := []any{}
		for d.More() {
			v, err := value(d, nested+1)
			if err != nil {
				return nil, err
			}
			all = append(all, v)
		}
		_, err = d.Token()
		return all, err
	case json.Delim('{'):
		o := &object{values: map[string]any{}}
		for d.More() {
			name, err := d.Token()
			if err != nil {
				return nil, err
			}
			v, err := value(d, nested+1)
			if err != nil {
				return nil, err
			}
			if _, twice := o.values[name.(string)]; twice {
				return nil, refuse("", "an object has the name %q twice", name)
			}
			o.names = append(o.names, name.(string))
			o.values[name.(string)] = v
		}
		_, err = d.Token()
		return o, err
	}
	return t, nil
}
