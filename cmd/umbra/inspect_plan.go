package main

import (
	"fmt"
	"io"

	"umbra/cmd/umbra/internal/term"
	"umbra/gpu"
	"umbra/model"
	"umbra/model/gguf"
)

// memoryReport is what a model takes on a device, with the factors of its KV bytes.
type memoryReport struct {
	Context         int    `json:"context_tokens"`
	Sequences       int    `json:"sequences"`
	Layers          int    `json:"layers"`
	KVHeads         int    `json:"kv_heads"`
	HeadDim         int    `json:"head_dim"`
	KVType          string `json:"kv_type"`
	KVElement       int    `json:"kv_element_bytes"`
	KVScale         int    `json:"kv_scale_bytes"` // of each head of each token
	KVBytesPerToken uint64 `json:"kv_bytes_per_token"`
	KVTokens        int    `json:"kv_tokens"` // context × sequences, in whole blocks
	Weights         uint64 `json:"weights_bytes"`
	KV              uint64 `json:"kv_bytes"`
	Scratch         uint64 `json:"scratch_bytes"`
	Total           uint64 `json:"total_bytes"`
	// Expanded are the types that become larger ones when the file is loaded, which Weights counts.
	Expanded []expansionReport `json:"expanded,omitempty"`
}

type expansionReport struct {
	From    string `json:"from"`
	To      string `json:"to"`
	Tensors int    `json:"tensors"`
	Bytes   uint64 `json:"bytes"` // in the file
	After   uint64 `json:"expanded_bytes"`
	text    string
}

// roomy are limits that no plan meets: a plan within them shows what a model takes, whatever the adapter.
var roomy = gpu.Limits{BufferSize: 1 << 40, StorageBindingSize: 4<<30 - 4}

// planOf works out what running a file takes, for sequences of context tokens (0: as many as a run takes). It gives the
// reason instead for a file that umbra cannot run, and an error for a plan the file does not allow.
func planOf(f *gguf.File, context, sequences int, kvType string) (*model.Plan, string, error) {
	kv, err := model.ParseKVType(kvType)
	if err != nil {
		return nil, "", err
	}
	usual, err := model.PlanFor(f, model.Options{Sequences: 1}, roomy)
	if err != nil {
		return nil, err.Error(), nil
	}
	if context == 0 {
		context = usual.Context
	}
	o := model.Options{Context: context, Sequences: sequences, KVType: kv}
	o.Blocks = (context + model.BlockSize - 1) / model.BlockSize * sequences
	p, err := model.PlanFor(f, o, roomy)
	if err != nil {
		return nil, "", err
	}
	return &p, "", nil
}

// memoryOf sums a plan up.
func memoryOf(p model.Plan) *memoryReport {
	c, kv := p.Config, p.KVType
	var expanded []expansionReport
	for _, x := range p.Expanded {
		expanded = append(expanded, expansionReport{x.From.String(), x.To.String(), x.Tensors, x.Bytes, x.Expanded, x.String()})
	}
	return &memoryReport{
		Context: p.Context, Sequences: p.Sequences, Layers: c.Layers, KVHeads: c.KVHeads, HeadDim: c.HeadDim,
		KVType: kv.String(), KVElement: kv.Bytes(), KVScale: kv.ScaleBytes(), KVBytesPerToken: c.KVBytesPerToken(kv), KVTokens: p.Blocks * model.BlockSize,
		Weights: p.Weights, KV: p.KV, Scratch: p.Scratch, Total: p.Weights + p.KV + p.Scratch, Expanded: expanded,
	}
}

// write writes the plan for people, the KV sum with its factors.
func (m memoryReport) write(w io.Writer) error {
	fmt.Fprintf(w, "\nmemory for %s at %s of context, KV in %s\n", plural(m.Sequences, "sequence"), plural(m.Context, "token"), m.KVType)
	t := term.NewTable("part", ">bytes", ">", "")
	t.Row("weights", term.Count(m.Weights), term.Bytes(m.Weights))
	head := fmt.Sprintf("%d head dim × %d bytes", m.HeadDim, m.KVElement)
	if m.KVScale > 0 {
		head = fmt.Sprintf("(%s + %d of scale)", head, m.KVScale)
	}
	t.Row("KV", term.Count(m.KV), term.Bytes(m.KV),
		fmt.Sprintf("= 2 × %d layers × %d kv heads × %s × %d tokens", m.Layers, m.KVHeads, head, m.KVTokens))
	t.Row("scratch", term.Count(m.Scratch), term.Bytes(m.Scratch))
	t.Row("total", term.Count(m.Total), term.Bytes(m.Total))
	if _, err := t.WriteTo(w); err != nil {
		return err
	}
	for _, x := range m.Expanded {
		fmt.Fprintln(w, x.text)
	}
	_, err := fmt.Fprintf(w, "each token of context adds %s of KV\n", term.Bytes(m.KVBytesPerToken))
	return err
}

// plural writes a number of things.
func plural(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}
