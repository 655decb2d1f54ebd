package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

const (
	timeout     = time.Minute // for one shader; front ends take milliseconds
	shownLines  = 8           // of each failure's message
	shownErrors = 20          // failures told in full
)

// A failure is a shader that a tool refused, for one target or, with the same words, for several.
type failure struct {
	tool    string
	targets []string
	shader  string // file
	message string
}

// check makes every target of every shader, jobs at a time, and returns the failures in the order of the shaders.
func check(t tool, shaders []string, out string, jobs int) ([]failure, error) {
	for _, g := range t.targets {
		if g.ext == "" {
			continue
		}
		if err := os.MkdirAll(filepath.Join(out, g.name), 0o755); err != nil {
			return nil, err
		}
	}
	messages := make([][]string, len(shaders)) // [shader][target], empty where all went well
	next := make(chan int)
	var workers sync.WaitGroup
	for range jobs {
		workers.Go(func() {
			for i := range next {
				for _, g := range t.targets {
					messages[i] = append(messages[i], translate(t, g, shaders[i], out))
				}
			}
		})
	}
	for i := range shaders {
		next <- i
	}
	close(next)
	workers.Wait()

	var failures []failure
	for i, shader := range shaders {
		failures = append(failures, group(t, shader, messages[i])...)
	}
	return failures, nil
}

// group joins the targets of one shader that failed with the same message.
func group(t tool, shader string, messages []string) []failure {
	var failures []failure
next:
	for i, m := range messages {
		if m == "" {
			continue
		}
		for j := range failures {
			if failures[j].message == m {
				failures[j].targets = append(failures[j].targets, t.targets[i].name)
				continue next
			}
		}
		failures = append(failures, failure{t.name, []string{t.targets[i].name}, shader, m})
	}
	return failures
}

// translate runs the tool once and returns what it had to say if it failed.
func translate(t tool, g target, shader, out string) string {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	base := strings.TrimSuffix(filepath.Base(shader), ".wgsl")
	made := filepath.Join(out, g.name, base+"."+t.name+"."+g.ext)
	_ = os.Remove(made) // an earlier run's
	args := t.args(g, shader, made)
	said, err := exec.CommandContext(ctx, args[0], args[1:]...).CombinedOutput()
	if err == nil && g.ext != "" {
		_, err = os.Stat(made)
	}
	if err == nil {
		return ""
	}
	if ctx.Err() != nil {
		err = fmt.Errorf("no answer within %v", timeout)
	}
	text := strings.TrimSpace(string(said))
	if exit := (*exec.ExitError)(nil); text == "" || !errors.As(err, &exit) || exit.ExitCode() < 0 {
		text = strings.TrimSpace(err.Error() + "\n" + text) // killed, crashed or silent
	}
	return text
}

// summarise writes a tool's line: how many shaders went well for each target.
func summarise(w io.Writer, t tool, shaders int, failures []failure) {
	failed := map[string]int{}
	for _, f := range failures {
		for _, g := range f.targets {
			failed[g]++
		}
	}
	var counts []string
	for _, g := range t.targets {
		s := fmt.Sprintf("%s %d ok", g.name, shaders-failed[g.name])
		if n := failed[g.name]; n > 0 {
			s += fmt.Sprintf(" %d FAILED", n)
		}
		counts = append(counts, s)
	}
	name := strings.TrimSpace(t.name + " " + t.version)
	line := fmt.Sprintf("  %s: %s", name, strings.Join(counts, ", "))
	if t.note != "" {
		line += " (" + t.note + ")"
	}
	fmt.Fprintln(w, line)
}

// report writes each failure with the first lines of its message.
func report(w io.Writer, failures []failure) {
	for i, f := range failures {
		if i == shownErrors {
			fmt.Fprintf(w, "... and %d more failures\n", len(failures)-i)
			return
		}
		fmt.Fprintf(w, "FAIL %s, %s: %s\n", f.tool, strings.Join(f.targets, "+"), f.shader)
		lines := strings.Split(f.message, "\n")
		for _, line := range lines[:min(len(lines), shownLines)] {
			fmt.Fprintln(w, "    "+line)
		}
	}
}

// distinct counts the shaders that failed.
func distinct(failures []failure) int {
	seen := map[string]bool{}
	for _, f := range failures {
		seen[f.shader] = true
	}
	return len(seen)
}
