package main

import (
	"fmt"
	"os"
	"strings"
)

// readPrompts returns the prompts to answer: one, or those of a file of many.
func (r *runCommand) readPrompts(c *console) ([]string, error) {
	if r.Prompt != nil {
		text, err := readText(c, *r.Prompt)
		return []string{text}, err
	}
	if r.File != "" {
		data, err := os.ReadFile(r.File)
		return []string{string(data)}, err
	}
	data, err := os.ReadFile(r.Prompts)
	if err != nil {
		return nil, err
	}
	prompts := splitPrompts(string(data))
	if len(prompts) == 0 {
		return nil, fmt.Errorf("%s holds no prompt; write prompts with a line of --- between each two", r.Prompts)
	}
	return prompts, nil
}

// splitPrompts splits a text at lines of ---. What lies between is taken as it is, the end of its last line included;
// empty parts are left out.
func splitPrompts(text string) []string {
	var prompts []string
	start := 0
	add := func(end int) {
		if end > start {
			prompts = append(prompts, text[start:end])
		}
	}
	for at := 0; at < len(text); {
		line := text[at:]
		if n := strings.IndexByte(line, '\n'); n >= 0 {
			line = line[:n+1]
		}
		if strings.TrimRight(line, " \t\r\n") == "---" {
			add(at)
			start = at + len(line)
		}
		at += len(line)
	}
	add(len(text))
	return prompts
}
