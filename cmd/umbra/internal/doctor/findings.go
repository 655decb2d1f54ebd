package doctor

import (
	"fmt"
	"strings"

	"umbra/gpu"
)

// Finding is something that keeps a GPU from being used, or will surprise, and what to do about it.
type Finding struct {
	Problem string `json:"problem"`
	Remedy  string `json:"remedy,omitempty"`
}

// vendor is a maker of GPUs, with what its Vulkan drivers' names have in them.
type vendor struct {
	id      uint32
	name    string
	drivers []string
	remedy  string // where there is no driver
}

const mesaPackages = "apt-get install mesa-vulkan-drivers (Fedora too: mesa-vulkan-drivers; Arch: "

var vendors = []vendor{
	{0x10de, "NVIDIA", []string{"nvidia", "nouveau"}, "install NVIDIA's driver with its Vulkan part (Debian: nvidia-driver nvidia-vulkan-icd; Ubuntu: nvidia-driver-NNN; Arch: nvidia-utils)"},
	{0x1002, "AMD", []string{"radeon", "amd"}, mesaPackages + "vulkan-radeon)"},
	{0x8086, "Intel", []string{"intel"}, mesaPackages + "vulkan-intel)"},
}

// Findings are the conclusions, those that others follow from first. There are none where a GPU is used and nothing is odd.
func Findings(f Facts) (all []Finding) {
	add := func(some ...Finding) { all = append(all, some...) }
	if !f.uses(gpu.KindDiscrete, gpu.KindIntegrated, gpu.KindUnknown) {
		switch f.OS {
		case "linux":
			add(loader(f)...)
			add(named(f)...)
			add(described(f)...)
			add(cards(f)...)
			add(wsl(f)...)
		case "windows":
			add(Finding{"neither Direct3D 12 nor Vulkan shows a GPU", "install the GPU maker's driver; over remote desktop or in a virtual machine there may be none"})
		case "darwin":
			add(Finding{"Metal shows no GPU", "in a virtual machine there is none; else update macOS"})
		}
		add(software(f)...)
	}
	add(refused(f)...)
	add(ignored(f)...)
	return all
}

// uses reports whether an adapter of one of the kinds is chosen.
func (f Facts) uses(kinds ...gpu.Kind) bool {
	for _, a := range f.Adapters {
		for _, k := range kinds {
			if a.Chosen && a.Kind == k {
				return true
			}
		}
	}
	return false
}

// loader: without it no driver is reached.
func loader(f Facts) []Finding {
	if f.Loader != "" || len(f.Adapters) > 0 {
		return nil
	}
	return []Finding{{"the Vulkan loader, libvulkan.so.1, is not installed: without it no driver is reached",
		"apt-get install libvulkan1 (Fedora: vulkan-loader; Arch: vulkan-icd-loader)"}}
}

// named: a variable names drivers, and the loader looks at no others.
func named(f Facts) (all []Finding) {
	if f.NamedBy == "" {
		return nil
	}
	for _, file := range f.Missing {
		all = append(all, Finding{fmt.Sprintf("%s names %s, which is not there", f.NamedBy, file), "unset " + f.NamedBy + ", or name a file that is there"})
	}
	for _, v := range vendors {
		if len(f.Drivers) > 0 && f.has(v) && f.driverOf(v) == nil && !f.shows(v) {
			all = append(all, Finding{fmt.Sprintf("%s lets the Vulkan loader see %s only, which is no driver for the %s GPU here", f.NamedBy, files(f.Drivers), v.name), "unset " + f.NamedBy})
		}
	}
	return all
}

// described: there is no description of a driver, or its library is missing.
func described(f Facts) (all []Finding) {
	if len(f.Drivers) == 0 && f.NamedBy == "" {
		remedy := mesaPackages + "vulkan-radeon, vulkan-intel or vulkan-swrast); an NVIDIA GPU's comes with NVIDIA's driver"
		all = append(all, Finding{"no Vulkan driver is installed: none is described in /usr/share/vulkan/icd.d or its like", remedy})
	}
	for _, d := range f.Drivers {
		if d.Lacking {
			all = append(all, Finding{fmt.Sprintf("%s describes a Vulkan driver whose library, %s, is not there", d.File, d.Library), "install the driver's package again, or remove the file"})
		}
	}
	return all
}

