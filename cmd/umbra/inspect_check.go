package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"umbra/cmd/umbra/internal/term"
	"umbra/gpu"
	"umbra/internal/places"
	"umbra/model"
	"umbra/model/gguf"
	"umbra/model/tokenizer"
)

// errWontRun ends a check that has said why a model will not run.
var errWontRun = errors.New("the model will not run")

// checkReport says whether a model will run, with the names that scripts may rely on.
type checkReport struct {
	File         string `json:"file"`
	Runs         bool   `json:"runs"`
	Why          string `json:"why,omitempty"` // it does not
	Architecture string `json:"architecture,omitempty"`
	Tokenizer    string `json:"tokenizer,omitempty"`
	Adapter      string `json:"adapter,omitempty"`
	Memory       uint64 `json:"adapter_memory_bytes,omitempty"` // 0: not known
	Context      int    `json:"context_tokens,omitempty"`       // the longest that fits, of one sequence
	Trained      int    `json:"trained_context_tokens,omitempty"`
	KVType       string `json:"kv_type,omitempty"`
	Weights      uint64 `json:"weights_bytes,omitempty"`
	Total        uint64 `json:"total_bytes,omitempty"` // with Context
}

// check writes the report; a model that will not run ends in an error.
func (i *inspectCommand) check(c *console) error {
	r := checkReport{File: i.Model, KVType: i.KVType}
	if err := i.find(&r); err != nil {
		r.Why = trimPrefix(err.Error())
	}
	r.Runs = r.Why == ""
	write := r.write
	if i.JSON {
		write = func(w io.Writer) error { return writeJSON(w, r) }
	}
	if err := write(c.out); err != nil {
		return err
	}
	if !r.Runs {
		return errWontRun
	}
	return nil
}

// find fills a report in, as far as it comes; an error is why the model will not run.
func (i *inspectCommand) find(r *checkReport) error {
	f, name, err := openModel(i.Model)
	if err != nil {
		return err
	}
	defer f.Close()
	r.File = name
	r.Architecture, _ = f.String("general.architecture")
	kv, err := model.ParseKVType(i.KVType)
	if err != nil {
		return err
	}
	if _, err = model.PlanFor(f, model.Options{Sequences: i.Batch, KVType: kv}, roomy); err != nil {
		return err
	}
	t, err := tokenizer.New(f)
	if err != nil {
		return err
	}
	r.Tokenizer, _ = f.String("tokenizer.ggml.model")
	if pre, ok := f.String("tokenizer.ggml.pre"); ok {
		r.Tokenizer += ", " + pre
	}
	verdicts, err := gpu.Devices(i.device())
	if err != nil {
		return err
	}
	if err := unusable(verdicts); err != nil {
		return err
	}
	rooms, split, err := places.Judge(places.Options{Device: i.device(), Split: i.Split})
	if err != nil {
		return err
	}
	var names []string
	for _, x := range rooms {
		names = append(names, x.Adapter.String())
		r.Memory += x.Memory
	}
	for _, x := range rooms {
		if x.Err != nil {
			r.Memory = 0
		}
	}
	r.Adapter = strings.Join(names, " + ")
	return r.fit(f, t.Size(), i, kv, rooms, split)
}

// fit finds the longest context, up to the one asked for or else the model's own, that the adapters' limits and memory have room for.
func (r *checkReport) fit(f *gguf.File, tokens int, i *inspectCommand, kv model.KVType, rooms []places.Room, split []float64) error {
	var limits []gpu.Limits
	for _, x := range rooms {
		limits = append(limits, x.Adapter.Limits)
	}
	plan := func(context int) (model.Plan, error) {
		p, err := model.PlanSplit(f, model.Options{Context: context, Sequences: i.Batch, KVType: kv, Contexts: i.Batch, Split: split}, limits)
		if err == nil && len(rooms) > 1 {
			return p, places.Fits(rooms, p)
		}
		if total := p.Weights + p.KV + p.Scratch; err == nil && r.Memory > 0 && total > r.Memory {
			err = fmt.Errorf("it takes %s with a context of %s, and the adapter has %s; try a smaller --ctx, a smaller --kv-type, or `umbra quantize`",
				term.Bytes(total), plural(context, "token"), term.Bytes(r.Memory))
		}
		return p, err
	}
	least := max(1, i.Context)
	p, err := plan(least)
	if err != nil {
		return err
	}
	if p.Config.Vocab != tokens {
		return fmt.Errorf("the tokenizer has %d tokens, the model %d rows of embeddings", tokens, p.Config.Vocab)
	}
	r.Trained, r.Weights = p.Config.Context, p.Weights
	most := p.Config.Context
	if i.Context > 0 {
		most = i.Context
	}
	for low := least; low < most; { // low fits, more than most does not
		mid := (low + most + 1) / 2
		if q, err := plan(mid); err == nil {
			low, p = mid, q
		} else {
			most = mid - 1
		}
	}
	r.Context, r.Total = p.Context, p.Weights+p.KV+p.Scratch
	return nil
}

// write writes the report for people.
func (r checkReport) write(w io.Writer) error {
	if !r.Runs {
		_, err := fmt.Fprintf(w, "%s: no: %s\n", r.File, r.Why)
		return err
	}
	memory := "whose memory is not known"
	if r.Memory > 0 {
		memory = "of " + term.Bytes(r.Memory)
	}
	_, err := fmt.Fprintf(w, "%s: yes\narchitecture %s\ntokenizer %s\nadapter %s, %s\ncontext up to %s of %d, KV in %s: %s, of which weights %s\n",
		r.File, r.Architecture, r.Tokenizer, r.Adapter, memory, plural(r.Context, "token"), r.Trained, r.KVType, term.Bytes(r.Total), term.Bytes(r.Weights))
	return err
}
