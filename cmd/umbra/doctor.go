package main

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"umbra/cmd/umbra/internal/bench"
	"umbra/cmd/umbra/internal/doctor"
	"umbra/cmd/umbra/internal/term"
	"umbra/gpu"
	"umbra/model"
	"umbra/model/gguf"
	"umbra/shaders"
	"umbra/shaders/tuned"
)

// errUnwell ends a report that has said what is wrong.
var errUnwell = errors.New("no adapter can be used, or one computes wrongly; the report says why")

// doctorCommand reports on this machine and its adapters.
type doctorCommand struct {
	adapterFlag
	Quick bool `help:"Check one kernel of each operation, in no other weight type, and measure no speed."`
	JSON  bool `help:"Write JSON."`
}

func (doctorCommand) Help() string {
	return `Writes a report to paste into a bug report, in Markdown: versions, the machine, adapters and their limits, why a GPU is not
used, a selftest of one kernel for each operation and weight type (umbra selftest checks all), and the speed of a small
model of random weights. Tokens and keys of the environment are not shown. The exit status is 1 if no adapter can be
used or a kernel is out of tolerance.

Examples:
  umbra doctor
  umbra doctor --quick
  umbra doctor --adapter cpu --json`
}

// doctorReport is the JSON form.
type doctorReport struct {
	Versions versions         `json:"versions"`
	Machine  doctor.Facts     `json:"machine"`
	Adapters []deviceJSON     `json:"adapters"`
	Findings []doctor.Finding `json:"findings"`
	Checks   []adapterCheck   `json:"checks"` // of the adapters that are chosen
	Well     bool             `json:"well"`
}

// adapterCheck is what came of trying an adapter.
type adapterCheck struct {
	Adapter string        `json:"adapter"`
	Memory  uint64        `json:"memory_bytes,omitempty"` // 0: not known
	Tuned   string        `json:"tuned,omitempty"`        // what umbra tune has found, or why that is not in use
	Cases   int           `json:"cases"`
	Seconds float64       `json:"seconds"`
	Faults  []string      `json:"faults,omitempty"`
	Error   string        `json:"error,omitempty"`
	Speeds  []bench.Speed `json:"speeds,omitempty"`
}

func (a adapterCheck) well() bool { return a.Error == "" && len(a.Faults) == 0 }

func (d doctorCommand) Run(c *console) error {
	r := doctorReport{Versions: versionsNow(), Machine: doctor.Machine()}
	all, err := gpu.Devices(d.device())
	if err != nil {
		r.Machine.AdapterError = err.Error()
	}
	r.Machine.Adapters, r.Adapters = all, devicesJSON(all)
	r.Findings = append([]doctor.Finding{}, doctor.Findings(r.Machine)...)
	for _, v := range all {
		if v.Chosen {
			c.say("checking %s", v.AdapterInfo)
			r.Checks = append(r.Checks, d.check(v))
		}
	}
	r.Well = len(r.Checks) > 0
	for _, check := range r.Checks {
		r.Well = r.Well && check.well()
	}
	write := r.write
	if d.JSON {
		write = func(w io.Writer) error { return writeJSON(w, r) }
	}
	if err := write(c.out); err != nil {
		return err
	}
	if !r.Well {
		return errUnwell
	}
	return nil
}

// check tries an adapter: some of its kernels, and a model's speed.
func (d doctorCommand) check(v gpu.Verdict) adapterCheck {
	a := adapterCheck{Adapter: v.AdapterInfo.String()}
	a.Memory, _ = v.Memory()
	tuning, path, err := tuned.For(v.AdapterInfo)
	switch all, others := tuning.Choices.Count(); {
	case err != nil:
		a.Tuned = err.Error()
	case path != "":
		a.Tuned = fmt.Sprintf("%s from %s, of which %d not the default", plural(all, "choice"), path, others)
	}
	device, err := gpu.Open(gpu.Options{Adapter: strconv.Itoa(v.Index), Limits: gpu.LimitSet(d.Limits)})
	if err != nil {
		a.Error = err.Error()
		return a
	}
	defer device.Release()
	start := time.Now()
	for _, k := range someCases(d.Quick) {
		a.Cases++
		result, err := k.Run(device, shaders.Tuning{Narrow: tuning.Narrow})
		switch {
		case err != nil:
			a.Faults = append(a.Faults, fmt.Sprintf("%s: %v", k.Name, err))
		case !result.OK():
			a.Faults = append(a.Faults, fmt.Sprintf("%s: error %.2g, tolerance %.2g", k.Name, result.Error, result.Tolerance))
		}
	}
	a.Seconds = time.Since(start).Seconds()
	if !d.Quick && len(a.Faults) == 0 {
		if a.Speeds, err = doctorSpeeds(device, tuning); err != nil {
			a.Error = err.Error()
		}
	}
	return a
}

// someCases are the first case of each operation, and unless quick of each weight type of it.
func someCases(quick bool) (some []shaders.Case) {
	seen := map[string]bool{}
	for _, k := range shaders.Cases() {
		words := strings.Fields(k.Name)
		kind := words[0]
		if !quick && (kind == "linear" || kind == "experts") {
			kind += " " + words[1]
		}
		if !seen[kind] {
			seen[kind] = true
			some = append(some, k)
		}
	}
	return some
}

