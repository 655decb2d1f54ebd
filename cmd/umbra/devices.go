package main

import (
	"errors"
	"fmt"
	"strconv"

	"umbra"
	"umbra/cmd/umbra/internal/term"
	"umbra/gpu"
	"umbra/internal/places"
)

// adapterFlag is shared by the commands that open an adapter.
type adapterFlag struct {
	Adapter string `placeholder:"WHICH" help:"Adapter to use: its number, its kind (discrete, integrated, cpu) or part of its name. Several, as 0,1, share out the layers of a model where one is run. Default: $$UMBRA_ADAPTER, else the best."`
	Limits  string `enum:"adapter,floor" default:"adapter" help:"Limits to keep to: all that the adapter has, or floor, WebGPU's default ones, which every WebGPU device has."`
}

// device is how the adapter is opened.
func (f adapterFlag) device() gpu.Options {
	return gpu.Options{Adapter: f.Adapter, Limits: gpu.LimitSet(f.Limits)}
}

// adaptersFlag is shared by the commands that run a model, on one adapter or several.
type adaptersFlag struct {
	adapterFlag
	Split      []float64 `placeholder:"SHARES" help:"Of several adapters, the share of the layers that each gets: 3,1, or numbers of layers, as 24,8. Default: in proportion to their memory."`
	MicroBatch int       `placeholder:"N" help:"Of several adapters: pass about N token rows of a step on at a time, so that each computes others at the same time. Default: a step's rows over the adapters, at least 64."`
}

// open opens the adapters for a model.
func (f adaptersFlag) open(c *console, profile bool) (*places.Places, error) {
	o := places.Options{Device: f.device(), Split: f.Split, Tuned: true, Warn: func(err error) { c.warn("%v", err) }}
	o.Device.Profile = profile
	return places.Open(o)
}

// sayPlaces tells which adapters are used, and why, before a model is loaded.
func sayPlaces(c *console, p *places.Places) {
	c.say("%s", chosen(p.All[0].Device.Verdicts()))
	for _, at := range p.All {
		if at.Path != "" {
			all, others := at.Tuning.Choices.Count()
			c.say("%s", tunedText(umbra.Tuned{Path: at.Path, Choices: all, Others: others}))
		}
	}
}

// sayLines tells what there is to tell line by line.
func sayLines(c *console, lines []string) {
	for _, line := range lines {
		c.say("%s", line)
	}
}

type devicesCommand struct {
	adapterFlag
	JSON bool `help:"Write JSON."`
}

func (devicesCommand) Help() string {
	return `The adapter with a * is the one that other commands use. Discrete GPUs come before integrated
ones, then those that don't say, then CPUs; --adapter forces one, or several that share out the layers
of a model. The limits shown are those that a command opens it with.

Examples:
  umbra devices
  umbra devices --adapter cpu
  umbra devices --adapter 0,1
  umbra devices --limits floor
  umbra devices --json`
}

func (d devicesCommand) Run(c *console) error {
	verdicts, err := gpu.Devices(d.device())
	if err != nil {
		return err
	}
	if d.JSON {
		err = writeJSON(c.out, devicesJSON(verdicts))
	} else if len(verdicts) > 0 {
		_, err = devicesTable(verdicts).WriteTo(c.out)
	}
	if err != nil {
		return err
	}
	return unusable(verdicts)
}

// unusable is nil if one of the adapters is chosen, and else says what to do about it.
func unusable(verdicts []gpu.Verdict) error {
	for _, v := range verdicts {
		if v.Chosen {
			return nil
		}
	}
	if len(verdicts) == 0 {
		return errors.New(`no WebGPU adapter found; install a Vulkan driver (README, "No GPU")`)
	}
	return errors.New("none of these adapters can be used, for the reasons given; --adapter and $UMBRA_ADAPTER choose among those that can")
}

func devicesTable(verdicts []gpu.Verdict) *term.Table {
	t := term.NewTable(">#", "adapter", "kind", "backend", ">buffer", ">binding", ">bindings", ">group", ">group memory", "timestamps", "driver", "verdict")
	for _, v := range verdicts {
		mark, clock := "", "no"
		if v.Chosen {
			mark = "* "
		}
		if v.Timestamps {
			clock = "yes"
		}
		l := v.Limits
		t.Row(mark+strconv.Itoa(v.Index), v.Name, v.Kind.String(), v.Backend, term.Bytes(l.BufferSize), term.Bytes(l.StorageBindingSize),
			fmt.Sprint(l.StorageBuffers), fmt.Sprint(l.WorkgroupInvocations), term.Bytes(uint64(l.WorkgroupStorage)), clock, v.Driver, v.Reason)
	}
	return t
}

// deviceJSON is a verdict with the names that scripts may rely on.
type deviceJSON struct {
	Index      int        `json:"index"`
	Name       string     `json:"name"`
	Driver     string     `json:"driver"`
	Backend    string     `json:"backend"`
	Kind       string     `json:"kind"`
	VendorID   uint32     `json:"vendor_id"`
	DeviceID   uint32     `json:"device_id"`
	Timestamps bool       `json:"timestamps"`
	Chosen     bool       `json:"chosen"`
	Reason     string     `json:"reason"`
	Limits     limitsJSON `json:"limits"`
}

// limitsJSON holds sizes in bytes and counts.
type limitsJSON struct {
	Buffer               uint64 `json:"buffer_bytes"`
	StorageBinding       uint64 `json:"storage_binding_bytes"`
	UniformBinding       uint64 `json:"uniform_binding_bytes"`
	StorageBuffers       uint32 `json:"storage_buffers_per_stage"`
	WorkgroupStorage     uint32 `json:"workgroup_bytes"`
	WorkgroupInvocations uint32 `json:"workgroup_invocations"`
	WorkgroupsPerDim     uint32 `json:"workgroups_per_dimension"`
}

func devicesJSON(verdicts []gpu.Verdict) []deviceJSON {
	all := make([]deviceJSON, 0, len(verdicts))
	for _, v := range verdicts {
		l := v.Limits
		all = append(all, deviceJSON{
			Index: v.Index, Name: v.Name, Driver: v.Driver, Backend: v.Backend, Kind: v.Kind.String(),
			VendorID: v.VendorID, DeviceID: v.DeviceID, Timestamps: v.Timestamps, Chosen: v.Chosen, Reason: v.Reason,
			Limits: limitsJSON{l.BufferSize, l.StorageBindingSize, l.UniformBindingSize, l.StorageBuffers, l.WorkgroupStorage, l.WorkgroupInvocations, l.WorkgroupsPerDim},
		})
	}
	return all
}
