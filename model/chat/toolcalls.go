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
	// DeepSeek is name and JSON between <｜tool▁call▁begin｜> and <｜tool▁call▁end｜> (R1, V3 and what is distilled of them).
	DeepSeek Format = "deepseek"
	// JSONObject is an object or array as the whole answer.
	JSONObject Format = "json"
)

// Marks of calls.
const (
	tagBegin     = "<tool_call>"
	tagEnd       = "</tool_call>"
	mistralCalls = "[TOOL_CALLS]"
	// PythonTag is what Llama's calls may begin with.
	PythonTag = "<|python_tag|>"
)

// formatOf tells the format by what stands in the template.
func formatOf(source string) Format {
	switch {
	case strings.Contains(source, mistralCalls):
		return Mistral
	case strings.Contains(source, tagBegin):
		return TagJSON
	case strings.Contains(source, deepSeekCalls):
		return DeepSeek
	case strings.Contains(source, PythonTag) || strings.Contains(source, "<|start_header_id|>") && strings.Contains(source, "parameters"):
		return Llama
	case strings.Contains(source, "tools"):
		return JSONObject
	}
	return NoTools
}

// Format is how the model writes calls, by its template.
func (t *Template) Format() Format { return t.format }

// ToolMarks are the texts of special tokens by which calls begin, which must not be lost when tokens become text. source is the template's.
func ToolMarks(source string) []string {
	switch formatOf(source) {
	case Mistral:
		return []string{mistralCalls, "[ARGS]", "[CALL_ID]"}
	case TagJSON:
		return []string{tagBegin, tagEnd}
	case DeepSeek:
		return []string{deepSeekCalls, deepSeekCall, deepSeekSeparator, deepSeekCallEnd, deepSeekCallsEnd}
	case Llama:
		return []string{PythonTag}
	}
	return nil
}

// MayBegin reports whether text, the beginning of an answer, may yet turn out to hold calls, and from which byte on: what is before is text for sure. At
// is len(text) where nothing in it may be a call.
func (t *Template) MayBegin(text string) (at int) {
	if mark := t.mark(); mark != "" {
		return holds(text, mark)
	}
	if at := holds(text, PythonTag); at < len(text) {
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
	case DeepSeek:
		text, calls = deepSeek(answer)
	case Llama:
		text, calls = whole(answer, PythonTag)
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
	for {
		i := strings.Index(answer, tagBegin)
		if i < 0 {
			return text + answer, calls
		}
		body, rest, found := strings.Cut(answer[i+len(tagBegin):], tagEnd)
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
	text, rest, _ := strings.Cut(answer, mistralCalls)
	for _, part := range strings.Split(rest, mistralCalls) {
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

// Marks of DeepSeek's calls.
const (
	deepSeekCalls     = "<｜tool▁calls▁begin｜>"
	deepSeekCallsEnd  = "<｜tool▁calls▁end｜>"
	deepSeekCall      = "<｜tool▁call▁begin｜>"
	deepSeekCallEnd   = "<｜tool▁call▁end｜>"
	deepSeekSeparator = "<｜tool▁sep｜>"
)

// deepSeek reads function<sep>name and a block of JSON, or name<sep>JSON as of version 3.1.
func deepSeek(answer string) (text string, calls []ToolCall) {
	text, rest, _ := strings.Cut(answer, deepSeekCalls)
	rest, after, _ := strings.Cut(rest, deepSeekCallsEnd)
	for _, part := range strings.Split(rest, deepSeekCall)[1:] {
		part, _, _ = strings.Cut(part, deepSeekCallEnd)
		name, arguments, found := strings.Cut(part, deepSeekSeparator)
		if name = strings.TrimSpace(name); name == "function" || name == "" {
			name, arguments, found = strings.Cut(arguments, "```json")
			arguments, _, _ = strings.Cut(arguments, "```")
		}
		if name = strings.TrimSpace(name); !found || name == "" || !json.Valid([]byte(arguments)) {
			return answer, nil
		}
		calls = append(calls, ToolCall{Name: name, Arguments: compact([]byte(arguments))})
	}
	return text + after, calls
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
