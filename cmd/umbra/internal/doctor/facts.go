// Package doctor says in plain words why a GPU is not used: it collects what a machine shows of its GPUs and drivers, and draws conclusions from that.
package doctor

import "umbra/gpu"

// Facts are what a machine shows. The zero value of a part is that it is not there, or that the system has no such thing.
type Facts struct {
	OS        string `json:"os"` // as runtime.GOOS has it
	Arch      string `json:"arch"`
	System    string `json:"system,omitempty"` // the distribution or version
	Kernel    string `json:"kernel,omitempty"`
	CPU       string `json:"cpu,omitempty"`
	Cores     int    `json:"cores"`
	Memory    uint64 `json:"memory_bytes,omitempty"`
	Available uint64 `json:"available_bytes,omitempty"` // of Memory
	WSL       bool   `json:"wsl,omitempty"`
	Container string `json:"container,omitempty"` // what shows that this is one

	Loader  string   `json:"vulkan_loader,omitempty"`  // path
	Drivers []Driver `json:"vulkan_drivers,omitempty"` // those that the loader finds
	NamedBy string   `json:"drivers_named_by,omitempty"`
	Missing []string `json:"named_drivers_missing,omitempty"` // files that NamedBy names and that are not there

	GPUs   []GPU  `json:"gpus,omitempty"`         // on the PCI bus
	Nodes  []Node `json:"render_nodes,omitempty"` // /dev/dri/renderD*
	Nvidia bool   `json:"dev_nvidia,omitempty"`   // /dev/nvidiactl is there
	DXG    bool   `json:"dev_dxg,omitempty"`      // /dev/dxg is there, WSL's way to the GPU

	Environment []Variable `json:"environment,omitempty"`

	Adapters     []gpu.Verdict `json:"-"`
	AdapterError string        `json:"adapter_error,omitempty"`
}

// Driver is a Vulkan driver as its description (ICD) has it.
type Driver struct {
	File    string `json:"file"`
	Library string `json:"library,omitempty"`
	Lacking bool   `json:"library_missing,omitempty"` // Library is a path, and there is nothing
}

// GPU is a display or 3D controller.
type GPU struct {
	Address string `json:"address"`
	Vendor  uint32 `json:"vendor_id"`
	Device  uint32 `json:"device_id"`
	Kernel  string `json:"kernel_driver,omitempty"`
}

// Node is a device file through which a driver reaches a GPU.
type Node struct {
	Path   string `json:"path"`
	Denied bool   `json:"denied,omitempty"` // to this user
}

// Variable is one of the environment that matters; secrets are not in it.
type Variable struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// value is an environment variable's, "" if it is not set.
func (f Facts) value(name string) string {
	for _, v := range f.Environment {
		if v.Name == name {
			return v.Value
		}
	}
	return ""
}
