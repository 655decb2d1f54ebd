package chat

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// ErrNoOpening is returned where a template's calls have no beginning that could be given.
var ErrNoOpening = errors.New("chat: the model's chat template shows no call of a tool that an answer could be made to begin with")

// CallForm is how a model writes calls, as texts around names and arguments:
//
//	Lead Begin NAME Middle ARGUMENTS End (Next NAME Middle ARGUMENTS End)* Close
//
// ParseCalls reads all of it but Lead.
type CallForm struct {
	// Lead is what the template has before the first call, behind the prompt.
	Lead string
	// Begin, Middle, End and Close are the texts of a turn that is calls.
	Begin, Middle, End, Close string
	// Next is "" where the template shows no second call in a turn.
	Next string
	// Mark is a beginning of Begin that a turn has only if it has calls; "" where calls are a whole turn.
	Mark string
}

// Call is the beginning of a call, up to its arguments. Models write a space before those with what follows it.
func (f CallForm) Call(name string) string {
	return strings.TrimRight(f.Begin+Quoted(name)+f.Middle, " ")
}

// Quoted is a function's name as it stands in a call.
func Quoted(name string) string {
	quoted, _ := json.Marshal(name)
	return string(quoted[1 : len(quoted)-1])
}

// Names of calls that no conversation has, and what their arguments are.
const (
	probeName      = "umbra_probe_name"
	probeArgument  = "umbra_probe_argument"
	probeArguments = `{"` + probeArgument + `": 1}`
	probeID        = "call0000" // and a digit: some templates want nine characters
)

// CallForm finds out how the next turn of a conversation with tools is written if it calls some: by having the template write such turns.
func (t *Template) CallForm(c Conversation) (f CallForm, err error) {
	c.Generate, c.Begin = true, ""
	prompt, err := t.Render(c)
	if err != nil {
		return f, err
	}
	c.Generate = false
	turn, err := t.probe(c, 1)
	if err != nil {
		return f, fmt.Errorf("%w: %w", ErrNoOpening, err)
	}
	at := strings.Index(turn, probeName)
	arguments := strings.LastIndexByte(turn[:max(0, strings.Index(turn, probeArgument))], '{')
	if at < 0 || arguments < at {
		return f, ErrNoOpening
	}
	begin := t.begins(turn[:at])
	if begin < 0 {
		return f, ErrNoOpening
	}
	if strings.HasPrefix(turn, prompt) && len(prompt) <= begin {
		f.Lead = turn[len(prompt):begin]
	}
	f.Begin, f.Middle, f.Mark = turn[begin:at], turn[at+len(probeName):arguments], t.mark()
	_, behind, ok := strings.Cut(turn[arguments:], "}")
	if !ok {
		return f, ErrNoOpening
	}
	open := f.open()
	tail, rest, ok := t.ends(behind, open)
	if !ok {
		return f, ErrNoOpening
	}
	f.End = strings.Repeat("}", strings.Count(open, "{")) + tail
	switch {
	case strings.HasPrefix(open, "["):
		f.Close = "]"
	case t.format == DeepSeek && strings.HasPrefix(rest, deepSeekCallsEnd):
		f.Close = deepSeekCallsEnd
	}
	if two, err := t.probe(c, 2); err == nil {
		f.Next = t.next(two, tail, open)
	}
	return f, nil
}

// probe has the template write a turn of n calls.
func (t *Template) probe(c Conversation, n int) (string, error) {
	m := Message{Role: "assistant"}
	for i := range n {
		m.ToolCalls = append(m.ToolCalls, ToolCall{ID: probeID + strconv.Itoa(i+1), Name: probeName, Arguments: probeArguments})
	}
	c.Messages = append(c.Messages[:len(c.Messages):len(c.Messages)], m)
	turn, err := t.Render(c)
	if err != nil { // it may want some content
		c.Messages[len(c.Messages)-1].empty = true
		turn, err = t.Render(c)
	}
	return turn, err
}

// next is what stands between two calls in a turn, behind the first's end, which is tail as where there is one call.
func (t *Template) next(turn, tail, open string) string {
	first := strings.Index(turn, probeArgument)
	if first < 0 {
		return ""
	}
	_, between, _ := strings.Cut(turn[first:], "}")
	between, _, ok := strings.Cut(between, probeName)
	same, next, ended := t.ends(between, open)
	if !ok || !ended || same != tail || strings.Contains(next, probeID) { // models make up no IDs
		return ""
	}
	return next
}

// open is the objects and arrays of JSON that are open where arguments stand.
func (f CallForm) open() (open string) {
	text, quoted := f.Begin+f.Middle, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			open += string(c)
		case (c == '}' || c == ']') && open != "":
			open = open[:len(open)-1]
		}
	}
	return open
}

// ends takes what is behind a call's arguments apart: first the open objects are closed, with an ID before that perhaps, then comes tail, up to the
// call's end, then the rest.
func (t *Template) ends(behind, open string) (tail, rest string, ok bool) {
	rest = behind
	for range strings.Count(open, "{") {
		if _, rest, ok = strings.Cut(rest, "}"); !ok {
			return "", "", false
		}
	}
	mark := map[Format]string{TagJSON: tagEnd, DeepSeek: deepSeekCallEnd}[t.format]
	if mark == "" {
		return "", rest, ok || open == ""
	}
	tail, rest, ok = strings.Cut(rest, mark)
	return tail + mark, rest, ok
}

// mark is what turns have only if they have calls; "" where calls are a whole turn.
func (t *Template) mark() string {
	return map[Format]string{TagJSON: tagBegin, Mistral: mistralCalls, DeepSeek: deepSeekCalls}[t.format]
}

// begins is where the call begins in a turn that is cut off before the call's name, below 0 if that cannot be told.
func (t *Template) begins(turn string) int {
	if mark := t.mark(); mark != "" {
		return strings.LastIndex(turn, mark)
	}
	for _, mark := range []string{PythonTag + "{", `{"type": "function", "function": {"name": "`, `{"name": "`} {
		if at := strings.LastIndex(turn, mark); at >= 0 {
			if at > 0 && turn[at-1] == '[' {
				at--
			}
			return at
		}
	}
	return -1
}
