package jsonschema

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	peer "github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"umbra/scheduler/grammar"
	"umbra/scheduler/grammar/grammartest"
)

func compiled(t testing.TB, schema string) *grammar.Grammar {
	t.Helper()
	rules, err := Rules([]byte(schema))
	require.NoError(t, err, schema)
	return grammartest.Compile(t, rules)
}

// validator is a third party's reading of a schema.
func validator(t testing.TB, schema string) *peer.Schema {
	doc, err := peer.UnmarshalJSON(strings.NewReader(schema))
	require.NoError(t, err)
	c := peer.NewCompiler()
	c.AssertFormat()
	require.NoError(t, c.AddResource("schema.json", doc))
	s, err := c.Compile("schema.json")
	require.NoError(t, err)
	return s
}

// valid reports whether a text is JSON that a schema takes.
func valid(s *peer.Schema, text string) bool {
	v, err := peer.UnmarshalJSON(strings.NewReader(text))
	return err == nil && s.Validate(v) == nil
}

var cases = []struct {
	schema  string
	yes, no []string
}{
	{`true`, []string{`{"a":[1,-2.5e3,"xé\n",true,null], "b":{}}`, `0`}, []string{``, `01`, `nul`, `"`}},
	{`{"type": "null", "title": "x"}`, []string{`null`}, []string{`0`}},
	{`{"type": ["boolean", "string"]}`, []string{`true`, `"\u00e9\\"`}, []string{`1`, `"a`}},
	{`{"enum": ["a", 1, null, {"b": [true]}]}`, []string{`"a"`, `1`, `null`, `{"b": [true]}`}, []string{`"b"`, `2`, `{"b": [false]}`}},
	{`{"type": "string", "enum": ["a\"<", 1]}`, []string{`"a\"<"`}, []string{`1`}},
	{`{"const": 2.5}`, []string{`2.5`}, []string{`2`, `2.55`}},
	{`{"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "string"}, "c": {"type": "null"}}, "required": ["b"], "additionalProperties": false}`,
		[]string{`{"b":""}`, `{"a":1, "b": "x", "c":null}`, `{"b":"","c":null}`}, []string{`{}`, `{"a":1}`, `{"a":1,"b":2}`, `{"b":"","d":1}`, `{,"b":""}`, `{"b":"",}`}},
	{`{"type": "object", "properties": {"a": {"type": "integer"}, "ab": {"type": "null"}}, "additionalProperties": {"type": "string"}}`,
		[]string{`{}`, `{"a":1}`, `{"a":1,"b":"x"}`, `{"x":"y", "z":"","":""}`, `{"ab":null,"abc":"","b":""}`}, []string{`{"a":"x"}`, `{"b":1}`, `{"x":"","ab":""}`}},
	{`{"properties": {"a/b": true}, "required": ["z"]}`, []string{`{"a/b":1,"z":[]}`, `{"z":0}`}, []string{`{"a/b":1}`}},
	{`{"type": "object", "required": ["a"], "additionalProperties": {"type": "integer"}}`, []string{`{"a":1}`, `{"a":1,"b":2}`}, []string{`{}`, `{"a":"x"}`, `{"b":1}`}},
	{`{"type": "object"}`, []string{`{}`, `{"a":[{}]}`}, []string{`[]`, `{"a"}`}},
	{`{"type": "array", "items": {"type": "integer"}, "minItems": 2, "maxItems": 3}`, []string{`[1,2]`, `[1, 2, 3]`}, []string{`[1]`, `[1,2,3,4]`, `["a","b"]`}},
	{`{"type": "array", "prefixItems": [{"type": "integer"}, {"type": "string"}], "items": {"type": "null"}, "minItems": 1}`,
		[]string{`[1]`, `[1,"a"]`, `[1,"a",null,null]`}, []string{`[]`, `["a"]`, `[1,2]`, `[1,"a",3]`}},
	{`{"prefixItems": [true, true], "items": false, "maxItems": 5}`, []string{`[]`, `[1,2]`}, []string{`[1,2,3]`}},
	{`{"type": "array", "maxItems": 0}`, []string{`[]`}, []string{`[1]`}},
	{`{"type": "string", "minLength": 2, "maxLength": 3}`, []string{`"ab"`, `"aé\n"`, `"😀\u00e9"`}, []string{`"a"`, `"abcd"`, `"\n"`, `""`}},
	{`{"type": "integer", "minimum": -12, "maximum": 305}`, []string{`-12`, `-9`, `0`, `99`, `305`, `300`, `210`}, []string{`-13`, `306`, `1000`, `1.5`, `400`}},
	{`{"type": "integer", "exclusiveMinimum": 7.5, "exclusiveMaximum": 1e2}`, []string{`8`, `10`, `99`}, []string{`7`, `100`, `0`, `-8`}},
	{`{"minimum": 995}`, []string{`995`, `1000`, `123456789012345`}, []string{`994`, `0`, `-1000`}},
	{`{"type": "integer", "maximum": -5}`, []string{`-5`, `-10`}, []string{`-4`, `0`, `5`}},
	{`{"type": "number"}`, []string{`0.5`, `-1e-5`, `12`}, []string{`.5`, `1.`, `"1"`}},
	{`{"anyOf": [{"type": "integer"}, {"type": "array", "items": {"type": "null"}}]}`, []string{`5`, `[null]`}, []string{`"5"`, `[1]`}},
	{`{"oneOf": [{"type": "integer"}, {"const": "x"}]}`, []string{`5`, `"x"`}, []string{`"y"`}},
	{`{"allOf": [{"type": "integer"}], "description": "x"}`, []string{`5`}, []string{`"y"`}},
	{`{"$defs": {"node": {"type": "object", "properties": {"v": {"type": "integer"}, "next": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]}}, "required": ["v", "next"], "additionalProperties": false}}, "$ref": "#/$defs/node"}`,
		[]string{`{"v":1,"next":null}`, `{"v":1, "next":{"v":2,"next":null}}`}, []string{`{"v":1}`, `{"v":1,"next":{}}`}},
	{`{"type": "array", "items": {"$ref": "#"}}`, []string{`[]`, `[[],[[]]]`}, []string{`[1]`}},
	{`{"type": "string", "pattern": "^[A-Z]{2,3}-\\d+(x|yz)?$"}`, []string{`"AB-1"`, `"ABC-120yz"`}, []string{`"A-1"`, `"AB-"`, `"xAB-1"`, `"AB-1xy"`, `1`}},
	{`{"pattern": "a.c"}`, []string{`"abc"`, `"xxa\"cyy"`, `"aéc"`, `"a\\c"`}, []string{`"ac"`, `"a\nc"`, `""`}},
	{`{"type": "string", "pattern": "^(?i)he(llo|y)$|^$"}`, []string{`""`, `"HELLO"`, `"heY"`}, []string{`"hell"`, `" hey"`}},
	{`{"type": "string", "pattern": "^[^a-z\\s]*[\\w.]\\p{Lu}$"}`, []string{`"ÄA_Ö"`, `"..Z"`}, []string{`"aaB"`, `"A a"`, `"_"`}},
	{`{"type": "string", "format": "date"}`, []string{`"2024-02-28"`, `"1999-12-31"`}, []string{`"2024-02-30"`, `"2024-13-01"`, `"x"`}},
	{`{"type": "string", "format": "time"}`, []string{`"23:59:59Z"`, `"00:00:00.25+01:30"`}, []string{`"24:00:00Z"`, `"12:00"`}},
	{`{"type": "string", "format": "date-time"}`, []string{`"2024-06-30T12:00:00Z"`}, []string{`"2024-06-31T12:00:00Z"`, `"2024-06-30"`}},
	{`{"type": "string", "format": "uuid"}`, []string{`"123e4567-e89b-12d3-a456-426614174000"`}, []string{`"123e4567"`}},
	{`{"type": "string", "format": "ipv4"}`, []string{`"255.0.10.199"`}, []string{`"256.0.0.1"`, `"1.2.3"`}},
}

