package main

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// Fakes take the tools' command lines, write the output file, and refuse a shader whose name has "bad" in it. They use
// shell builtins only: PATH holds nothing else.
const (
	fakeNaga = `
[ "$1" = --version ] && { echo 30.0.1; exit; }
for a; do in=$out out=$a; done # the last two arguments
case $in in *bad*) echo "Could not parse WGSL:" >&2; echo "error: no such thing" >&2; exit 1;; esac
case $in$out in *narrow*.hlsl) echo "hlsl cannot say this" >&2; exit 1;; esac
case $in in *silent*) exit 3;; *nothing*) exit 0;; esac
echo made by naga >"$out"
`
	fakeTint = `
[ "$1" = --help ] && { echo "--format <none|FORMATS|ir>  Output format."; exit; }
[ "$1$3" = --format-o ] || { echo "unknown flag $*"; exit 2; }
case $5 in *bad*) echo "bad.wgsl:1:1 error: no such thing"; exit 1;; esac
[ "$4" = /dev/null ] || echo made by tint "$2" >"$4"
`
	fakeNode = `
[ "$1" = -p ] && { echo 0.6.2; exit; }
case $4 in *bad*) echo "1:1 error: no such thing"; exit 1;; esac
`
	nodeWithoutDawn = `[ "$1" = -p ] && exit 1`
)