// cards: why a GPU on the bus is no adapter.
func cards(f Facts) (all []Finding) {
	found := false
	for _, v := range vendors {
		if !f.has(v) {
			continue
		}
		found = true
		if !f.shows(v) {
			all = append(all, card(f, v)...)
		}
	}
	if !found && !f.WSL && !f.Nvidia && len(f.Nodes) == 0 {
		all = append(all, Finding{"the machine shows no GPU of NVIDIA, AMD or Intel on its PCI bus", "a virtual machine needs one passed through to it; without one, kernels run on the CPU"})
	}
	return all
}

// card: why the GPUs of a maker are no adapters.
func card(f Facts, v vendor) (all []Finding) {
	kernel := f.kernelOf(v)
	here := "the " + v.name + " GPU"
	add := func(problem, remedy string) { all = append(all, Finding{problem, remedy}) }
	switch {
	case kernel == "vfio-pci":
		add(here+" is set aside for virtual machines (kernel driver vfio-pci)", "give it back to its own driver")
		return all
	case v.name == "NVIDIA" && kernel != "nouveau":
		switch {
		case !f.Nvidia && f.Container != "":
			add(here+" is not passed into this container: it has no /dev/nvidiactl", "docker run --gpus all -e NVIDIA_DRIVER_CAPABILITIES=all, with the NVIDIA Container Toolkit on the host")
			return all
		case kernel == "" && f.Container == "":
			add(here+" has no kernel driver", "install NVIDIA's driver, and restart; with Secure Boot its module has to be signed")
			return all
		}
	default:
		all = append(all, nodes(f, here)...)
		if len(all) > 0 {
			return all
		}
	}
	if d := f.driverOf(v); d == nil && f.NamedBy == "" {
		problem, remedy := fmt.Sprintf("%s has no Vulkan driver here: none of those that are installed (%s) is its", here, files(f.Drivers)), v.remedy
		if v.name == "NVIDIA" && f.Container != "" {
			problem = "this container has the " + v.name + " GPU, but not its Vulkan driver: NVIDIA's description, nvidia_icd.json, is missing"
			remedy = "the container needs the graphics capability: -e NVIDIA_DRIVER_CAPABILITIES=all"
		}
		add(problem, remedy)
	} else if d != nil && !d.Lacking {
		add(fmt.Sprintf("%s and its Vulkan driver (%s) are there, and the driver does not offer it", here, d.File),
			"its kernel and user parts may be of different versions (restart after an update), or the GPU is too old for Vulkan; vulkaninfo tells more")
	}
	return all
}

// nodes: the device files through which Mesa's drivers reach a GPU.
func nodes(f Facts, here string) []Finding {
	if len(f.Nodes) == 0 {
		if f.Container != "" {
			return []Finding{{here + " is not passed into this container: it has no /dev/dri", "docker run --device /dev/dri"}}
		}
		return []Finding{{here + " has no render node: there is no /dev/dri/renderD*", "its kernel driver (amdgpu, i915 or xe) is not loaded, or is switched off by nomodeset"}}
	}
	var denied []string
	for _, n := range f.Nodes {
		if !n.Denied {
			return nil
		}
		denied = append(denied, n.Path)
	}
	remedy := "sudo usermod -aG render,video $USER, and log in again"
	if f.Container != "" {
		remedy = "docker run --group-add with the number of the host's group render"
	}
	return []Finding{{"this user may not open " + strings.Join(denied, ", "), remedy}}
}

// wsl: Windows' subsystem for Linux has its own way to the GPU.
func wsl(f Facts) []Finding {
	switch {
	case !f.WSL:
		return nil
	case !f.DXG:
		return []Finding{{"this is WSL without a GPU: there is no /dev/dxg", "update Windows' GPU driver and WSL (wsl --update), or run umbra's Windows program, which uses Direct3D 12"}}
	}
	return []Finding{{"this is WSL: its GPU is reached through /dev/dxg, for which Linux distributions install no Vulkan driver",
		"run umbra's Windows program, which uses Direct3D 12; or a Mesa with the dzn driver (Vulkan over Direct3D 12)"}}
}

