package chat

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// ErrNoOpening is returned where a template's calls have no beginning that could be given.
var ErrNoOpening = errors.New("chat: the model's chat template shows no call of a tool that an answer could be made to begin with")

// Names of a call that no conversation has.
const (
	probeName     = "umbra_probe_name"
	probeArgument = "umbra_probe_argument"
)

// Opening is how the next turn of a conversation with tools begins if it calls the function called name, up to its arguments; with name "" it
// ends before the name. It is found out by having the template write such a turn. Call is what ParseCalls is to read with what follows, lead what the
// template has before that.
func (t *Template) Opening(c Conversation, name string) (lead, call string, err error) {
	c.Generate, c.Begin = true, ""
	prompt, err := t.Render(c)
	if err != nil {
		return "", "", err
	}
	c.Generate = false
	c.Messages = append(c.Messages[:len(c.Messages):len(c.Messages)], Message{Role: "assistant",
		ToolCalls: []ToolCall{{ID: "call00001", Name: probeName, Arguments: `{"` + probeArgument + `": 1}`}}})
	turn, err := t.Render(c)
	if err != nil { // it may want some content
		c.Messages[len(c.Messages)-1].empty = true
		if turn, err = t.Render(c); err != nil {
			return "", "", fmt.Errorf("%w: %w", ErrNoOpening, err)
		}
	}
	at := strings.Index(turn, probeName)
	arguments := strings.LastIndexByte(turn[:max(0, strings.Index(turn, probeArgument))], '{')
	if at < 0 || arguments < at {
		return "", "", ErrNoOpening
	}
	begin := t.begins(turn[:at])
	if begin < 0 {
		return "", "", ErrNoOpening
	}
	if strings.HasPrefix(turn, prompt) && len(prompt) <= begin {
		lead = turn[len(prompt):begin]
	}
	call = turn[begin:at]
	if name != "" {
		quoted, err := json.Marshal(name)
		if err != nil {
			return "", "", err
		}
		call += string(quoted[1:len(quoted)-1]) + turn[at+len(probeName):arguments]
	}
	return lead, strings.TrimRight(call, " "), nil // models write the space with what follows it
}

// begins is where the call begins in a turn that is cut off before the call's name, below 0 if that cannot be told.
func (t *Template) begins(turn string) int {
	mark := map[Format]string{TagJSON: "<tool_call>", Mistral: "[TOOL_CALLS]", DeepSeek: deepSeekCalls}[t.format]
	if mark != "" {
		return strings.LastIndex(turn, mark)
	}
	for _, mark := range []string{"<|python_tag|>{", `{"type": "function", "function": {"name": "`, `{"name": "`} {
		if at := strings.LastIndex(turn, mark); at >= 0 {
			if at > 0 && turn[at-1] == '[' {
				at--
			}
			return at
		}
	}
	return -1
}
