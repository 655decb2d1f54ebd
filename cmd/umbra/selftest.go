package main

import (
	"fmt"
	"strings"
	"time"

	"umbra/gpu"
	"umbra/shaders"
)

type selftestCommand struct {
	adapterFlag
	Shape string `enum:"auto,wide,narrow,all" default:"auto" help:"Shape of kernels to check: wide (for GPUs), narrow (for CPUs), all, or auto, the one this adapter uses."`
	Only  string `placeholder:"TEXT" help:"Check only the cases whose name contains this."`
}

func (selftestCommand) Help() string {
	return `Every kernel runs at awkward shapes and is compared with its plain Go reference. The error is the
largest |got - want| / max(1, |want|); the tolerance is the operation's own. The exit status is 1 if
any case is out of tolerance.

Examples:
  umbra selftest
  umbra selftest --shape all --adapter cpu
  umbra selftest --limits floor
  umbra selftest --only attention`
}

func (s selftestCommand) Run(c *console) error {
	cases := casesWith(s.Only)
	if len(cases) == 0 {
		return fmt.Errorf("no case has %q in its name; without --only all %d are checked", s.Only, len(shaders.Cases()))
	}
	device, err := gpu.Open(s.device())
	if err != nil {
		return err
	}
	defer device.Release()
	c.say("%s", chosen(device.Verdicts()))
	width := 0
	for _, k := range cases {
		width = max(width, len(k.Name))
	}
	var faults []string
	start, total := time.Now(), 0
	fmt.Fprintf(c.out, "%-*s  %-6s  %9s  %9s  %9s\n", width, "case", "shape", "error", "tolerance", "time")
	for _, shape := range s.shapes(device.Info()) {
		for _, k := range cases {
			r, err := k.Run(device, shaders.Tuning{Narrow: shape == "narrow"})
			total++
			line := fmt.Sprintf("%-*s  %-6s  %9.2g  %9.2g  %9s", width, k.Name, shape, r.Error, r.Tolerance, r.Time.Round(time.Microsecond))
			switch {
			case err != nil:
				line = fmt.Sprintf("%-*s  %-6s  FAULT: %v", width, k.Name, shape, err)
			case !r.OK():
				line += "  FAULT"
			}
			if err != nil || !r.OK() {
				faults = append(faults, k.Name+" ("+shape+")")
			}
			if _, err := fmt.Fprintln(c.out, line); err != nil {
				return err
			}
		}
	}
	fmt.Fprintf(c.out, "%d of %d cases are within tolerance, in %.1f s\n", total-len(faults), total, time.Since(start).Seconds())
	if len(faults) > 0 {
		return fmt.Errorf("%s: %d of %d cases are out of tolerance or could not run: %s",
			device.Info().Name, len(faults), total, strings.Join(faults, ", "))
	}
	return nil
}

// shapes lists the shapes of kernels to check on an adapter.
func (s selftestCommand) shapes(info gpu.AdapterInfo) []string {
	switch {
	case s.Shape == "all":
		return []string{"wide", "narrow"}
	case s.Shape != "auto":
		return []string{s.Shape}
	case shaders.TuningFor(info).Narrow:
		return []string{"narrow"}
	}
	return []string{"wide"}
}

// casesWith lists the cases with a part of their name.
func casesWith(part string) []shaders.Case {
	var some []shaders.Case
	for _, k := range shaders.Cases() {
		if strings.Contains(k.Name, part) {
			some = append(some, k)
		}
	}
	return some
}

// chosen says which adapter is used, and why.
func chosen(verdicts []gpu.Verdict) string {
	var all []string
	for _, v := range verdicts {
		if v.Chosen {
			all = append(all, fmt.Sprintf("%s: %s", v.AdapterInfo, v.Reason))
		}
	}
	if all == nil {
		return "no adapter"
	}
	return strings.Join(all, "; ")
}
