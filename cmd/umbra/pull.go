package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"umbra/cmd/umbra/internal/term"
	"umbra/model/hub"
)

// pullCommand downloads a model.
type pullCommand struct {
	HFEndpoint string   `name:"hf-endpoint" placeholder:"URL" help:"Hub to ask. Default: $$HF_ENDPOINT, else https://huggingface.co."`
	SHA256     string   `name:"sha256" env:"UMBRA_SHA256" placeholder:"HEX" help:"SHA-256 that the file must have. The hub tells its own; for a URL without it, only the length is checked."`
	Quiet      bool     `short:"q" help:"Say nothing on standard error but errors."`
	Models     []string `arg:"" name:"model" help:"hf:OWNER/REPOSITORY, with :QUANTIZATION or :FILE and @REVISION if need be, or the URL of a GGUF file."`
}

func (pullCommand) Help() string {
	return `Models are kept in umbra/models of the user's cache folder, or where $UMBRA_MODELS says, and found there by the same name
wherever a command takes a model: umbra run -m hf:OWNER/REPOSITORY. Nothing else downloads anything.

Of a repository with several quantizations Q4_K_M is taken, else Q4_0, else Q8_0, else another, which is said; a model in
several files is taken whole, and projectors of images (mmproj) are left out. A repository without GGUF files is taken
as the folder of safetensors that it is; :safetensors asks for that.

What was interrupted is gone on with by the next pull. A model has its name when all of it is there and its hashes are
those that the hub tells. The token in $HF_TOKEN, for private and gated repositories, goes to the hub alone.

Examples:
  umbra pull hf:bartowski/Qwen2.5-0.5B-Instruct-GGUF
  umbra pull hf:bartowski/Qwen2.5-0.5B-Instruct-GGUF:Q8_0
  umbra pull hf:HuggingFaceTB/SmolLM2-135M-Instruct@main
  umbra pull --sha256 0123... https://example.com/model.gguf
  HF_ENDPOINT=https://hub.example.com umbra pull hf:OWNER/REPOSITORY`
}

func (p *pullCommand) Run(c *console) error {
	if p.Quiet {
		c.hush()
	}
	if p.SHA256 != "" && len(p.Models) > 1 {
		return usageError("--sha256 is of one model; pull the others apart")
	}
	store, err := hub.Default()
	if err != nil {
		return err
	}
	ctx, stop := untilInterrupted()
	defer stop()
	for _, name := range p.Models {
		bar := term.NewProgress(c.bars, "pulling")
		m, err := store.Pull(ctx, name, hub.Options{
			Endpoint: cmp.Or(p.HFEndpoint, os.Getenv("HF_ENDPOINT")), Token: strings.TrimSpace(os.Getenv("HF_TOKEN")), SHA256: p.SHA256,
			Progress: bar.Set, Say: func(text string) { bar.End(); c.say("%s", text) },
		})
		bar.End()
		if errors.Is(err, context.Canceled) {
			c.say("interrupted; what came of %s is kept, and the next pull goes on from there", name)
			return errInterrupted
		}
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintf(c.out, "%s: %s in %s\n", m.Name, term.Bytes(uint64(m.Size())), m.Path()); err != nil {
			return err
		}
	}
	return nil
}

// listCommand lists what has been pulled.
type listCommand struct {
	JSON bool `help:"Write JSON."`
}

func (listCommand) Help() string {
	return `Examples:
  umbra list
  umbra list --json`
}

// pulledJSON is a model of the store with the names that scripts may rely on.
type pulledJSON struct {
	Name   string     `json:"name"`
	Path   string     `json:"path"`
	Bytes  int64      `json:"bytes"`
	Here   int64      `json:"bytes_here"`
	Whole  bool       `json:"whole"`
	Source string     `json:"source"`
	Commit string     `json:"commit,omitempty"`
	Pulled string     `json:"pulled,omitempty"`
	Files  []hub.File `json:"files"`
}

func (l listCommand) Run(c *console) error {
	store, err := hub.Default()
	if err != nil {
		return err
	}
	models, err := store.List()
	if err != nil {
		return err
	}
	all := make([]pulledJSON, len(models))
	t := term.NewTable("model", ">size", "pulled", "path")
	for i, m := range models {
		all[i] = pulledJSON{Name: m.Name, Path: m.Path(), Bytes: m.Size(), Here: m.Here(), Whole: m.Whole(), Source: m.Source, Commit: m.Commit, Files: m.Files}
		pulled := "no, only " + term.Bytes(uint64(all[i].Here))
		if m.Whole() {
			pulled = m.Pulled.Local().Format("2006-01-02 15:04")
			all[i].Pulled = m.Pulled.Format("2006-01-02T15:04:05Z07:00")
		}
		t.Row(m.Name, term.Bytes(uint64(all[i].Bytes)), pulled, all[i].Path)
	}
	if l.JSON {
		return writeJSON(c.out, all)
	}
	if len(models) == 0 {
		c.say("no models in %s; umbra pull brings some", store.Root)
		return nil
	}
	_, err = t.WriteTo(c.out)
	return err
}

// rmCommand removes what has been pulled.
type rmCommand struct {
	Models []string `arg:"" name:"model" help:"Names as umbra list has them."`
}

func (rmCommand) Help() string {
	return `Removes models that umbra pull has brought, and what has come of those that are not whole.

Examples:
  umbra rm hf:bartowski/Qwen2.5-0.5B-Instruct-GGUF:Q4_K_M`
}

func (r *rmCommand) Run(c *console) error {
	store, err := hub.Default()
	if err != nil {
		return err
	}
	ctx, stop := untilInterrupted()
	defer stop()
	for _, name := range r.Models {
		m, err := store.Remove(ctx, name, func(text string) { c.say("%s", text) })
		if errors.Is(err, context.Canceled) {
			return errInterrupted
		}
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintf(c.out, "%s: removed\n", m.Name); err != nil {
			return err
		}
	}
	return nil
}