func TestRun(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the fake tools are shell scripts")
	}
	tint := func(formats string) string { return strings.Replace(fakeTint, "FORMATS", formats, 1) }
	tests := []struct {
		name    string
		tools   map[string]string
		shaders []string
		out     string // the whole output, DIR and OUT standing for the folders
		err     string
		files   []string // made in the -o folder
	}{
		{
			name:    "no tool",
			shaders: []string{"a"},
			out: `shaders: 1
  naga: not installed; skipped (cargo install naga-cli)
  tint: not installed; skipped (Dawn's command line tool; Debian package tint-tools)
  dawn: not installed; skipped (Tint in Node.js: npm install webgpu, and its node_modules in NODE_PATH)
`,
		},
		{
			name:    "all well",
			tools:   map[string]string{"naga": fakeNaga, "tint": tint("spirv|spvasm|wgsl|msl|hlsl"), "node": fakeNode},
			shaders: []string{"a", "b"},
			out: `shaders: 2
  naga 30.0.1: msl 2 ok, hlsl 2 ok, spv 2 ok
  tint: msl 2 ok, hlsl 2 ok, spv 2 ok
  dawn 0.6.2: valid 2 ok
`,
			files: []string{
				"hlsl/a.naga.hlsl", "hlsl/a.tint.hlsl", "hlsl/b.naga.hlsl", "hlsl/b.tint.hlsl",
				"msl/a.naga.metal", "msl/a.tint.metal", "msl/b.naga.metal", "msl/b.tint.metal",
				"spv/a.naga.spv", "spv/a.tint.spv", "spv/b.naga.spv", "spv/b.tint.spv",
			},
		},
		{
			name:    "tint that writes only WGSL; node without Dawn",
			tools:   map[string]string{"tint": tint("wgsl"), "node": nodeWithoutDawn},
			shaders: []string{"a"},
			out: `shaders: 1
  naga: not installed; skipped (cargo install naga-cli)
  tint: wgsl 1 ok (this build writes no msl, hlsl, spirv)
  dawn: not installed; skipped (Tint in Node.js: npm install webgpu, and its node_modules in NODE_PATH)
`,
		},
		{
			name:    "refused",
			tools:   map[string]string{"naga": fakeNaga, "tint": tint("spirv|wgsl"), "node": fakeNode},
			shaders: []string{"bad", "good", "narrow", "silent"},
			out: `shaders: 4
  naga 30.0.1: msl 2 ok 2 FAILED, hlsl 1 ok 3 FAILED, spv 2 ok 2 FAILED
  tint: spv 3 ok 1 FAILED (this build writes no msl, hlsl)
  dawn 0.6.2: valid 3 ok 1 FAILED
FAIL naga, msl+hlsl+spv: DIR/bad.wgsl
    Could not parse WGSL:
    error: no such thing
FAIL naga, hlsl: DIR/narrow.wgsl
    hlsl cannot say this
FAIL naga, msl+hlsl+spv: DIR/silent.wgsl
    exit status 3
FAIL tint, spv: DIR/bad.wgsl
    bad.wgsl:1:1 error: no such thing
FAIL dawn, valid: DIR/bad.wgsl
    1:1 error: no such thing
`,
			err: "3 of 4 shaders refused",
			files: []string{
				"hlsl/good.naga.hlsl", "msl/good.naga.metal", "msl/narrow.naga.metal",
				"spv/good.naga.spv", "spv/good.tint.spv", "spv/narrow.naga.spv", "spv/narrow.tint.spv",
				"spv/silent.tint.spv",
			},
		},
		{
			name:    "says it went well but writes nothing",
			tools:   map[string]string{"naga": fakeNaga},
			shaders: []string{"nothing"},
			out: `shaders: 1
  naga 30.0.1: msl 0 ok 1 FAILED, hlsl 0 ok 1 FAILED, spv 0 ok 1 FAILED
  tint: not installed; skipped (Dawn's command line tool; Debian package tint-tools)
  dawn: not installed; skipped (Tint in Node.js: npm install webgpu, and its node_modules in NODE_PATH)
FAIL naga, msl: DIR/nothing.wgsl
    stat OUT/msl/nothing.naga.metal: no such file or directory
FAIL naga, hlsl: DIR/nothing.wgsl
    stat OUT/hlsl/nothing.naga.hlsl: no such file or directory
FAIL naga, spv: DIR/nothing.wgsl
    stat OUT/spv/nothing.naga.spv: no such file or directory
`,
			err: "1 of 1 shaders refused",
		},
		{
			name:  "no shaders",
			tools: map[string]string{"naga": fakeNaga},
			err:   "DIR: no .wgsl files; the tests compile none without an adapter (make setup)",
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			bin, dir, made := t.TempDir(), t.TempDir(), t.TempDir()
			t.Setenv("PATH", bin)
			for name, script := range test.tools {
				write(t, filepath.Join(bin, name), "#!/bin/sh\n"+script)
			}
			for _, name := range test.shaders {
				write(t, filepath.Join(dir, name+".wgsl"), "@compute @workgroup_size(1) fn main() {}\n")
			}
			var out strings.Builder
			var message string
			if err := run(&out, dir, made, 2); err != nil {
				message = err.Error()
			}
			if got := strings.NewReplacer(dir, "DIR", made, "OUT").Replace(out.String()); got != test.out {
				t.Errorf("output\n%swant\n%s", got, test.out)
			}
			if got := strings.ReplaceAll(message, dir, "DIR"); got != test.err {
				t.Errorf("error %q, want %q", got, test.err)
			}
			files, _ := filepath.Glob(filepath.Join(made, "*", "*"))
			for i := range files {
				files[i], _ = filepath.Rel(made, files[i])
			}
			if got, want := strings.Join(files, "\n"), strings.Join(test.files, "\n"); got != want {
				t.Errorf("files\n%s\nwant\n%s", got, want)
			}
		})
	}
}

// TestInstalled runs the tools this machine has on one good and one bad shader.
func TestInstalled(t *testing.T) {
	good, bad := t.TempDir(), t.TempDir()
	const head = "@group(0) @binding(0) var<storage, read_write> y: array<f32>;\n@compute @workgroup_size(1) "
	write(t, filepath.Join(good, "good.wgsl"), head+"fn main() { y[0] = 1.0; }\n")
	write(t, filepath.Join(bad, "bad.wgsl"), head+"fn main() { y[0] = 1u; }\n")
	var found int
	for _, e := range frontEnds {
		if _, err := e.find(); err == nil {
			found++
		}
	}
	if found == 0 {
		t.Skip("no front end is installed")
	}
	var out strings.Builder
	if err := run(&out, good, t.TempDir(), 1); err != nil {
		t.Errorf("good shader: %v\n%s", err, &out)
	}
	out.Reset()
	if err := run(&out, bad, t.TempDir(), 1); err == nil || strings.Count(out.String(), "\nFAIL ") != found {
		t.Errorf("bad shader: %v; want a failure of each of %d tools\n%s", err, found, &out)
	}
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
}
