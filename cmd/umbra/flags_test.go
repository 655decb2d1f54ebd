package main

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// commandLine is umbra's, with what a file of flags says.
func commandLine(t *testing.T, file *config) *kong.Kong {
	t.Helper()
	var commands cli
	k, err := kong.New(&commands, append(settings(file, &console{out: io.Discard, err: io.Discard}), kong.Exit(func(int) {}))...)
	require.NoError(t, err)
	return k
}

// valueOf is a text that a flag takes and that is not its default.
func valueOf(f *kong.Flag) string {
	switch {
	case f.Enum != "":
		for _, v := range strings.Split(f.Enum, ",") {
			if v != f.Default {
				return v
			}
		}
	case f.IsBool():
		return "true"
	case f.Name == "logit-bias":
		return "5=1.5"
	case f.Name == "samplers":
		return "top_k"
	case f.Name == "prompt-len", f.Name == "output-len":
		return "fixed:7"
	case f.Target.Kind().String() == "int64" && strings.Contains(f.Target.Type().String(), "Duration"):
		return "7s"
	}
	return "7"
}

// TestEveryFlag: each flag of each command has a variable of the environment and a name in the file of flags, and both reach it.
func TestEveryFlag(t *testing.T) {
	count := 0
	root := commandLine(t, &config{}).Model
	for _, command := range root.Children {
		for _, flag := range flagsOf(command) {
			if flag.Name == "help" {
				continue
			}
			count++
			name := command.Name + " --" + flag.Name
			variable := "UMBRA_" + strings.ToUpper(strings.ReplaceAll(flag.Name, "-", "_"))
			require.Equal(t, []string{variable}, flag.Envs, name)
			want := valueOf(flag)
			value := func(file *config) any {
				var found any
				k := commandLine(t, file)
				c, err := kong.Trace(k, arguments(command))
				require.NoError(t, err, name)
				require.NoError(t, c.Reset(), name)
				require.NoError(t, c.Resolve(), name)
				for _, f := range c.Flags() {
					if f.Name == flag.Name {
						found = c.FlagValue(f)
					}
				}
				return found
			}
			before := value(&config{})
			t.Setenv(variable, want)
			environment := value(&config{})
			os.Unsetenv(variable)
			assert.NotEqual(t, before, environment, "%s by %s=%s", name, variable, want)
			raw, _ := json.Marshal(want)
			for _, content := range []string{`{"` + flag.Name + `": ` + string(raw) + `}`, `{"` + command.Name + `": {"` + flag.Name + `": ` + string(raw) + `}}`} {
				path := filepath.Join(t.TempDir(), "config.json")
				require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
				t.Setenv("UMBRA_CONFIG", path)
				file, err := readConfig()
				require.NoError(t, err)
				assert.Equal(t, environment, value(file), "%s by %s", name, content)
			}
		}
	}
	assert.Greater(t, count, 100)
}

// arguments are a command with what it cannot do without.
func arguments(command *kong.Node) []string {
	all := []string{command.Name}
	for _, p := range command.Positional {
		if p.Required {
			word := "x"
			if p.Enum != "" {
				word, _, _ = strings.Cut(p.Enum, ",")
			}
			all = append(all, word)
		}
	}
	return all
}

// TestHelp: each command's --help has examples, that begin with the command, and describes each flag.
func TestHelp(t *testing.T) {
	for _, command := range commandLine(t, &config{}).Model.Children {
		var out bytes.Buffer
		require.Equal(t, exitOK, run([]string{command.Name, "--help"}, &console{out: &out, err: io.Discard}))
		_, examples, found := strings.Cut(out.String(), "Examples:")
		require.True(t, found, command.Name)
		assert.Contains(t, examples, "umbra "+command.Name, command.Name)
		for _, f := range flagsOf(command) {
			assert.NotEmpty(t, f.Help, "%s --%s", command.Name, f.Name)
		}
	}
}

// TestLog: messages and errors go to standard error as the flags of all commands say.
func TestLog(t *testing.T) {
	t.Setenv("UMBRA_CONFIG", "")
	for _, c := range []struct {
		args string
		want string
	}{
		{"tokenize -m /no/such --log-format text x", "umbra: gguf: /no/such"},
		{"tokenize -m /no/such --log-format json x", `"level":"ERROR","msg":"gguf: /no/such`},
		{"--log-format json tokenize -m /no/such x", `"level":"ERROR","msg":"gguf: /no/such`},
		{"tokenize -m /no/such --log-format none x", "umbra: gguf: /no/such"},
		{"tokenize --log-level loud x", `--log-level must be one of "debug","info","warn","error" but got "loud"`},
	} {
		var said bytes.Buffer
		require.NotZero(t, run(strings.Fields(c.args), &console{out: io.Discard, err: &said}), c.args)
		assert.Contains(t, said.String(), c.want, c.args)
	}
	var said bytes.Buffer
	c := &console{err: &said}
	logFlags{"text", "warn"}.apply(c)
	c.say("left out")
	c.warn("%d of %d", 1, 2)
	logFlags{"json", "info"}.apply(c)
	c.say("told")
	c.hush()
	c.warn("left out")
	logFlags{"text", "info"}.apply(c)
	c.log.Info("request", "status", 200)
	assert.Regexp(t, `^umbra: 1 of 2\n\{"time":"[^"]+","level":"INFO","msg":"told"\}\ntime=\S+ level=INFO msg=request status=200\n$`, said.String())
}

// TestNoColour: nothing that is written has escape sequences, whatever NO_COLOR says.
func TestNoColour(t *testing.T) {
	for _, no := range []string{"", "1"} {
		t.Setenv("NO_COLOR", no)
		for _, args := range [][]string{{"--help"}, {"run", "--help"}, {"version"}, {"devices"}, {"walk"}} {
			var out, said bytes.Buffer
			run(args, &console{out: &out, err: &said})
			assert.NotContains(t, out.String()+said.String(), "\x1b", args)
		}
	}
}
