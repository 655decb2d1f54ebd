package main

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestSplitPrompts(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       []string
	}{
		{"nothing", "", nil},
		{"one", "a\nb\n", []string{"a\nb\n"}},
		{"one without line break", "a", []string{"a"}},
		{"two", "a\n---\nb", []string{"a\n", "b"}},
		{"separators at the ends", "---\na\n---\n", []string{"a\n"}},
		{"empty parts", "a\n---\n---\nb\n", []string{"a\n", "b\n"}},
		{"an empty line is a prompt", "a\n---\n\n---\nb\n", []string{"a\n", "\n", "b\n"}},
		{"spaces and CRLF after it", "a\r\n--- \r\nb", []string{"a\r\n", "b"}},
		{"last line without line break", "a\n---", []string{"a\n"}},
		{"no separators", "----\n ---\n--- x\n-- -\n", []string{"----\n ---\n--- x\n-- -\n"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var want []prompt
			for _, text := range c.want {
				want = append(want, prompt{text, 0})
			}
			got, err := splitPrompts(c.text)
			require.NoError(t, err)
			assert.Equal(t, want, got)
		})
	}
}

func TestPromptPriorities(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       []prompt
		err        string
	}{
		{"of the one below", "a\n--- priority=5\nb\n---\nc\n", []prompt{{"a\n", 0}, {"b\n", 5}, {"c\n", 0}}, ""},
		{"of the first", "--- priority=-2\na\n", []prompt{{"a\n", -2}}, ""},
		{"the last line before it counts", "--- priority=1\n--- priority=2\na", []prompt{{"a", 2}}, ""},
		{"of none", "a\n--- priority=1", []prompt{{"a\n", 0}}, ""},
		{"blanks, a sign and CRLF", "---\t priority=+7 \r\na", []prompt{{"a", 7}}, ""},
		{"text that looks alike", "---priority=1\n--- a/priority.go\n", []prompt{{"---priority=1\n--- a/priority.go\n", 0}}, ""},
		{"no number", "a\n--- priority=high\nb\n", nil, `line 2: "--- priority=high" gives no priority; write a whole number, as --- priority=5`},
		{"a fraction", "--- priority=1.5\nb\n", nil, `line 1: "--- priority=1.5"`},
		{"too large", "--- priority=99999999999999999999\nb\n", nil, `line 1: "--- priority=99999999999999999999"`},
		{"no equals sign", "\n\n--- priority 5\nb\n", nil, `line 3: "--- priority 5"`},
		{"two", "--- priority=5 priority=6\nb\n", nil, `line 1: "--- priority=5 priority=6"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := splitPrompts(c.text)
			assert.Equal(t, c.want, got)
			if c.err == "" {
				assert.NoError(t, err)
			} else {
				assert.ErrorContains(t, err, c.err)
			}
		})
	}
}

func TestPromptOrder(t *testing.T) {
	prompts := []prompt{{"a", 0}, {"b", 2}, {"c", -1}, {"d", 2}, {"e", 3}}
	assert.Equal(t, []int{0, 1, 2, 3, 4}, (&runCommand{Policy: "fcfs"}).order(prompts))
	assert.Equal(t, []int{4, 1, 3, 0, 2}, (&runCommand{Policy: "priority"}).order(prompts))
}
