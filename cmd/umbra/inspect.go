package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	"umbra/cmd/umbra/internal/term"
	"umbra/model/gguf"
)

type inspectCommand struct {
	Context int    `name:"ctx" placeholder:"TOKENS" help:"Plan memory for sequences of this many tokens. Default: as run has it, the model's own up to 8192."`
	Batch   int    `placeholder:"N" default:"1" help:"Plan memory for this many sequences at once."`
	KVType  string `name:"kv-type" enum:"f32,f16,int8" default:"f32" help:"Plan memory for keys and values as f32, f16 or int8."`
	All     bool   `help:"Show long arrays and strings whole."`
	JSON    bool   `help:"Write JSON."`
	Model   string `arg:"" optional:"" help:"Model file (GGUF). Default: the built-in one."`
}

func (inspectCommand) Help() string {
	return `No adapter is needed: the plan of memory is arithmetic.

Examples:
  umbra inspect model.gguf
  umbra inspect --ctx 4096 --batch 8 --kv-type f16 model.gguf
  umbra inspect --json model.gguf`
}

// Validate refuses numbers that no model could take.
func (i *inspectCommand) Validate() error {
	if i.Context < 0 || i.Batch < 1 {
		return fmt.Errorf("--ctx %d and --batch %d must be at least 1", i.Context, i.Batch)
	}
	return nil
}

func (i *inspectCommand) Run(c *console) error {
	f, name, err := openModel(i.Model)
	if err != nil {
		return err
	}
	defer f.Close()
	r := reportOf(f, name, i.All)
	r.Memory, r.Unplanned, err = planMemory(f, i.Context, i.Batch, i.KVType)
	if err != nil {
		return err
	}
	if i.JSON {
		return writeJSON(c.out, r)
	}
	return r.write(c.out)
}

// report is what inspect finds out, with the names that scripts may rely on.
type report struct {
	File       string         `json:"file"`
	Version    uint32         `json:"gguf_version"`
	Bytes      int64          `json:"bytes"`
	Parameters uint64         `json:"parameters"`
	Metadata   []entryReport  `json:"metadata"`
	Tensors    []tensorReport `json:"tensors"`
	Types      []typeReport   `json:"types"`
	Memory     *memoryReport  `json:"memory,omitempty"`
	Unplanned  string         `json:"not_runnable,omitempty"` // why there is no Memory
}

type tensorReport struct {
	Name   string   `json:"name"`
	Type   string   `json:"type"`
	Shape  []uint64 `json:"shape"` // ggml's order: the length of a row first
	Offset uint64   `json:"offset"`
	Bytes  uint64   `json:"bytes"`
}

// typeReport sums up the tensors of a type.
type typeReport struct {
	Type       string `json:"type"`
	Tensors    int    `json:"tensors"`
	Parameters uint64 `json:"parameters"`
	Bytes      uint64 `json:"bytes"`
}

func reportOf(f *gguf.File, name string, all bool) report {
	r := report{File: name, Version: f.Version, Bytes: f.Size(), Metadata: []entryReport{}, Tensors: []tensorReport{}, Types: []typeReport{}}
	for _, kv := range f.Metadata {
		r.Metadata = append(r.Metadata, entryOf(kv, all))
	}
	for _, t := range f.Tensors {
		r.Parameters += t.Elements()
		r.Tensors = append(r.Tensors, tensorReport{t.Name, t.Type.String(), t.Dims, t.Offset, t.Size})
		i := slices.IndexFunc(r.Types, func(s typeReport) bool { return s.Type == t.Type.String() })
		if i < 0 {
			i = len(r.Types)
			r.Types = append(r.Types, typeReport{Type: t.Type.String()})
		}
		s := &r.Types[i]
		s.Tensors, s.Parameters, s.Bytes = s.Tensors+1, s.Parameters+t.Elements(), s.Bytes+t.Size
	}
	slices.SortStableFunc(r.Types, func(a, b typeReport) int { return cmp.Compare(b.Bytes, a.Bytes) })
	return r
}

// write writes the report for people.
func (r report) write(w io.Writer) error {
	fmt.Fprintf(w, "%s: GGUF version %d, %s, %d tensors, %s parameters\n",
		r.File, r.Version, term.Bytes(uint64(r.Bytes)), len(r.Tensors), term.Count(r.Parameters))

	metadata := term.NewTable("key", "type", "value")
	for _, e := range r.Metadata {
		metadata.Row(e.Key, e.Type, e.text)
	}
	tensors := term.NewTable("tensor", "type", ">shape", ">bytes")
	for _, t := range r.Tensors {
		tensors.Row(t.Name, t.Type, shapeText(t.Shape), term.Count(t.Bytes))
	}
	types := term.NewTable("type", ">tensors", ">parameters", ">bytes")
	for _, t := range r.Types {
		types.Row(t.Type, fmt.Sprint(t.Tensors), term.Count(t.Parameters), term.Count(t.Bytes))
	}
	for _, t := range []*term.Table{metadata, tensors, types} {
		if t.Len() == 0 {
			continue
		}
		fmt.Fprintln(w)
		if _, err := t.WriteTo(w); err != nil {
			return err
		}
	}
	if r.Memory == nil {
		_, err := fmt.Fprintf(w, "\nno memory plan, as umbra cannot run this file: %s\n", r.Unplanned)
		return err
	}
	return r.Memory.write(w)
}

// shapeText writes dimensions as "512 × 8192".
func shapeText(dims []uint64) string {
	words := make([]string, len(dims))
	for i, d := range dims {
		words[i] = fmt.Sprint(d)
	}
	return strings.Join(words, " × ")
}