// software: what is used instead.
func software(f Facts) []Finding {
	if !f.uses(gpu.KindCPU) {
		return nil
	}
	if want := f.value(gpu.AdapterEnv); want != "" {
		return []Finding{{fmt.Sprintf("%s=%s chooses the CPU", gpu.AdapterEnv, want), "unset it for the best adapter"}}
	}
	return []Finding{{"only a software adapter is there: kernels run on the CPU, which is right but slow", ""}}
}

// refused: adapters that are there and cannot be used, by gpu's own verdict.
func refused(f Facts) (all []Finding) {
	for _, a := range f.Adapters {
		switch {
		case strings.HasPrefix(a.Reason, "too small"):
			all = append(all, Finding{fmt.Sprintf("adapter %d, %s, is %s", a.Index, a.Name, a.Reason), "a newer driver may give more; the floor is what every WebGPU device has"})
		case a.Kind == gpu.KindUnknown && a.Chosen:
			all = append(all, Finding{fmt.Sprintf("adapter %d, %s, does not say whether it is a GPU", a.Index, a.Name), "virtual machines' adapters may be slow; --adapter chooses another"})
		}
	}
	if len(f.Adapters) > 0 && !f.uses(gpu.KindCPU, gpu.KindDiscrete, gpu.KindIntegrated, gpu.KindUnknown) {
		all = append(all, Finding{"none of the adapters is chosen", "leave out --adapter and " + gpu.AdapterEnv + ", or name one of those that umbra devices lists"})
	}
	return all
}

// ignored: variables that other programs read, and those that hide drivers from all.
func ignored(f Facts) (all []Finding) {
	if v := f.value("WGPU_BACKEND"); v != "" {
		all = append(all, Finding{fmt.Sprintf("WGPU_BACKEND=%s is set, which umbra does not read: it uses %s, never OpenGL", v, backends(f.OS)), ""})
	}
	for _, name := range []string{"VK_LOADER_DRIVERS_DISABLE", "VK_LOADER_DRIVERS_SELECT"} {
		if v := f.value(name); v != "" {
			all = append(all, Finding{fmt.Sprintf("%s=%s hides Vulkan drivers", name, v), "unset it if a GPU is missing"})
		}
	}
	return all
}

// backends are what gpu asks for on a system.
func backends(os string) string {
	switch os {
	case "darwin":
		return "Metal"
	case "windows":
		return "Direct3D 12 and Vulkan"
	}
	return "Vulkan"
}

// has reports whether a maker's GPU is on the bus.
func (f Facts) has(v vendor) bool {
	for _, g := range f.GPUs {
		if g.Vendor == v.id {
			return true
		}
	}
	return false
}

// shows reports whether a maker's GPU is an adapter.
func (f Facts) shows(v vendor) bool {
	for _, a := range f.Adapters {
		if a.VendorID == v.id && a.Kind != gpu.KindCPU {
			return true
		}
	}
	return false
}

// kernelOf is the kernel's driver for a maker's first GPU that has one.
func (f Facts) kernelOf(v vendor) string {
	for _, g := range f.GPUs {
		if g.Vendor == v.id && g.Kernel != "" {
			return g.Kernel
		}
	}
	return ""
}

// driverOf is the first Vulkan driver for a maker's GPUs.
func (f Facts) driverOf(v vendor) *Driver {
	for i, d := range f.Drivers {
		text := strings.ToLower(d.File[strings.LastIndex(d.File, "/")+1:] + " " + d.Library[strings.LastIndex(d.Library, "/")+1:])
		for _, part := range v.drivers {
			if strings.Contains(text, part) {
				return &f.Drivers[i]
			}
		}
	}
	return nil
}

func files(all []Driver) string {
	var names []string
	for _, d := range all {
		names = append(names, d.File[strings.LastIndex(d.File, "/")+1:])
	}
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}
