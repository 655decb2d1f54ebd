package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestDeployFlags: every call of umbra in docs/deploy is one that it understands, and so is every variable.
func TestDeployFlags(t *testing.T) {
	read := func(name string) string {
		data, err := os.ReadFile(filepath.Join("../../docs/deploy", name))
		require.NoError(t, err)
		return string(data)
	}
	parse := func(args ...string) {
		t.Helper()
		_, err := commandLine(t, &config{}).Parse(args)
		assert.NoError(t, err, args)
	}

	var args []string // of the container: the list of plain texts below args
	_, list, found := strings.Cut(read("kubernetes/umbra.yaml"), "          args:\n")
	require.True(t, found)
	for line := range strings.Lines(list) {
		arg, is := strings.CutPrefix(line, "            - ")
		if !is {
			break
		}
		args = append(args, strings.TrimSpace(arg))
	}
	require.Greater(t, len(args), 5)
	parse(args...)

	container := read("Containerfile")
	var command []string
	for _, m := range regexp.MustCompile(`"([^"]+)"`).FindAllStringSubmatch(container[strings.LastIndex(container, "\nCMD"):], -1) {
		command = append(command, m[1])
	}
	require.NotEmpty(t, command)
	parse(command...)
	_, example, found := strings.Cut(container, "-v ./models:/models:ro umbra ")
	require.True(t, found)
	line, _, _ := strings.Cut(example, "\n")
	parse(strings.Fields(line)...)

	unit := read("umbra.service")
	start := regexp.MustCompile(`(?m)^ExecStart=/usr/local/bin/umbra (.*)$`).FindStringSubmatch(unit)
	require.NotNil(t, start)
	variables := regexp.MustCompile(`(?m)^Environment=(UMBRA_\w+)=(.*)$`).FindAllStringSubmatch(unit, -1)
	require.NotEmpty(t, variables)
	flags := map[string]bool{}
	for _, command := range commandLine(t, &config{}).Model.Children {
		if command.Name == "serve" {
			for _, f := range flagsOf(command) {
				flags["UMBRA_"+strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))] = true
			}
		}
	}
	for _, v := range variables {
		assert.True(t, flags[v[1]], v[1])
		t.Setenv(v[1], v[2])
	}
	parse(strings.Fields(start[1])...)
}
