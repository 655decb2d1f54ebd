package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"umbra/model/gguf"
	"umbra/model/tokenizer"
	"umbra/testdata"
)

// environment is the key under which a script keeps the environment it began with.
type environmentKey struct{}

var environment environmentKey

// statusCommand runs a command and checks its exit status.
func statusCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: status N command args...")
	}
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			ts.Fatalf("%v", err)
		}
		got = exit.ExitCode()
	}
	if strconv.Itoa(got) != args[0] {
		ts.Fatalf("exit status %d, want %s", got, args[0])
	}
}

// interruptCommand starts a command, interrupts it when it has written something, and expects the status of the
// interrupted.
func interruptCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 {
		ts.Fatalf("usage: interrupt command args...")
	}
	path, _, _ := strings.Cut(ts.Getenv("PATH"), string(os.PathListSeparator)) // where testscript has put the commands
	cmd := exec.Command(filepath.Join(path, args[0]), args[1:]...)
	cmd.Dir = ts.MkAbs(".")
	cmd.Env = ts.Value(environment).([]string)
	cmd.Stderr = ts.Stderr()
	out, err := cmd.StdoutPipe()
	ts.Check(err)
	ts.Check(cmd.Start())
	watchdog := time.AfterFunc(time.Minute, func() { cmd.Process.Kill() })
	defer watchdog.Stop()
	var first [1]byte
	if _, err := io.ReadFull(out, first[:]); err != nil {
		cmd.Wait()
		ts.Fatalf("no output to interrupt: %v", err)
	}
	ts.Check(cmd.Process.Signal(os.Interrupt))
	rest, err := io.ReadAll(out)
	ts.Check(err)
	err = cmd.Wait()
	fmt.Fprintf(ts.Stdout(), "%s%s", first[:], rest)
	if got := cmd.ProcessState.ExitCode(); got != exitInterrupted {
		ts.Fatalf("exit status %d (%v), want %d", got, err, exitInterrupted)
	}
}

// truncateCommand cuts a file short.
func truncateCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: truncate file n")
	}
	n, err := strconv.ParseInt(args[1], 10, 64)
	ts.Check(err)
	ts.Check(os.Truncate(ts.MkAbs(args[0]), n))
}

// writeOracle writes each of the oracle's prompts and its continuation to a folder, as text.
func writeOracle(dir string) error {
	data, err := os.ReadFile("../../testdata/oracle/gopher-greedy.json")
	if err != nil {
		return err
	}
	var all []struct {
		Prompt string
		IDs    []int32
	}
	if err := json.Unmarshal(data, &all); err != nil || testdata.Gopher() == nil {
		return err
	}
	f, err := gguf.Parse(testdata.Gopher())
	if err != nil {
		return err
	}
	tok, err := tokenizer.New(f)
	if err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	for i, o := range all {
		base := filepath.Join(dir, strconv.Itoa(i))
		if err := os.WriteFile(base+".prompt", []byte(o.Prompt), 0o644); err != nil {
			return err
		}
		if err := os.WriteFile(base+".want", []byte(tok.Decode(o.IDs)), 0o644); err != nil {
			return err
		}
	}
	return nil
}
