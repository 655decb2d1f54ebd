package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	"umbra/cmd/umbra/internal/term"
	"umbra/model"
	"umbra/model/gguf"
)

type inspectCommand struct {
	Context int    `name:"ctx" placeholder:"TOKENS" help:"Plan memory for sequences of this many tokens. Default: as run has it, the model's own up to 8192."`
	Batch   int    `placeholder:"N" default:"1" help:"Plan memory for this many sequences at once."`
	KVType  string `name:"kv-type" enum:"f32,f16,int8" default:"f32" help:"Plan memory for keys and values as f32, f16 or int8."`
	All     bool   `help:"Show long arrays and strings whole."`
	JSON    bool   `help:"Write JSON."`
	Check   bool   `help:"Say whether the model will run, on which adapter, and with how much context. Exit status 1 if it won't."`
	Model   string `arg:"" optional:"" help:"Model: a file (GGUF), a folder of Hugging Face's, or a name as umbra pull takes it. Default: the built-in one."`

	adaptersFlag
}

func (inspectCommand) Help() string {
	return `No adapter is needed, but for --check: the plan of memory is arithmetic, and so is what each tensor costs a token that is
decoded alone: bytes of it as they are read on the device, multiplications and additions. With --split, or
several adapters, the plan has a line for each device.

Examples:
  umbra inspect model.gguf
  umbra inspect --ctx 4096 --batch 8 --kv-type f16 model.gguf
  umbra inspect --split 3,1 model.gguf
  umbra inspect --json model.gguf
  umbra inspect --check folder
  umbra inspect --check --adapter 0,1 model.gguf`
}

// Validate refuses numbers that no model could take.
func (i *inspectCommand) Validate() error {
	if i.Context < 0 || i.Batch < 1 {
		return fmt.Errorf("--ctx %d and --batch %d must be at least 1", i.Context, i.Batch)
	}
	return nil
}

func (i *inspectCommand) Run(c *console) error {
	if i.Check {
		return i.check(c)
	}
	f, name, err := openModel(i.Model)
	if err != nil {
		return err
	}
	defer f.Close()
	r := reportOf(f, name, i.All)
	split, err := i.shares()
	if err != nil {
		return err
	}
	plan, why, err := planOf(f, i.Context, i.Batch, i.KVType, split)
	if err != nil {
		return err
	}
	r.plan(plan, why)
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
	Bits       float64        `json:"bits_per_weight"` // of all tensors
	Cost       *costReport    `json:"token,omitempty"` // of all tensors
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

	Cost *costReport `json:"token,omitempty"`
}

// costReport is what a token costs that is decoded alone (model.Cost).
type costReport struct {
	Bytes uint64 `json:"bytes"`
	FLOP  uint64 `json:"flop"`
}

// typeReport sums up the tensors of a type.
type typeReport struct {
	Type       string  `json:"type"`
	Tensors    int     `json:"tensors"`
	Parameters uint64  `json:"parameters"`
	Bytes      uint64  `json:"bytes"`
	Bits       float64 `json:"bits_per_weight"`
}

func reportOf(f *gguf.File, name string, all bool) report {
	r := report{File: name, Version: f.Version, Bytes: f.Size(), Metadata: []entryReport{}, Tensors: []tensorReport{}, Types: []typeReport{}}
	for _, kv := range f.Metadata {
		r.Metadata = append(r.Metadata, entryOf(kv, all))
	}
	for _, t := range f.Tensors {
		r.Parameters += t.Elements()
		r.Tensors = append(r.Tensors, tensorReport{Name: t.Name, Type: t.Type.String(), Shape: t.Dims, Offset: t.Offset, Bytes: t.Size})
		i := slices.IndexFunc(r.Types, func(s typeReport) bool { return s.Type == t.Type.String() })
		if i < 0 {
			i = len(r.Types)
			r.Types = append(r.Types, typeReport{Type: t.Type.String()})
		}
		s := &r.Types[i]
		s.Tensors, s.Parameters, s.Bytes = s.Tensors+1, s.Parameters+t.Elements(), s.Bytes+t.Size
	}
	slices.SortStableFunc(r.Types, func(a, b typeReport) int { return cmp.Compare(b.Bytes, a.Bytes) })
	bytes := uint64(0)
	for i := range r.Types {
		s := &r.Types[i]
		s.Bits = bitsEach(s.Bytes, s.Parameters)
		bytes += s.Bytes
	}
	r.Bits = bitsEach(bytes, r.Parameters)
	return r
}

// bitsEach is how many bits a weight takes.
func bitsEach(bytes, weights uint64) float64 { return 8 * float64(bytes) / float64(max(1, weights)) }

// plan adds what a plan says, or why there is none.
func (r *report) plan(p *model.Plan, why string) {
	if r.Unplanned = why; p == nil {
		return
	}
	r.Memory, r.Cost = memoryOf(*p), &costReport{}
	costs := p.Costs()
	for i := range r.Tensors {
		c := costReport(costs[r.Tensors[i].Name])
		r.Tensors[i].Cost = &c
		r.Cost.Bytes += c.Bytes
		r.Cost.FLOP += c.FLOP
	}
}

// write writes the report for people.
func (r report) write(w io.Writer) error {
	fmt.Fprintf(w, "%s: GGUF version %d, %s, %d tensors, %s parameters, %.2f bits each\n",
		r.File, r.Version, term.Bytes(uint64(r.Bytes)), len(r.Tensors), term.Count(r.Parameters), r.Bits)

	metadata := term.NewTable("key", "type", "value")
	for _, e := range r.Metadata {
		metadata.Row(e.Key, e.Type, e.text)
	}
	head := []string{"tensor", "type", ">shape", ">bytes"}
	if r.Cost != nil {
		head = append(head, ">read a token", ">FLOP a token")
	}
	tensors := term.NewTable(head...)
	for _, t := range r.Tensors {
		row := []string{t.Name, t.Type, shapeText(t.Shape), term.Count(t.Bytes)}
		if t.Cost != nil {
			row = append(row, term.Count(t.Cost.Bytes), term.Count(t.Cost.FLOP))
		}
		tensors.Row(row...)
	}
	types := term.NewTable("type", ">tensors", ">parameters", ">bytes", ">bits a weight")
	for _, t := range r.Types {
		types.Row(t.Type, fmt.Sprint(t.Tensors), term.Count(t.Parameters), term.Count(t.Bytes), fmt.Sprintf("%.2f", t.Bits))
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
	fmt.Fprintf(w, "\na token decoded alone reads %s of weights and takes %s FLOP, attention apart\n", term.Bytes(r.Cost.Bytes), term.Count(r.Cost.FLOP))
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
