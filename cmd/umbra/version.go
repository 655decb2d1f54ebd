package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"umbra/cmd/umbra/internal/term"
	"umbra/testdata"
)

type versionCommand struct {
	JSON bool `help:"Write JSON."`
}

func (versionCommand) Help() string {
	return `Examples:
  umbra version
  umbra version --json`
}

// versions is what is known of the build, with the names that scripts may rely on.
type versions struct {
	Umbra   string `json:"umbra"`
	Binding string `json:"binding,omitempty"`
	Go      string `json:"go"`
	Model   string `json:"model_built_in"`
}

// Run writes one "name value" line for each thing known of the build.
func (v versionCommand) Run(c *console) error {
	all := versionsNow()
	if v.JSON {
		return writeJSON(c.out, all)
	}
	_, err := all.table().WriteTo(c.out)
	return err
}

// versionsNow is what is known of this binary.
func versionsNow() versions {
	all := versions{Umbra: versionText(), Go: fmt.Sprintf("%s %s/%s", runtime.Version(), runtime.GOOS, runtime.GOARCH), Model: "none"}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, d := range info.Deps {
			if d.Path == bindingPath {
				all.Binding = d.Path + " " + d.Version
			}
		}
	}
	if data := testdata.Gopher(); data != nil {
		all.Model = fmt.Sprintf("gopher-28m, %s", term.Bytes(uint64(len(data))))
	}
	return all
}

// table has a line for each.
func (all versions) table() *term.Table {
	t := &term.Table{}
	t.Row("umbra", all.Umbra)
	if all.Binding != "" {
		t.Row("binding", all.Binding)
	}
	t.Row("go", all.Go)
	t.Row("model built in", all.Model)
	return t
}

// released is the version of a published binary, with its commit and that one's time; the linker sets it (cmd/release).
var released string

// versionText is what this binary was built from.
func versionText() string {
	if released != "" {
		return released
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		return buildVersion(info)
	}
	return "(no build information)"
}

// bindingPath is the module that reaches WebGPU.
const bindingPath = "github.com/rajveermalviya/go-webgpu/wgpu"

// buildVersion is the module's version, and the commit where the build knew it.
func buildVersion(info *debug.BuildInfo) string {
	version := info.Main.Version
	if version == "" {
		version = "(devel)"
	}
	settings := map[string]string{}
	for _, s := range info.Settings {
		settings[s.Key] = s.Value
	}
	if r := settings["vcs.revision"]; r != "" {
		version += " " + r[:min(12, len(r))]
		if settings["vcs.modified"] == "true" {
			version += " with changes"
		}
		version += " " + settings["vcs.time"]
	}
	return version
}
