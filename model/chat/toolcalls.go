package chat

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strings"
)

// Format is how a model writes calls of tools.
type Format string

// The formats.
const (
	// NoTools is that of a template that knows no tools; JSON is looked for all the same, as JSONObject.
	NoTools Format = "none"
	// TagJSON is {"name": ..., "arguments": ...} between <tool_call> and </tool_call> (Hermes, Qwen).
	TagJSON Format = "tool_call tags"
	// Llama is {"name": ..., "parameters": ...} as the whole answer, perhaps after <|python_tag|>, several separated by semicolons (Llama 3.1 to 3.3).
	Llama Format = "llama"
	// Mistral is [{"name": ..., "arguments": ...}, ...] after [TOOL_CALLS], or name[ARGS]{...} in later versions.
	Mistral Format = "mistral"
	// JSONObject is an object or array as the whole answer.
	JSONObject Format = "json"
)

// formatOf tells the format by what stands in the template.
func formatOf(source string) Format {
	switch {
	case strings.Contains(source, "[TOOL_CALLS]"):
		return Mistral
	case strings.Contains(source, "<tool_call>"):
		return TagJSON
	case strings.Contains(source, "<|python_tag|>") || strings.Contains(source, "<|start_header_id|>") && strings.Contains(source, "parameters"):
		return Llama
	case strings.Contains(source, "tools"):
		return JSONObject
	}
	return NoTools
}

// Format is how the model writes calls, by its template.
func (t *Template) Format() Format { return t.format }

// ToolMarks are the texts of special tokens by which calls begin, which must not be lost when tokens become text.
func (t *Template) ToolMarks() []string {
	switch t.format {
	case Mistral:
		return []string{"[TOOL_CALLS]", "[ARGS]", "[CALL_ID]"}
	case TagJSON:
		return []string{"<tool_call>", "</tool_call>"}
	case Llama:
		return []string{"<|python_tag|>"}
	}
	return nil
}

// MayBegin reports whether text, the beginning of an answer, may yet turn out to hold calls, and from which byte on: what is before is text for sure. At
// is len(text) where nothing in it may be a call.
func (t *Template) MayBegin(text string) (at int) {
	switch t.format {
	case TagJSON:
		return holds(text, "<tool_call>")
	case Mistral:
		return holds(text, "[TOOL_CALLS]")
	}
	if at := holds(text, "<|python_tag|>"); at < len(text) {
		return at
	}
	trimmed := strings.TrimLeft(text, " \t\n\r")
	if trimmed == "" || trimmed[0] == '{' || trimmed[0] == '[' {
		return 0
	}
	return len(text)
}

// holds is where mark is in text, or where text ends with a beginning of it; else len(text).
func holds(text, mark string) int {
	if i := strings.Index(text, mark); i >= 0 {
		return i
	}
	for n := min(len(mark)-1, len(text)); n > 0; n-- {
		if strings.HasSuffix(text, mark[:n]) {
			return len(text) - n
		}
	}
	return len(text)
}

// ParseCalls takes the calls of tools out of an answer. What is no call stays text; an answer without a well-formed call is all text.
// IDs are those that the model gave, if it did.
func (t *Template) ParseCalls(answer string) (text string, calls []ToolCall) {
	switch t.format {
	case TagJSON:
		text, calls = tagged(answer)
	case Mistral:
		text, calls = mistral(answer)
	case Llama:
		text, calls = whole(answer, "<|python_tag|>")
	default:
		text, calls = whole(answer, "")
	}
	if len(calls) == 0 {
		return answer, nil
	}
	return strings.TrimSpace(text), calls
}

// tagged reads objects in <tool_call> tags; the last end tag may be missing.
func tagged(answer string) (text string, calls []ToolCall) {
	const begin, end = "<tool_call>", "</tool_call>"
	for {
		i := strings.Index(answer, begin)
		if i < 0 {
			return text + answer, calls
		}
		body, rest, found := strings.Cut(answer[i+len(begin):], end)
		all, err := callsOf(body)
		if err != nil {
			text += answer[:len(answer)-len(rest)]
		} else {
			text += answer[:i]
			calls = append(calls, all...)
		}
		if answer = rest; !found {
			return text, calls
		}
	}
}

var mistralName = regexp.MustCompile(`^\s*([\w.-]+)(?:\[CALL_ID\](\w+))?\[ARGS\]`)

func mistral(answer string) (text string, calls []ToolCall) {
	const mark = "[TOOL_CALLS]"
	text, rest, _ := strings.Cut(answer, mark)
	for _, part := range strings.Split(rest, mark) {
		if m := mistralName.FindStringSubmatch(part); m != nil {
			d := json.NewDecoder(strings.NewReader(part[len(m[0]):]))
			var arguments json.RawMessage
			if d.Decode(&arguments) == nil {
				calls = append(calls, ToolCall{ID: m[2], Name: m[1], Arguments: compact(arguments)})
			}
			continue
		}
		all, err := callsOf(part)
		if err != nil {
			return text, nil
		}
		calls = append(calls, all...)
	}
	return text, calls
}

// whole reads an answer that is calls and nothing else.
func whole(answer, mark string) (string, []ToolCall) {
	body, text := answer, ""
	if before, after, found := strings.Cut(answer, mark); mark != "" && found {
		text, body = before, after
	}
	body = strings.TrimSpace(body)
	if inner, found := strings.CutPrefix(body, "```json"); found {
		body, _, _ = strings.Cut(inner, "```")
	}
	calls, err := callsOf(body)
	if err != nil {
		return answer, nil
	}
	return text, calls
}

// callsOf reads objects, or arrays of them, separated by nothing, white space or semicolons.
func callsOf(s string) (calls []ToolCall, err error) {
	for {
		s = strings.TrimLeft(s, " \t\r\n;")
		if s == "" {
			break
		}
		d := json.NewDecoder(strings.NewReader(s))
		var one json.RawMessage
		if err := d.Decode(&one); err != nil {
			return nil, err
		}
		s = s[d.InputOffset():]
		var several []json.RawMessage
		if json.Unmarshal(one, &several) != nil {
			several = []json.RawMessage{one}
		}
		for _, c := range several {
			call, err := callOf(c)
			if err != nil {
				return nil, err
			}
			calls = append(calls, call)
		}
	}
	if calls == nil {
		return nil, errNoCall
	}
	return calls, nil
}

var errNoCall = &json.UnsupportedValueError{Str: "no call of a tool"}

func callOf(data []byte) (ToolCall, error) {
	var c struct {
		ID, Name              string
		Arguments, Parameters json.RawMessage
		Function              json.RawMessage
	}
	if err := json.Unmarshal(data, &c); err != nil {
		return ToolCall{}, err
	}
	if c.Name == "" && bytes.HasPrefix(c.Function, []byte("{")) {
		return callOf(c.Function)
	}
	arguments := c.Arguments
	if arguments == nil {
		arguments = c.Parameters
	}
	if c.Name == "" || arguments == nil {
		return ToolCall{}, errNoCall
	}
	var text string
	if json.Unmarshal(arguments, &text) == nil { // text that holds JSON
		arguments = json.RawMessage(text)
	}
	if !json.Valid(arguments) {
		return ToolCall{}, errNoCall
	}
	return ToolCall{ID: c.ID, Name: c.Name, Arguments: compact(arguments)}, nil
}

// compact takes white space out of JSON.
func compact(data []byte) string {
	var b bytes.Buffer
	if json.Compact(&b, data) != nil {
		return string(data)
	}
	return b.String()
}
