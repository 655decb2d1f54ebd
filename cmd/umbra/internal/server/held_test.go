package server

import (
	"bufio"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestGrammar: completions and chats, whole and streamed, hold answers to the grammar of the body.
func TestGrammar(t *testing.T) {
	_, url := serve(t, parroting(t), Options{})
	const form = `"grammar": "root ::= [0-9]{3} (\"yes\" | \"no\")", "temperature": 2, "n": 2, "seed": 5`
	want := `^[0-9]{3}(yes|no)$`
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
