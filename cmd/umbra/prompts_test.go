package main

import (
	"testing"

	"github.com/stretchr/testify/assert"
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
		t.Run(c.name, func(t *testing.T) { assert.Equal(t, c.want, splitPrompts(c.text)) })
	}
}