// TestKeywords: what a schema's grammar takes is what a third party's validator takes.
func TestKeywords(t *testing.T) {
	for _, c := range cases {
		g, v := compiled(t, c.schema), validator(t, c.schema)
		for _, text := range c.yes {
			assert.True(t, valid(v, text), "the validator, %s: %s", c.schema, text)
			assert.True(t, grammartest.Matches(t, g, text), "%s: %s", c.schema, text)
		}
		for _, text := range c.no {
			assert.False(t, valid(v, text), "the validator, %s: %s", c.schema, text)
			assert.False(t, grammartest.Matches(t, g, text), "%s: %s", c.schema, text)
		}
	}
	assert.True(t, grammartest.Matches(t, compiled(t, `{"type": "integer", "nullable": true}`), "null"), "of OpenAPI, not of the validator")
}

// TestDrawn: texts drawn byte by byte from the grammars are taken by the validator.
func TestDrawn(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	ended := 0
	for _, c := range cases {
		g, v := compiled(t, c.schema), validator(t, c.schema)
		for range 20 {
			if text, whole := drawn(t, r, g, 400); whole {
				ended++
				require.True(t, valid(v, text), "%s: %q", c.schema, text)
			}
		}
	}
	assert.Greater(t, ended, 10*len(cases))
}

