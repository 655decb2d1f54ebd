//go:build !windows

package main

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/creack/pty"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"umbra/internal/parrot"
)

// terminal is a program at a terminal, and somebody who types.
type terminal struct {
	t     *testing.T
	cmd   *exec.Cmd
	keys  *os.File
	mu    sync.Mutex
	shown bytes.Buffer
	read  int // of shown, what has been waited for
}

// atTerminal starts umbra at a terminal of its own, whose caches are in a folder.
func atTerminal(t *testing.T, folder string, args ...string) *terminal {
	t.Helper()
	path, err := exec.LookPath("umbra") // where testscript.Main has put it
	require.NoError(t, err)
	cache, err := os.UserCacheDir()
	require.NoError(t, err)
	x := &terminal{t: t, cmd: exec.Command(path, args...)}
	x.cmd.Env = append(os.Environ(), "TERM=xterm", "XDG_CACHE_HOME="+folder, "MESA_SHADER_CACHE_DIR="+cache, "UMBRA_CONFIG=", "UMBRA_TUNE=off")
	x.keys, err = pty.StartWithSize(x.cmd, &pty.Winsize{Rows: 24, Cols: 120})
	require.NoError(t, err)
	t.Cleanup(func() {
		x.cmd.Process.Kill()
		x.keys.Close()
	})
	go func() {
		b := make([]byte, 4096)
		for {
			n, err := x.keys.Read(b)
			x.mu.Lock()
			x.shown.Write(b[:n])
			x.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	return x
}

// wait waits until texts appear one after the other, behind what was waited for before.
func (x *terminal) wait(texts ...string) {
	x.t.Helper()
	for _, text := range texts {
		for began := time.Now(); ; time.Sleep(2 * time.Millisecond) {
			x.mu.Lock()
			at, rest := strings.Index(x.shown.String()[x.read:], text), x.shown.String()[x.read:]
			x.mu.Unlock()
			if at >= 0 {
				x.read += at + len(text)
				break
			}
			require.Less(x.t, time.Since(began), time.Minute, "%q does not appear in %q", text, rest)
		}
	}
}

// types presses keys.
func (x *terminal) types(keys string) {
	x.t.Helper()
	_, err := io.WriteString(x.keys, keys)
	require.NoError(x.t, err)
}

// line enters a line and waits for texts, and for the next prompt.
func (x *terminal) line(text string, wants ...string) {
	x.t.Helper()
	x.types(text + enter)
	x.wait(append(wants, "> ")...)
}

// ends waits for the program's end.
func (x *terminal) ends(status int) {
	x.t.Helper()
	ended := make(chan error, 1)
	go func() { ended <- x.cmd.Wait() }()
	select {
	case <-ended:
		assert.Equal(x.t, status, x.cmd.ProcessState.ExitCode())
	case <-time.After(time.Minute):
		x.t.Fatal("it does not end")
	}
}

// Keys, as terminals send them.
const (
	enter = "\r"
	up    = "\x1b[A"
	ctrlC = "\x03"
	ctrlD = "\x04"
)

// TestChatTerminal talks with a model as people do.
func TestChatTerminal(t *testing.T) {
	if _, ok := adapterKind(); !ok {
		t.Skip("no adapter")
	}
	dir := t.TempDir()
	model, talk := filepath.Join(dir, "parrot.gguf"), filepath.Join(dir, "talk.json")
	require.NoError(t, os.WriteFile(model, parrot.GGUF(), 0o600))
	x := atTerminal(t, dir, "chat", "-m", model, "--ctx", "200", "--max-tokens", "20")
	x.wait("/help lists commands", "> ")
	x.line("Hi", parrot.Greeting)
	x.types(`one \` + enter)
	x.wait("... ")
	x.line("two", parrot.Greeting)
	x.types(`"""` + enter)
	x.wait("... ")
	x.types("three" + enter)
	x.wait("... ")
	x.line(`four"""`, parrot.Greeting)
	x.line("/stats", "answer 6 tokens", "context")
	x.line(up, "answer 6 tokens") // the line before, from the history
	x.line(up+up, parrot.Greeting)
	x.line("/save "+talk, "> ")
	x.line("/system Be kind.")
	x.line("/system", "Be kind.")
	x.line("/regen", parrot.Greeting)
	x.line("/set max-tokens 2", "> ")
	x.line("Hi", "stopped after 2 tokens")
	x.line("/set nonsense 1", "there is no setting nonsense")
	x.line("/clear")
	x.line("/regen", "there is no answer to make again")
	x.line("/load "+talk, "8 messages")

	x.types("never sent" + ctrlC) // gives the line up, and not the program
	x.wait("> ")
	x.line(strings.Repeat("long ", 40), "leaves too little room in a context of 200; /clear begins anew, /set shift on leaves the oldest out")
	x.line("/set shift on")
	x.line("/set max-tokens 20")
	x.line(strings.Repeat("y", 70), parrot.Greeting)
	x.line(strings.Repeat("y", 70), "the oldest is left out", parrot.Greeting)
	x.types(ctrlD)
	x.ends(exitOK)

	data, err := os.ReadFile(filepath.Join(dir, "umbra", "chat_history"))
	require.NoError(t, err)
	assert.Contains(t, string(data), "\n/stats\n")
	y := atTerminal(t, dir, "chat", "-m", model)
	y.wait("> ")
	y.line(up+up+up+up, "> long long", parrot.Greeting) // a line of the last session
	y.types("/quit" + enter)
	y.ends(exitOK)
}

// TestChatInterrupted: Ctrl-C stops an answer and not the program, and the next is answered.
func TestChatInterrupted(t *testing.T) {
	if _, ok := adapterKind(); !ok {
		t.Skip("no adapter")
	}
	x := atTerminal(t, t.TempDir(), "chat", "-m", "../../testdata/gopher-draft-4m-q8_0.gguf", "--ctx", "1024", "--max-tokens", "1000", "--logit-bias", "1=-inf")
	x.wait("no chat template", "> ")
	x.types("package main // import fmt" + enter)
	x.wait("\n", "\n", "\n") // an answer of several lines has begun
	x.types(ctrlC)
	x.wait("umbra: stopped", "> ")
	x.line("/stats", "answer", "cancelled")
	x.line("/set max-tokens 3")
	x.line("func main() {", "stopped after 3 tokens")
	x.types(ctrlD)
	x.ends(exitOK)
}
