package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"umbra/cmd/umbra/internal/term"
	"umbra/testdata"
)

type versionCommand struct{}

// Run writes one "name value" line for each thing known of the build.
func (versionCommand) Run(c *console) error {
	var t term.Table
	t.Row("umbra", "(no build information)")
	if info, ok := debug.ReadBuildInfo(); ok {
		t = term.Table{}
		t.Row("umbra", buildVersion(info))
		for _, d := range info.Deps {
			if d.Path == bindingPath {
				t.Row("binding", d.Path+" "+d.Version)
			}
		}
	}
	t.Row("go", fmt.Sprintf("%s %s/%s", runtime.Version(), runtime.GOOS, runtime.GOARCH))
	model := "none"
	if data := testdata.Gopher(); data != nil {
		model = fmt.Sprintf("gopher-28m, %s", term.Bytes(uint64(len(data))))
	}
	t.Row("model built in", model)
	_, err := t.WriteTo(c.out)
	return err
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
