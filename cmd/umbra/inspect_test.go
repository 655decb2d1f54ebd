package main

import (
	"bytes"
	"encoding/json"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"umbra/model/gguf"
)

// odd is a file that umbra cannot run, with every kind of metadata value.
func odd(t *testing.T) *gguf.File {
	t.Helper()
	w := gguf.NewWriter()
	w.Set("general.architecture", "clip")
	w.Set("bool", true)
	w.Set("int8", int8(-5))
	w.Set("float32", float32(0.1))
	w.Set("nan", math.NaN())
	w.Set("infinity", float32(math.Inf(-1)))
	w.Set("long", strings.Repeat("é", 100))
	w.Set("lines", "a\n\x00")
	w.Set("bytes", []uint8{1, 2, 3, 4, 5, 6, 7})
	w.Set("few", []float32{0.5, 1})
	w.Set("none", []string{})
	w.Set("nested", []any{[]int32{1, 2}, []string{"x"}})
	w.Add("a", gguf.F16, []uint64{2, 3}, make([]byte, 12))
	w.Add("b", gguf.F32, []uint64{4}, make([]byte, 16))
	w.Add("c", gguf.F16, []uint64{1}, make([]byte, 2))
	var b bytes.Buffer
	_, err := w.WriteTo(&b)
	require.NoError(t, err)
	f, err := gguf.Parse(b.Bytes())
	require.NoError(t, err)
	return f
}

func TestEntries(t *testing.T) {
	got := map[string]string{}
	for _, kv := range odd(t).Metadata {
		e := entryOf(kv, false)
		got[e.Key] = e.Type + " " + e.text
	}
	assert.Equal(t, map[string]string{
		"general.architecture": `string "clip"`,
		"bool":                 "bool true",
		"int8":                 "int8 -5",
		"float32":              "float32 0.1",
		"nan":                  "float64 NaN",
		"infinity":             "float32 -Inf",
		"long":                 `string "` + strings.Repeat("é", shownRunes) + `"... (100 characters)`,
		"lines":                `string "a\n\x00"`,
		"bytes":                "[7]uint8 1, 2, 3, 4, 5, 6, ...",
		"few":                  "[2]float32 0.5, 1",
		"none":                 "[0]string ",
		"nested":               `[2]array [1, 2], ["x"]`,
	}, got)

	for _, kv := range odd(t).Metadata {
		switch e := entryOf(kv, true); kv.Key {
		case "long":
			assert.Equal(t, `"`+strings.Repeat("é", 100)+`"`, e.text)
		case "bytes":
			assert.Equal(t, "1, 2, 3, 4, 5, 6, 7", e.text)
		}
	}
}

func TestReportIsJSON(t *testing.T) {
	f := odd(t)
	r := reportOf(f, "odd.gguf", false)
	plan, why, err := planOf(f, 0, 1, "f32", nil)
	require.NoError(t, err, "a file that cannot be run is no error")
	r.plan(plan, why)
	assert.Nil(t, r.Memory)
	assert.Contains(t, r.Unplanned, `architecture "clip" is not supported`)

	var b bytes.Buffer
	require.NoError(t, writeJSON(&b, r))
	var back struct {
		Metadata []struct {
			Key    string
			Value  any
			Length int
			First  []any
		}
		Types []typeReport
	}
	require.NoError(t, json.Unmarshal(b.Bytes(), &back))
	assert.Equal(t, []typeReport{{"F32", 1, 4, 16, 32}, {"F16", 2, 7, 14, 16}}, back.Types, "largest first")
	for _, e := range back.Metadata {
		switch e.Key {
		case "float32":
			assert.Equal(t, 0.1, e.Value)
		case "nan":
			assert.Equal(t, "NaN", e.Value)
		case "bytes":
			assert.Nil(t, e.Value)
			assert.Equal(t, 7, e.Length)
			assert.Equal(t, []any{1., 2., 3., 4., 5., 6.}, e.First)
		case "nested":
			assert.Equal(t, []any{[]any{1., 2.}, []any{"x"}}, e.Value)
		}
	}

	b.Reset()
	require.NoError(t, r.write(&b))
	assert.Contains(t, b.String(), "odd.gguf: GGUF version 3, ")
	assert.Contains(t, b.String(), "2 × 3")
	assert.NotContains(t, b.String(), "FLOP")
	assert.Contains(t, b.String(), "no memory plan, as umbra cannot run this file: model: architecture")
}