// doctorShape is the model whose speed a report has: small, and the same wherever it is measured.
const doctorShape = "gopher-28m"

func doctorSpeeds(device *gpu.Device, tuning shaders.Tuning) (speeds []bench.Speed, err error) {
	shape, err := model.ShapeOf(doctorShape)
	if err != nil {
		return nil, err
	}
	tests := []bench.Test{{Prompt: 64, Sequences: 1}, {Generate: 16, Sequences: 1}}
	m, err := model.NewTuned(device, tuning, model.Synthetic(shape, gguf.Q8_0), model.Options{Context: tests[0].Context(), Blocks: tests[0].Blocks(), Sequences: 1})
	if err != nil {
		return nil, err
	}
	defer m.Release()
	for _, t := range tests {
		s, err := bench.Run(m, t, 3)
		if err != nil {
			return nil, err
		}
		speeds = append(speeds, s)
	}
	return speeds, nil
}

// write writes the report as Markdown, whose tables are laid out for eyes.
func (r doctorReport) write(w io.Writer) error {
	var b strings.Builder
	section := func(title string, t *term.Table) {
		fmt.Fprintf(&b, "\n## %s\n\n```\n", title)
		t.WriteTo(&b)
		b.WriteString("```\n")
	}
	list := func(title string, lines []string) {
		fmt.Fprintf(&b, "\n## %s\n\n", title)
		for _, l := range lines {
			b.WriteString("- " + l + "\n")
		}
	}
	b.WriteString("# umbra doctor\n")
	section("Versions", r.Versions.table())
	section("Machine", machineTable(r.Machine))
	if len(r.Machine.Environment) > 0 {
		t := &term.Table{}
		for _, v := range r.Machine.Environment {
			t.Row(v.Name, v.Value)
		}
		section("Environment", t)
	}
	if len(r.Machine.Adapters) > 0 {
		section("Adapters", devicesTable(r.Machine.Adapters))
	} else {
		list("Adapters", []string{strings.TrimSpace("none " + r.Machine.AdapterError)})
	}
	var lines []string
	for _, f := range r.Findings {
		line := f.Problem
		if f.Remedy != "" {
			line += ". What helps: " + f.Remedy
		}
		lines = append(lines, line)
	}
	if len(lines) == 0 {
		lines = []string{"a GPU is used, and nothing is odd"}
	}
	list("Findings", lines)
	for _, a := range r.Checks {
		list("Checks of "+a.Adapter, a.lines())
	}
	verdict := "all is well"
	if !r.Well {
		verdict = errUnwell.Error()
	}
	fmt.Fprintf(&b, "\n%s\n", verdict)
	_, err := io.WriteString(w, b.String())
	return err
}

// lines tell what came of an adapter.
func (a adapterCheck) lines() (all []string) {
	memory := "its memory's size is not known"
	if a.Memory > 0 {
		memory = "memory of " + term.Bytes(a.Memory)
	}
	all = append(all, memory)
	if a.Tuned != "" {
		all = append(all, "umbra tune: "+a.Tuned)
	}
	if a.Cases > 0 {
		all = append(all, fmt.Sprintf("selftest: %d of %s within tolerance, in %.1f s", a.Cases-len(a.Faults), plural(a.Cases, "case"), a.Seconds))
	}
	for _, f := range a.Faults {
		all = append(all, "FAULT: "+f)
	}
	for _, s := range a.Speeds {
		all = append(all, fmt.Sprintf("%s of %s, q8_0: %.1f tok/s (%.1f to %.1f)", s.Test, doctorShape, s.Median, s.Min, s.Max))
	}
	if a.Error != "" {
		all = append(all, "ERROR: "+a.Error)
	}
	return all
}

// machineTable lists what is known of a machine.
func machineTable(f doctor.Facts) *term.Table {
	t := &term.Table{}
	row := func(name string, values ...string) {
		if text := strings.TrimSpace(strings.Join(values, " ")); text != "" {
			t.Row(name, text)
		}
	}
	row("system", f.OS+"/"+f.Arch, f.System)
	row("kernel", f.Kernel)
	row("cpu", f.CPU, fmt.Sprintf("(%s)", plural(f.Cores, "core")))
	if f.Memory > 0 {
		free := ""
		if f.Available > 0 {
			free = "(" + term.Bytes(f.Available) + " available)"
		}
		row("memory", term.Bytes(f.Memory), free)
	}
	if f.WSL {
		row("wsl", "yes")
	}
	row("container", f.Container)
	if f.OS == "linux" {
		loader := f.Loader
		if loader == "" {
			loader = "not found"
		}
		row("vulkan loader", loader)
		for _, d := range f.Drivers {
			lacking := ""
			if d.Lacking {
				lacking = "(which is not there)"
			}
			row("vulkan driver", d.File, d.Library, lacking)
		}
		for _, n := range f.Nodes {
			denied := ""
			if n.Denied {
				denied = "(not for this user)"
			}
			row("render node", n.Path, denied)
		}
	}
	for _, g := range f.GPUs {
		row("pci", g.Address, fmt.Sprintf("%04x:%04x", g.Vendor, g.Device), g.Kernel)
	}
	return t
}
