// Command umbra runs language models on any GPU that WebGPU reaches.
//
// Exit status: 0 all went well, 1 an error, 2 wrong usage, 130 interrupted.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/alecthomas/kong"

	"umbra/model/quant/mix"
)

// Exit statuses.
const (
	exitOK          = 0
	exitError       = 1
	exitUsage       = 2
	exitInterrupted = 130 // 128 + SIGINT, as shells have it
)

// errInterrupted ends a command that was told to stop and has said all it had to say.
var errInterrupted = errors.New("interrupted")

// usageError is a call that no input could make right; its text says what would.
type usageError string

func (e usageError) Error() string { return string(e) }

// console is where a command reads and writes. Answers go to out, all that is said about them to err.
type console struct {
	in       io.Reader
	out, err io.Writer
}

func main() {
	os.Exit(run(os.Args[1:], &console{in: os.Stdin, out: os.Stdout, err: os.Stderr}))
}

// run runs a command line and returns the exit status.
func run(args []string, c *console) int {
	var commands cli
	helped := false
	file, err := readConfig()
	if err != nil {
		return fail(c, err, "umbra")
	}
	parser, err := kong.New(&commands,
		kong.Name("umbra"),
		kong.Description(description),
		kong.Writers(c.out, c.err),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 100}),
		kong.Exit(func(int) { helped = true }), // --help; kong goes on parsing, run doesn't
		kong.Bind(c),
		kong.DefaultEnvars("UMBRA"),
		kong.Resolvers(file),
		kong.Vars{"mixes": strings.Join(mix.Names(), ", "), "samplers": orderText()},
	)
	if err != nil {
		panic(err) // a malformed struct tag of ours
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	parsed, err := parser.Parse(args)
	if helped {
		return exitOK
	}
	if err != nil {
		return fail(c, usageError(err.Error()), "umbra"+commandOf(err))
	}
	return fail(c, parsed.Run(), parsed.Selected().FullPath())
}

// commandOf is the command, after a space, within which parsing failed; "" if none was reached.
func commandOf(err error) string {
	var p *kong.ParseError
	if errors.As(err, &p) && p.Context != nil && p.Context.Selected() != nil {
		return " " + p.Context.Selected().Name
	}
	return ""
}

// fail says what went wrong, if anything did, and returns the exit status.
func fail(c *console, err error, command string) int {
	var usage usageError
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, errInterrupted):
		return exitInterrupted
	case errors.As(err, &usage):
		fmt.Fprintf(c.err, "umbra: %s\nsee `%s --help`\n", usage, command)
		return exitUsage
	}
	fmt.Fprintf(c.err, "umbra: %s\n", trimPrefix(err.Error()))
	return exitError
}
