package main

import (
	"cmp"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"umbra"
)

// prompt is a text to continue, and its place among others where --policy is priority.
type prompt struct {
	text     string
	priority int
}

// of makes a request for the prompt of what all requests have.
func (p prompt) of(form umbra.Request) umbra.Request {
	form.Prompt, form.Priority = p.text, p.priority
	return form
}

// readPrompts returns the prompts to answer: one, or those of a file of many.
func (r *runCommand) readPrompts(c *console) ([]prompt, error) {
	if r.Prompt != nil {
		text, err := readText(c, *r.Prompt)
		return []prompt{{text: text}}, err
	}
	if r.File != "" {
		data, err := os.ReadFile(r.File)
		return []prompt{{text: string(data)}}, err
	}
	data, err := os.ReadFile(r.Prompts)
	if err != nil {
		return nil, err
	}
	prompts, err := splitPrompts(string(data))
	if err != nil {
		return nil, fmt.Errorf("%s, %w", r.Prompts, err)
	}
	if len(prompts) == 0 {
		return nil, fmt.Errorf("%s holds no prompt; write prompts with a line of --- between each two", r.Prompts)
	}
	if r.Policy != policyPriority && slices.ContainsFunc(prompts, func(p prompt) bool { return p.priority != 0 }) {
		c.say("the priorities in %s change nothing; add --policy priority", r.Prompts)
	}
	return prompts, nil
}

// splitPrompts splits a text at lines of ---. What lies between is taken as it is, the end of its last line included;
// empty parts are left out. A line of --- priority=5 gives the prompt below it that priority.
func splitPrompts(text string) ([]prompt, error) {
	var prompts []prompt
	start, priority := 0, 0
	add := func(end int) {
		if end > start {
			prompts = append(prompts, prompt{text[start:end], priority})
		}
	}
	for at, number := 0, 1; at < len(text); number++ {
		line := text[at:]
		if n := strings.IndexByte(line, '\n'); n >= 0 {
			line = line[:n+1]
		}
		next, ok, err := separator(line)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", number, err)
		}
		if ok {
			add(at)
			start, priority = at+len(line), next
		}
		at += len(line)
	}
	add(len(text))
	return prompts, nil
}

// separator reports whether a line lies between two prompts, and the priority of the one below it. Other lines that begin
// with ---, as those of a patch, are text.
func separator(line string) (priority int, ok bool, err error) {
	rest, ok := strings.CutPrefix(strings.TrimRight(line, " \t\r\n"), "---")
	if !ok || rest == "" {
		return 0, ok, nil
	}
	field := strings.TrimLeft(rest, " \t")
	if field == rest || !strings.HasPrefix(field, "priority") {
		return 0, false, nil
	}
	number, _ := strings.CutPrefix(field, "priority=")
	if priority, err = strconv.Atoi(number); err != nil {
		return 0, false, fmt.Errorf("%q gives no priority; write a whole number, as --- priority=5", "---"+rest)
	}
	return priority, true, nil
}

// order returns the prompts' numbers as they are to be begun: by priority, equal ones as they come.
func (r *runCommand) order(prompts []prompt) []int {
	order := make([]int, len(prompts))
	for i := range order {
		order[i] = i
	}
	if r.Policy == policyPriority {
		slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(prompts[b].priority, prompts[a].priority) })
	}
	return order
}