// drawn draws a text of a grammar; an end where there may be one comes with chance 1/2. Bytes that close something are drawn more often.
func drawn(t testing.TB, r *rand.Rand, g *grammar.Grammar, most int) (text string, whole bool) {
	m := g.Start()
	for range most {
		if m.MustEnd() || m.MayEnd() && r.IntN(2) == 0 {
			return text, true
		}
		mask, err := m.Mask()
		require.NoError(t, err)
		var open []int32
		for id := range int32(256) {
			if mask.Has(id) && (id < 128 || mask.Len() < 100) {
				open = append(open, id)
				for range 40 {
					if strings.ContainsRune(`"]}`, id) {
						open = append(open, id)
					}
				}
			}
		}
		if len(open) == 0 {
			return text, m.MayEnd()
		}
		id := open[r.IntN(len(open))]
		ok, err := m.Advance(id)
		require.True(t, ok && err == nil)
		text += string([]byte{byte(id)})
	}
	return text, false
}

// TestRefused: what cannot be held to is refused by name and place.
func TestRefused(t *testing.T) {
	for schema, want := range map[string]string{
		`{`:                      "jsonschema: the schema is no JSON",
		`{} {}`:                  "more follows",
		`{"type": 1, "type": 2}`: `the name "type" twice`,
		`3`:                      "#: a schema is an object, true or false",
		`{"type": "float"}`:      "#: the type float is not known",
		`{"type": []}`:           "list of types is empty",
		`{"properties": {"a/b": {"contains": "x"}}}`:                      `#/properties/a~1b/contains: the keyword "contains" is not supported`,
		`{"pattern": "a(?=b)"}`:                                           `#/pattern: the pattern "a(?=b)" cannot be read: invalid or unsupported Perl syntax`,
		`{"pattern": "a^b"}`:                                              `#/pattern: the pattern "a^b" is not supported: ^ and $ may stand at its ends only`,
		`{"pattern": "\\bword"}`:                                          `has no place in it`,
		`{"pattern": "a", "maxLength": 3}`:                                `#/pattern: a pattern beside minLength`,
		`{"pattern": 3}`:                                                  `#/pattern: want a regular expression`,
		`{"uniqueItems": true}`:                                           `#/uniqueItems: the keyword "uniqueItems"`,
		`{"type": "number", "minimum": 1}`:                                `#/minimum: "minimum" is supported for integers only`,
		`{"type": "integer", "multipleOf": 2}`:                            `"multipleOf" is not supported`,
		`{"type": "string", "format": "email"}`:                           "#/format: the format email is not supported",
		`{"format": "date", "maxLength": 3}`:                              "a format beside",
		`{"allOf": [true, true]}`:                                         "#/allOf: allOf of more than one",
		`{"anyOf": []}`:                                                   "#/anyOf: want a list",
		`{"anyOf": [true], "type": "string"}`:                             `#/type: the keyword "type" beside "anyOf"`,
		`{"anyOf": [true, {"not": {}}]}`:                                  `#/anyOf/1/not: the keyword "not"`,
		`{"$ref": "other.json"}`:                                          "only those into the schema itself",
		`{"$ref": "#/$defs/x"}`:                                           `there is nothing at "#/$defs/x"`,
		`{"enum": ["a"], "type": "integer"}`:                              "no value has the type",
		`{"type": "integer", "minimum": 3, "maximum": 2}`:                 "within the bounds",
		`{"type": "integer", "minimum": 1e99}`:                            "at most 30 digits",
		`{"minLength": 3, "maxLength": 2}`:                                "#/maxLength: at most 2 is less",
		`{"minItems": -1}`:                                                "#/minItems: want a number",
		`{"items": [true]}`:                                               "#/items: a schema is an object",
		`{"required": "a"}`:                                               "#/required: want a list of names",
		strings.Repeat(`{"items":`, 200) + `1` + strings.Repeat(`}`, 200): "in each other",
		`{"$ref": "#"}`:                                                   "matches no text that ends",
		`{"type": "object", "properties": {"a": {"$ref": "#"}}, "required": ["a"]}`: "matches no text that ends",
	} {
		rules, err := Rules([]byte(schema))
		if err == nil {
			_, err = grammar.Compile(rules, grammartest.Bytes)
		}
		var refused *grammar.Error
		require.ErrorAs(t, err, &refused, "%.80s", schema)
		assert.Contains(t, err.Error(), want, "%.80s", schema)
	}
}

