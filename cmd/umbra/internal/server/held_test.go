package server

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/shared"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestGrammar: completions and chats, whole and streamed, hold answers to the grammar or schema of the body.
func TestGrammar(t *testing.T) {
	_, url := serve(t, parroting(t), Options{})
	const schema = `{"type": "object", "properties": {"n": {"type": "integer", "minimum": 10, "maximum": 99}, "ok": {"type": "boolean"}}, "required": ["n", "ok"]}`
	const point = `^\{"n": ?[1-9][0-9], ?"ok": ?(true|false)\}$`
	for _, c := range []struct{ form, want string }{
		{`"grammar": "root ::= [0-9]{3} (\"yes\" | \"no\")"`, `^[0-9]{3}(yes|no)$`},
		{`"json_schema": ` + schema, point},
		{`"response_format": {"type": "json_schema", "json_schema": {"name": "point", "strict": true, "schema": ` + schema + `}}`, point},
		{`"json_schema": {"const": {}}, "response_format": {"type": "text"}`, `^\{\}$`},
	} {
		held(t, url, c.form+`, "temperature": 2, "n": 2, "seed": 5, "max_tokens": 60`, c.want)
	}
}

// TestResponseFormat: OpenAI's own client asks for JSON by a schema and for any object, whole and streamed.
func TestResponseFormat(t *testing.T) {
	client, _ := serve(t, parroting(t), Options{})
	ctx := context.Background()
	schema := map[string]any{"type": "object", "properties": map[string]any{"colour": map[string]any{"enum": []string{"red", "blue"}}, "n": map[string]any{"type": "integer", "minimum": 0, "maximum": 5}},
		"required": []string{"colour", "n"}, "additionalProperties": false}
	var form, object openai.ChatCompletionNewParamsResponseFormatUnion
	form.OfJSONSchema = &shared.ResponseFormatJSONSchemaParam{JSONSchema: shared.ResponseFormatJSONSchemaJSONSchemaParam{Name: "paint", Strict: openai.Bool(true), Schema: schema}}
	object.OfJSONObject = &shared.ResponseFormatJSONObjectParam{}
	for seed := range int64(3) {
		ask := openai.ChatCompletionNewParams{Model: "parrot", Messages: hello, ResponseFormat: form, Temperature: openai.Float(1.5), Seed: openai.Int(seed)}
		both := bothWays(t, client, ask)
		assert.Regexp(t, `^\{"colour": ?"(red|blue)", ?"n": ?[0-5]\}$`, both[0].Message.Content)
		assert.Equal(t, "stop", both[0].FinishReason)
		assert.Equal(t, both[0].Message.Content, both[1].Message.Content)

		ask.ResponseFormat, ask.MaxTokens = object, openai.Int(40)
		whole, err := client.Chat.Completions.New(ctx, ask)
		require.NoError(t, err)
		assert.Regexp(t, `^\{`, whole.Choices[0].Message.Content)
		if whole.Choices[0].FinishReason == "stop" {
			var any map[string]any
			assert.NoError(t, json.Unmarshal([]byte(whole.Choices[0].Message.Content), &any))
		}
	}
}

// TestSchemaRefused: what schemas cannot be held to is named, as is what does not go together.
func TestSchemaRefused(t *testing.T) {
	_, url := serve(t, parroting(t), Options{})
	for form, want := range map[string]string{
		`"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "string", "not": {}}}}`: "#/not",
		`"response_format": {"type": "json_schema", "json_schema": {"name": "x"}}`:                                          "has no schema",
		`"response_format": {"type": "xml"}`:                                    "text, json_object and json_schema",
		`"response_format": {"type": "json_object"}, "grammar": "root ::= [a]"`: "exclude each other",
		`"json_schema": {}, "grammar": "root ::= [a]"`:                          "exclude each other",
		`"json_schema": 5`: "jsonschema: ",
	} {
		for path, prompt := range map[string]string{"/v1/completions": `"prompt": "x"`, "/v1/chat/completions": `"messages": [{"role": "user", "content": "x"}]`} {
			status, answer := post(t, url+path, `{`+prompt+`, `+form+`}`)
			assert.Equal(t, 400, status, form)
			assert.Contains(t, answer, want, form)
		}
	}
}

// held asks for answers of a form, whole and streamed.
func held(t *testing.T, url, form, want string) {
	t.Helper()
	for path, prompt := range map[string]string{"/v1/completions": `"prompt": "x"`, "/v1/chat/completions": `"messages": [{"role": "user", "content": "x"}]`} {
		status, answer := post(t, url+path, `{`+prompt+`, `+form+`}`)
		require.Equal(t, 200, status, answer)
		var got struct {
			Choices []struct {
				Text    string
				Finish  string `json:"finish_reason"`
				Message struct{ Content string }
			}
		}
		require.NoError(t, json.Unmarshal([]byte(answer), &got))
		require.Len(t, got.Choices, 2)
		for _, c := range got.Choices {
			assert.Regexp(t, want, c.Text+c.Message.Content)
			assert.Equal(t, "stop", c.Finish)
		}
		r, err := http.Post(url+path, "application/json", strings.NewReader(`{`+prompt+`, `+form+`, "stream": true}`))
		require.NoError(t, err)
		texts := [2]string{}
		for lines := bufio.NewScanner(r.Body); lines.Scan(); {
			data, is := strings.CutPrefix(lines.Text(), "data: {")
			if !is {
				continue
			}
			var part struct {
				Choices []struct {
					Index int
					Text  string
					Delta struct{ Content string }
				}
			}
			require.NoError(t, json.Unmarshal([]byte("{"+data), &part))
			for _, c := range part.Choices {
				texts[c.Index] += c.Text + c.Delta.Content
			}
		}
		r.Body.Close()
		for i, text := range texts {
			assert.Equal(t, got.Choices[i].Text+got.Choices[i].Message.Content, text)
		}
	}
}
