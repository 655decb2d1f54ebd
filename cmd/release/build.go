package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// commit is what is built.
type commit struct {
	hash    string
	version string // its tag, or one that sorts before all that have one
	time    time.Time
	changed bool // the tree has more than is committed
}

// headCommit is the commit of the tree in a folder.
func headCommit(folder string) (c commit, err error) {
	text, err := output(folder, nil, "git", "log", "-1", "--format=%H %ct")
	if err != nil {
		return c, fmt.Errorf("which commit is this? %w", err)
	}
	hash, at, _ := strings.Cut(text, " ")
	seconds, err := strconv.ParseInt(cmp.Or(os.Getenv("SOURCE_DATE_EPOCH"), at), 10, 64)
	if err != nil {
		return c, fmt.Errorf("SOURCE_DATE_EPOCH must be seconds since 1970: %w", err)
	}
	c = commit{hash: hash, time: time.Unix(seconds, 0)}
	if c.version, err = output(folder, nil, "git", "describe", "--tags", "--match", "v[0-9]*"); err != nil { // as Go names commits before any tag
		c.version = "v0.0.0-" + c.time.UTC().Format("20060102150405") + "-" + hash[:12]
	}
	status, err := output(folder, nil, "git", "status", "--porcelain", "--untracked-files=no")
	c.changed = status != ""
	return c, err
}

// binary is the name of a target's binary.
func (t target) binary() string {
	if t.os == "windows" {
		return "umbra.exe"
	}
	return "umbra"
}

// environment is what a build for a target needs. Windows' comes from mingw-w64 where this is not Windows; other systems build their own.
func (t target) environment() ([]string, error) {
	env := []string{"GOOS=" + t.os, "GOARCH=" + t.arch, "CGO_ENABLED=1", "GOFLAGS=-buildvcs=false", "CGO_CFLAGS=-O2", "CGO_LDFLAGS=-O2"}
	if t.os == runtime.GOOS {
		return env, nil
	}
	const mingw = "x86_64-w64-mingw32-gcc"
	if t != (target{"windows", "amd64"}) {
		return nil, fmt.Errorf("built on %s only, as it is linked to libraries of the system", t.os)
	}
	if _, err := exec.LookPath(mingw); err != nil {
		return nil, fmt.Errorf("%s is needed (Debian's package gcc-mingw-w64-x86-64): %w", mingw, err)
	}
	return append(env, "CC="+mingw), nil
}

// build makes the binary of the tree in a folder, which says that it is this version.
func (t target) build(folder, binary, version string, more ...string) error {
	env, err := t.environment()
	if err != nil {
		return err
	}
	_, err = output(folder, append(env, more...), "go", "build", "-trimpath",
		"-ldflags=-s -w -buildid= -X 'main.released="+version+"'", "-o", binary, "./cmd/umbra")
	return err
}

// output runs a command and returns what it writes, less the last line's end. An error has what it wrote to standard error.
func output(folder string, env []string, name string, args ...string) (string, error) {
	cmd := exec.Command(name, args...)
	cmd.Dir = folder
	cmd.Env = append(os.Environ(), env...)
	data, err := cmd.Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		err = fmt.Errorf("%s %s: %w\n%s", name, args[0], err, exit.Stderr)
	}
	return strings.TrimRight(string(data), "\r\n"), err
}

// checkTwice builds what is committed in two other folders, with nothing cached, and compares the archives' checksums.
func checkTwice(w io.Writer, targets []target, version string) error {
	var list []string
	for _, t := range targets {
		list = append(list, t.String())
	}
	work, err := os.MkdirTemp("", "umbra-release")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	var sums []string
	for _, name := range []string{"one", "another-folder"} {
		tree, cache := filepath.Join(work, name, "tree"), filepath.Join(work, name, "cache")
		if _, err := output(".", nil, "git", "clone", "--quiet", "--no-hardlinks", ".", tree); err != nil {
			return err
		}
		env := []string{"GOCACHE=" + cache}
		if _, err := output(tree, env, "go", "run", "-buildvcs=false", "./cmd/release", "-targets", strings.Join(list, ","), "-version", version); err != nil {
			return err
		}
		data, err := os.ReadFile(filepath.Join(tree, "dist", "SHA256SUMS"))
		if err != nil {
			return err
		}
		fmt.Fprintf(w, "built in %s:\n%s", tree, data)
		sums = append(sums, string(data))
		if err := os.RemoveAll(cache); err != nil {
			return err
		}
	}
	if sums[0] != sums[1] {
		return errors.New("the two differ")
	}
	fmt.Fprintln(w, "the same bytes")
	return nil
}