// random writes a schema.
func random(r *rand.Rand, depth int) string {
	sub := func() string { return random(r, depth-1) }
	if depth == 0 {
		return []string{`true`, `{"type":"integer"}`, `{"$ref":"#"}`, `{"$ref":"#/properties/a"}`, `{"const":"a"}`, `{"type":"string","maxLength":5}`}[r.IntN(6)]
	}
	switch r.IntN(4) {
	case 0:
		return fmt.Sprintf(`{"type":"object","properties":{"a":%s,"ab":%s},"required":["a"],"additionalProperties":%s}`, sub(), sub(), sub())
	case 1:
		return fmt.Sprintf(`{"prefixItems":[%s],"items":%s,"minItems":%d}`, sub(), sub(), r.IntN(4))
	case 2:
		return fmt.Sprintf(`{"anyOf":[%s,%s]}`, sub(), sub())
	}
	return fmt.Sprintf(`{"type":["integer","null"],"minimum":%d,"exclusiveMaximum":%d}`, r.IntN(2000)-1000, 1001+r.IntN(1000))
}

// FuzzSchema: random schemas and texts of them are worked out or refused, and what is drawn parses.
func FuzzSchema(f *testing.F) {
	for seed := range uint64(40) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, seed uint64) {
		r := rand.New(rand.NewPCG(seed, 3))
		schema := random(r, 3)
		rules, err := Rules([]byte(schema))
		var g *grammar.Grammar
		if err == nil {
			g, err = grammar.Compile(rules, grammartest.Bytes)
		}
		if err != nil {
			require.NotNil(t, asRefused(err), "%s: %v", schema, err)
			return
		}
		if text, whole := drawn(t, r, g, 60); whole {
			require.True(t, json.Valid([]byte(text)), "%s: %q", schema, text)
		}
	})
}
