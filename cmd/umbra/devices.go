package main

import (
	"errors"
	"fmt"
	"strconv"

	"umbra/cmd/umbra/internal/term"
	"umbra/gpu"
)

// adapterFlag is shared by the commands that open an adapter.
type adapterFlag struct {
	Adapter string `placeholder:"WHICH" help:"Adapter to use: its number, its kind (discrete, integrated, cpu) or part of its name. Default: $$UMBRA_ADAPTER, else the best."`
	Limits  string `enum:"adapter,floor" default:"adapter" help:"Limits to keep to: all that the adapter has, or floor, WebGPU's default ones, which every WebGPU device has."`
}

// device is how the adapter is opened.
func (f adapterFlag) device() gpu.Options {
	return gpu.Options{Adapter: f.Adapter, Limits: gpu.LimitSet(f.Limits)}
}

type devicesCommand struct {
	adapterFlag
	JSON bool `help:"Write JSON."`
}

func (devicesCommand) Help() string {
	return `The adapter with a * is the one that other commands use. Discrete GPUs come before integrated
ones, then those that don't say, then CPUs; --adapter forces one. The limits shown are those that a
command opens it with.

Examples:
  umbra devices
  umbra devices --adapter cpu
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
