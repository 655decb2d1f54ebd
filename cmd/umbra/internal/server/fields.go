package server

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// ignored are fields of OpenAI's API that change nothing here: who asks, what is noted beside the request, and hints that are for speed alone.
type ignored struct {
	User             json.RawMessage `json:"user"`
	Metadata         json.RawMessage `json:"metadata"`
	SafetyIdentifier json.RawMessage `json:"safety_identifier"`
	PromptCacheKey   json.RawMessage `json:"prompt_cache_key"`
	ServiceTier      json.RawMessage `json:"service_tier"`
	Prediction       json.RawMessage `json:"prediction"`
	CachePrompt      json.RawMessage `json:"cache_prompt"` // llama.cpp's, as the next
	IDSlot           json.RawMessage `json:"id_slot"`
}

// decode reads JSON into v, a pointer to a struct, and refuses fields that it has not, unless they ask for nothing: null, false, 0 and what is empty.
func decode(data []byte, v any) error {
	if err := json.Unmarshal(data, v); err != nil {
		return err
	}
	var given map[string]json.RawMessage
	if err := json.Unmarshal(data, &given); err != nil {
		return err
	}
	known := fields(reflect.TypeOf(v).Elem())
	for _, name := range slices.Sorted(maps.Keys(given)) {
		if value := strings.Join(strings.Fields(string(given[name])), ""); !slices.Contains(known, name) && !slices.Contains([]string{"null", "false", "0", `""`, "[]", "{}"}, value) {
			return invalid(name, "%s is not supported", name)
		}
	}
	return nil
}

// fields are the JSON names of a struct's fields, those of embedded ones included.
func fields(t reflect.Type) (names []string) {
	for f := range t.Fields() {
		if f.Anonymous {
			names = append(names, fields(f.Type)...)
			continue
		}
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		names = append(names, name)
	}
	return names
}
