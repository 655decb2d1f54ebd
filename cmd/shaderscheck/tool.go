package main

import (
	"context"
	_ "embed"
	"errors"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"time"
)

// A tool is a front end found on this machine.
type tool struct {
	name    string
	version string
	note    string   // said in the summary
	targets []target // what to make of each shader, at least one
	// args is the command line that makes a target of the shader `in`; it writes `out` unless the target has no ext.
	args func(t target, in, out string) []string
}

// A target is a language that a tool translates to.
type target struct {
	name string // also the folder of the translations
	ext  string // empty where nothing is kept: the tool only validates
	flag string // the tool's own word for it
}

// A frontEnd is a tool that may be installed.
type frontEnd struct {
	name    string
	install string // how to get it
	find    func() (tool, error)
}

var errAbsent = errors.New("not installed")

var frontEnds = []frontEnd{
	{"naga", "cargo install naga-cli", findNaga},
	{"tint", "Dawn's command line tool; Debian package tint-tools", findTint},
	{"dawn", "Tint in Node.js: npm install webgpu, and its node_modules in NODE_PATH", findDawn},
}

// findNaga finds wgpu's naga, newer than the one umbra runs on. Targets are chosen by the ending of the output's name.
// Shader model 5.1 is what Direct3D 12 always has; Metal 2.4 is that of macOS 12.
func findNaga() (tool, error) {
	path, err := exec.LookPath("naga")
	if err != nil {
		return tool{}, errAbsent
	}
	return tool{
		name:    "naga",
		version: firstLine(output(path, "--version")),
		targets: []target{{name: "msl", ext: "metal"}, {name: "hlsl", ext: "hlsl"}, {name: "spv", ext: "spv"}},
		args: func(_ target, in, out string) []string {
			return []string{path, "--shader-model", "51", "--metal-version", "2.4", in, out}
		},
	}, nil
}

var tintFormats = regexp.MustCompile(`--format <([^>]*)>`)

// findTint finds Tint. Its builds differ in what they write, which --help tells; one that writes none of our targets
// writes WGSL again, which validates all the same.
func findTint() (tool, error) {
	path, err := exec.LookPath("tint")
	if err != nil {
		return tool{}, errAbsent
	}
	t := tool{name: "tint", args: func(t target, in, out string) []string {
		if t.ext == "" {
			out = os.DevNull
		}
		return []string{path, "--format", t.flag, "-o", out, in}
	}}
	var formats []string
	if m := tintFormats.FindStringSubmatch(output(path, "--help")); m != nil {
		formats = strings.Split(m[1], "|")
	}
	var lacks []string
	for _, g := range []target{{"msl", "metal", "msl"}, {"hlsl", "hlsl", "hlsl"}, {"spv", "spv", "spirv"}} {
		if slices.Contains(formats, g.flag) {
			t.targets = append(t.targets, g)
		} else {
			lacks = append(lacks, g.flag)
		}
	}
	if len(lacks) > 0 {
		t.note = "this build writes no " + strings.Join(lacks, ", ")
	}
	if len(t.targets) == 0 {
		t.targets = []target{{name: "wgsl", flag: "wgsl"}}
	}
	return t, nil
}

//go:embed dawn.js
var dawnScript string

// findDawn finds Dawn for Node.js, whose null backend validates on any machine.
func findDawn() (tool, error) {
	path, err := exec.LookPath("node")
	if err != nil {
		return tool{}, errAbsent
	}
	version := output(path, "-p", `require(require.resolve("webgpu").replace(/[^\\/]*$/, "package.json")).version`)
	if version == "" {
		return tool{}, errAbsent
	}
	return tool{
		name:    "dawn",
		version: firstLine(version),
		targets: []target{{name: "valid"}},
		args:    func(_ target, in, _ string) []string { return []string{path, "-e", dawnScript, "--", in} },
	}, nil
}

// output is what a command prints, or nothing if it fails.
func output(args ...string) string {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, args[0], args[1:]...).Output()
	if err != nil {
		return ""
	}
	return string(out)
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(s), "\n")
	return line
}
