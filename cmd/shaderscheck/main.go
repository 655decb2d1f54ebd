// Shaderscheck puts WGSL shaders through every other WGSL front end that is installed: naga, Tint, Dawn.
//
//	shaderscheck [-o DIR] [-j N] DIR
//
// umbra's own WebGPU library has one front end, an older naga; browsers and other libraries have others, which may
// refuse what it accepts. DIR holds .wgsl files (UMBRA_DUMP_SHADERS makes package gpu write them). What a tool
// translates them to is left under the -o folder, by language. An absent tool is named and skipped; a shader that a
// tool refuses makes the exit status 1.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

func main() {
	out := flag.String("o", filepath.Join("out", "shaders"), "`folder` for the translations")
	jobs := flag.Int("j", 2, "tools to run at the same time")
	flag.Usage = func() {
		fmt.Fprintln(flag.CommandLine.Output(), "usage: shaderscheck [-o DIR] [-j N] DIR")
		flag.PrintDefaults()
	}
	flag.Parse()
	if flag.NArg() != 1 || *jobs < 1 {
		flag.Usage()
		os.Exit(2)
	}
	if err := run(os.Stdout, flag.Arg(0), *out, *jobs); err != nil {
		fmt.Fprintln(os.Stderr, "shaderscheck:", err)
		os.Exit(1)
	}
}

func run(w io.Writer, dir, out string, jobs int) error {
	shaders, err := filepath.Glob(filepath.Join(dir, "*.wgsl"))
	if err != nil {
		return err
	}
	if len(shaders) == 0 {
		return fmt.Errorf("%s: no .wgsl files; the tests compile none without an adapter (make setup)", dir)
	}
	fmt.Fprintf(w, "shaders: %d\n", len(shaders))
	var refused []failure
	for _, e := range frontEnds {
		t, err := e.find()
		if err != nil {
			fmt.Fprintf(w, "  %s: %v; skipped (%s)\n", e.name, err, e.install)
			continue
		}
		failures, err := check(t, shaders, out, jobs)
		if err != nil {
			return err
		}
		summarise(w, t, len(shaders), failures)
		refused = append(refused, failures...)
	}
	report(w, refused)
	if len(refused) > 0 {
		return fmt.Errorf("%d of %d shaders refused", distinct(refused), len(shaders))
	}
	return nil
}
