package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"umbra/gpu"
	"umbra/model/gguf"
	"umbra/model/hf/hftest"
	"umbra/testdata"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"umbra": main})
}

// TestScript runs the transcripts in testdata/script. Beside testscript's own, they have
//
//	status N command args...   runs a command, which must exit with status N
//	interrupt command args...  interrupts it at its first output; it must exit with status 130
//	truncate file n            cuts a file to n bytes
//	[adapter], [cpu]           there is an adapter; it is a CPU
//	[embedded]                 the demonstration model is built in
//	$MODELS                    the folder with the models
//	$FOLDER                    the draft model as a folder of Hugging Face's
//	$HUB                       a hub with the models (tests/models, tests/dropped) and with the folder (tests/folder)
//	oracle/I.prompt, I.want    a third party's greedy continuation of a prompt (testdata/oracle/gopher-greedy.json)
//
// Without an adapter those that need one are skipped, and say so.
func TestScript(t *testing.T) {
	models, err := filepath.Abs("../../testdata")
	if err != nil {
		t.Fatal(err)
	}
	cache, _ := os.UserCacheDir() // drivers keep compiled pipelines there; without, every command compiles its own
	kind, adapter := adapterKind()
	folder := t.TempDir()
	draft, err := gguf.Open(filepath.Join(models, "gopher-draft-4m-q8_0.gguf"))
	if err != nil {
		t.Fatal(err)
	}
	d := hftest.FolderOf(t, draft, hftest.Styles["llama-mha-tied"])
	draft.Close()
	d.Shards = 2
	d.Save(t, folder)
	hub := hubFor(t, map[string]string{"tests/models": models, "tests/dropped": models, "tests/folder": folder})
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(e *testscript.Env) error {
			e.Setenv("MODELS", models)
			e.Setenv("XDG_CACHE_HOME", cache)
			e.Setenv("FOLDER", folder)
			e.Setenv("HUB", hub)
			e.Setenv("UMBRA_MODELS", filepath.Join(e.WorkDir, "pulled"))
			passDriverVariables(e)
			e.Setenv("UMBRA_TUNE", "off") // the cache may have choices of whoever runs the tests
			e.Values[environment] = e.Vars
			return writeOracle(filepath.Join(e.WorkDir, "oracle"))
		},
		Condition: func(c string) (bool, error) {
			switch c {
			case "adapter":
				return adapter, nil
			case "cpu":
				return adapter && kind == gpu.KindCPU, nil
			case "embedded":
				return testdata.Gopher() != nil, nil
			}
			return false, os.ErrInvalid
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"status": statusCommand, "interrupt": interruptCommand, "truncate": truncateCommand,
		},
	})
}

// adapterKind is the kind of the adapter that commands will find, if any.
func adapterKind() (gpu.Kind, bool) {
	verdicts, err := gpu.Devices(gpu.Options{})
	for _, v := range verdicts {
		if v.Chosen && err == nil {
			return v.Kind, true
		}
	}
	return 0, false
}

// passDriverVariables hands on what drivers and umbra read from the environment, which testscript empties.
func passDriverVariables(e *testscript.Env) {
	for _, kv := range os.Environ() {
		key, value, _ := strings.Cut(kv, "=")
		for _, prefix := range []string{"UMBRA_", "VK_", "LVP_", "LIBGL_", "LD_LIBRARY_PATH", "DYLD_", "XDG_RUNTIME_DIR"} {
			if strings.HasPrefix(key, prefix) {
				e.Setenv(key, value)
			}
		}
	}
}
