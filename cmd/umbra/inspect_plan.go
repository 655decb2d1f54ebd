package main

import (
	"fmt"
	"io"
	"strings"

	"umbra/cmd/umbra/internal/term"
	"umbra/gpu"
	"umbra/internal/places"
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
	KVTokens        int    `json:"kv_tokens"`       // of all blocks; without windows context × sequences, in whole blocks
	KVLayers        int    `json:"kv_block_layers"` // layers that a block has tokens of
	// Groups are the layers that see the same tokens, where some have a window. KVBytesPerToken is then that of the others, which alone grow.
	Groups  []groupReport `json:"kv_groups,omitempty"`
	Weights uint64        `json:"weights_bytes"`
	KV      uint64        `json:"kv_bytes"`
	Scratch uint64        `json:"scratch_bytes"`
	Total   uint64        `json:"total_bytes"`
	// Devices are what each of several devices takes of it.
	Devices []stageReport `json:"devices,omitempty"`
	// Expanded are the types that become larger ones when the file is loaded, which Weights counts.
	Expanded []expansionReport `json:"expanded,omitempty"`
}

// groupReport is layers whose rows see the same tokens, all or a window.
type groupReport struct {
	Window int `json:"window"`
	Layers int `json:"layers"`
}

// stageReport is what a device takes that has some of the layers.
type stageReport struct {
	First   int    `json:"first_layer"`
	Layers  int    `json:"layers"`
	Weights uint64 `json:"weights_bytes"`
	KV      uint64 `json:"kv_bytes"`
	Scratch uint64 `json:"scratch_bytes"`
	Total   uint64 `json:"total_bytes"`
	text    string
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

// shares are those of several devices: as told, or by the memory of adapters that are listed. Nil is one device.
func (i *inspectCommand) shares() ([]float64, error) {
	if i.Split != nil || !strings.Contains(i.Adapter, ",") {
		return i.Split, nil
	}
	_, split, err := places.Judge(places.Options{Device: i.device()})
	return split, err
}

// roomyFor are the limits of as many devices as there are shares, one without any.
func roomyFor(split []float64) []gpu.Limits {
	all := []gpu.Limits{roomy}
	for len(all) < len(split) {
		all = append(all, roomy)
	}
	return all
}

// planOf works out what running a file takes, for sequences of context tokens (0: as many as a run takes), on one device or shared out. It
// gives the reason instead for a file that umbra cannot run, and an error for a plan the file does not allow.
func planOf(f *gguf.File, context, sequences int, kvType string, split []float64) (*model.Plan, string, error) {
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
	o := model.Options{Context: context, Sequences: sequences, KVType: kv, Split: split, Contexts: sequences}
	p, err := model.PlanSplit(f, o, roomyFor(split))
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
	var devices []stageReport
	if len(p.Stages) > 1 {
		for _, s := range p.Stages {
			devices = append(devices, stageReport{s.First, s.End - s.First, s.Weights, s.KV, s.Scratch, s.Bytes(), s.String()})
		}
	}
	growing := c.KVBytesPerToken(kv)
	var groups []groupReport
	if p.Windowed() {
		growing = 0
		for _, g := range p.Groups {
			groups = append(groups, groupReport{g.Window, g.Layers})
			if g.Window == 0 {
				growing = uint64(g.Lanes) * p.BlockBytes() / model.BlockSize
			}
		}
	}
	return &memoryReport{
		Devices: devices, Groups: groups, KVLayers: p.Depth,
		Context: p.Context, Sequences: p.Sequences, Layers: c.Layers, KVHeads: c.KVHeads, HeadDim: c.HeadDim,
		KVType: kv.String(), KVElement: kv.Bytes(), KVScale: kv.ScaleBytes(), KVBytesPerToken: growing, KVTokens: p.Blocks * model.BlockSize,
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
		fmt.Sprintf("= 2 × %d layers × %d kv heads × %s × %d tokens", m.KVLayers, m.KVHeads, head, m.KVTokens))
	t.Row("scratch", term.Count(m.Scratch), term.Bytes(m.Scratch))
	t.Row("total", term.Count(m.Total), term.Bytes(m.Total))
	if _, err := t.WriteTo(w); err != nil {
		return err
	}
	if err := m.writeDevices(w); err != nil {
		return err
	}
	for _, x := range m.Expanded {
		fmt.Fprintln(w, x.text)
	}
	for _, g := range m.Groups {
		if g.Window > 0 {
			fmt.Fprintf(w, "%s keep %s of KV, their window\n", plural(g.Layers, "layer"), plural(g.Window, "token"))
		}
	}
	_, err := fmt.Fprintf(w, "each token of context adds %s of KV\n", term.Bytes(m.KVBytesPerToken))
	return err
}

// writeDevices writes a line for each of several devices.
func (m memoryReport) writeDevices(w io.Writer) error {
	if m.Devices == nil {
		return nil
	}
	fmt.Fprintln(w)
	t := term.NewTable("device", "", ">weights", ">KV", ">scratch", ">total")
	for i, d := range m.Devices {
		t.Row(fmt.Sprint(i+1), d.text, term.Bytes(d.Weights), term.Bytes(d.KV), term.Bytes(d.Scratch), term.Bytes(d.Total))
	}
	_, err := t.WriteTo(w)
	return err
}

// plural writes a number of things.
func plural(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}
