package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// results are what has been measured.
type results struct {
	Model   string `json:"model"`
	Adapter string `json:"adapter"`
	Tokens  int    `json:"tokens"` // of the text
	Scored  int    `json:"scored"`
	Rows    []row  `json:"rows"`
}

// row is one type's. A type with a * was made with an importance matrix.
type row struct {
	Type       string   `json:"type"`
	Bits       float64  `json:"bits_per_weight"`
	Bytes      int64    `json:"bytes"` // of the file
	Perplexity estimate `json:"perplexity"`
	Ratio      estimate `json:"perplexity_ratio"` // over F32's
	KL         estimate `json:"kl"`
	SameBest   estimate `json:"top1_agreement"`
	Prefill    float64  `json:"prefill"` // tok/s
	Decode     float64  `json:"decode"`
}

type estimate struct {
	Value float64 `json:"value"`
	Error float64 `json:"error"`
}

// run runs umbra, and decodes what it writes to standard output into v unless that is nil.
func (t *table) run(ctx context.Context, v any, args ...string) error {
	fmt.Fprintf(os.Stderr, "+ umbra %s\n", strings.Join(args, " "))
	c := exec.CommandContext(ctx, t.umbra, args...)
	c.Stderr = os.Stderr
	out, err := c.Output()
	if err == nil && v != nil {
		err = json.Unmarshal(out, v)
	}
	if err != nil {
		return fmt.Errorf("umbra %s: %w", args[0], err)
	}
	return nil
}

// load reads JSON; a file that is not there leaves v as it is.
func load(path string, v any) error {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = json.Unmarshal(data, v)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

func save(path string, v any) error {
	data, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(data, '\n'), 0o644)
}

// measure measures types one after the other; each is saved when it is done.
func (t *table) measure(ctx context.Context, model string, types []string) error {
	var all results
	if err := load(t.results(), &all); err != nil {
		return err
	}
	all.Model = strings.TrimSuffix(filepath.Base(model), ".gguf")
	if err := os.MkdirAll(t.work, 0o755); err != nil {
		return err
	}
	root, err := goRoot()
	if err != nil {
		return err
	}
	for name, list := range map[string]string{"validation.go.txt": validation, "calibration.go.txt": calibration} {
		data, err := text(list, root)
		if err != nil {
			return err
		}
		if err := os.WriteFile(t.file(name), data, 0o644); err != nil {
			return err
		}
	}
	if err := t.prepare(ctx, model, types); err != nil {
		return err
	}
	for _, kind := range types {
		r, err := t.row(ctx, kind, &all)
		if err != nil {
			return err
		}
		all.Rows = append(slices.DeleteFunc(all.Rows, func(x row) bool { return x.Type == r.Type }), r)
		slices.SortStableFunc(all.Rows, func(a, b row) int { return int(b.Bytes - a.Bytes) })
		if err := save(t.results(), all); err != nil {
			return err
		}
	}
	return nil
}

func (t *table) file(name string) string { return filepath.Join(t.work, name) }

// prepare makes the F32 model, what it makes of the text, and an importance matrix if a type wants one, unless they are there.
func (t *table) prepare(ctx context.Context, model string, types []string) error {
	wanted := [][]string{
		{"f32.gguf", "quantize", model, t.file("f32.gguf"), "f32"},
	}
	if t.quality {
		wanted = append(wanted, []string{"base.umbra-kl", "perplexity", "-m", t.file("f32.gguf"), "--kl-base", t.file("base.umbra-kl"), t.file("validation.go.txt")})
	}
	if slices.ContainsFunc(types, calibrated) {
		wanted = append(wanted, []string{"imatrix.gguf", "imatrix", "-m", t.file("f32.gguf"), "-o", t.file("imatrix.gguf"), t.file("calibration.go.txt")})
	}
	for _, w := range wanted {
		if _, err := os.Stat(t.file(w[0])); err == nil {
			continue
		}
		if err := t.run(ctx, nil, w[1:]...); err != nil {
			return err
		}
	}
	return nil
}

func calibrated(kind string) bool { return strings.HasSuffix(kind, "*") }

// row measures one type, and takes what is not measured from the row that is there.
func (t *table) row(ctx context.Context, kind string, all *results) (r row, err error) {
	r.Type = strings.ToUpper(kind)
	if i := slices.IndexFunc(all.Rows, func(x row) bool { return x.Type == r.Type }); i >= 0 {
		r = all.Rows[i]
	}
	path := t.file("f32.gguf")
	if kind != "f32" {
		path = t.file(strings.ReplaceAll(kind, "*", "-imatrix") + ".gguf")
		args := []string{"quantize"}
		if calibrated(kind) {
			args = append(args, "--imatrix", t.file("imatrix.gguf"))
		}
		defer os.Remove(path)
		if err := t.run(ctx, nil, append(args, t.file("f32.gguf"), path, strings.TrimSuffix(kind, "*"))...); err != nil {
			return r, err
		}
	}
	var file struct {
		Bytes int64
		Bits  float64 `json:"bits_per_weight"`
	}
	if err := t.run(ctx, &file, "inspect", "--json", path); err != nil {
		return r, err
	}
	r.Bytes, r.Bits = file.Bytes, file.Bits
	if t.quality {
		if err := t.compare(ctx, path, &r, all); err != nil {
			return r, err
		}
	}
	if t.speed {
		r.Prefill, r.Decode, all.Adapter, err = t.bench(ctx, "-m", path)
	}
	return r, err
}

// compare measures a file's quality.
func (t *table) compare(ctx context.Context, path string, r *row, all *results) error {
	var quality struct {
		Tokens, Scored int
		Perplexity     estimate
		Compared       struct {
			Ratio    estimate `json:"perplexity_ratio"`
			KL       estimate `json:"kl"`
			SameBest estimate `json:"top1_agreement"`
		}
	}
	if err := t.run(ctx, &quality, "perplexity", "-m", path, "--kl", t.file("base.umbra-kl"), "--json"); err != nil {
		return err
	}
	all.Tokens, all.Scored = quality.Tokens, quality.Scored
	r.Perplexity, r.Ratio, r.KL, r.SameBest = quality.Perplexity, quality.Compared.Ratio, quality.Compared.KL, quality.Compared.SameBest
	return nil
}

// bench measures a model's speed: prefill of 512 tokens, and 64 tokens decoded alone.
func (t *table) bench(ctx context.Context, model ...string) (prefill, decode float64, adapter string, err error) {
	var speed struct {
		Adapter struct{ Name string }
		Speeds  []struct {
			Test   string
			Median float64
		}
	}
	err = t.run(ctx, &speed, append([]string{"bench", "-p", "512", "-n", "64", "-r", "3", "--json"}, model...)...)
	for _, s := range speed.Speeds {
		switch s.Test {
		case "pp512":
			prefill = s.Median
		case "tg64":
			decode = s.Median
		}
	}
	return prefill, decode, speed.Adapter.Name, err
}
