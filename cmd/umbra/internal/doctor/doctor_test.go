package doctor

import (
	"io/fs"
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"umbra/gpu"
)

func verdict(vendor uint32, kind gpu.Kind, chosen bool, reason string) gpu.Verdict {
	return gpu.Verdict{AdapterInfo: gpu.AdapterInfo{Name: "X", VendorID: vendor, Kind: kind}, Chosen: chosen, Reason: reason}
}

var (
	lavapipe  = Driver{File: "/usr/share/vulkan/icd.d/lvp_icd.json", Library: "/usr/lib/libvulkan_lvp.so"}
	radeonICD = Driver{File: "/usr/share/vulkan/icd.d/radeon_icd.json", Library: "/usr/lib/libvulkan_radeon.so"}
	nvidiaICD = Driver{File: "/usr/share/vulkan/icd.d/nvidia_icd.json", Library: "libGLX_nvidia.so.0"}
	onCPU     = []gpu.Verdict{verdict(0x10005, gpu.KindCPU, true, "a CPU adapter: no GPU adapter was found")}
	amd       = []GPU{{Address: "0000:01:00.0", Vendor: 0x1002, Device: 1, Kernel: "amdgpu"}}
	node      = []Node{{Path: "/dev/dri/renderD128"}}
)

func nvidia(kernel string) []GPU { return []GPU{{Vendor: 0x10de, Device: 1, Kernel: kernel}} }

// TestFindings: each reason that a GPU is not used, by what a machine with it shows.
func TestFindings(t *testing.T) {
	for _, c := range []struct {
		name string
		f    Facts
		want []string // parts of the findings' problems and remedies, in order; all of them
	}{
		{"a GPU at work", Facts{OS: "linux", Loader: "/l", Adapters: []gpu.Verdict{verdict(0x10de, gpu.KindDiscrete, true, "")}}, nil},
		{"no loader, no driver", Facts{OS: "linux", GPUs: amd, Nodes: node}, []string{"libvulkan.so.1, is not installed", "no Vulkan driver is installed", "none of those that are installed (none) is its|vulkan-radeon"}},
		{"no driver", Facts{OS: "linux", Loader: "/l", GPUs: amd, Nodes: node}, []string{"no Vulkan driver is installed|mesa-vulkan-drivers", "the AMD GPU has no Vulkan driver here"}},
		{"named and missing", Facts{OS: "linux", Loader: "/l", NamedBy: "VK_DRIVER_FILES", Missing: []string{"/no.json"}, GPUs: amd, Nodes: node},
			[]string{"VK_DRIVER_FILES names /no.json, which is not there|unset VK_DRIVER_FILES"}},
		{"named away", Facts{OS: "linux", Loader: "/l", NamedBy: "VK_ICD_FILENAMES", Drivers: []Driver{lavapipe}, GPUs: amd, Nodes: node, Adapters: onCPU},
			[]string{"VK_ICD_FILENAMES lets the Vulkan loader see lvp_icd.json only, which is no driver for the AMD GPU|unset VK_ICD_FILENAMES", "only a software adapter"}},
		{"library missing", Facts{OS: "linux", Loader: "/l", Drivers: []Driver{lavapipe, {File: "/radeon_icd.json", Library: "/gone.so", Lacking: true}}, GPUs: amd, Nodes: node, Adapters: onCPU},
			[]string{"/radeon_icd.json describes a Vulkan driver whose library, /gone.so, is not there", "only a software adapter"}},
		{"no GPU", Facts{OS: "linux", Loader: "/l", Drivers: []Driver{lavapipe}, GPUs: []GPU{{Vendor: 0x1af4}}, Adapters: onCPU}, []string{"shows no GPU of NVIDIA, AMD or Intel", "only a software adapter"}},
		{"no driver of its kind", Facts{OS: "linux", Loader: "/l", Drivers: []Driver{lavapipe}, GPUs: amd, Nodes: node, Adapters: onCPU},
			[]string{"the AMD GPU has no Vulkan driver here: none of those that are installed (lvp_icd.json) is its|vulkan-radeon", "only a software adapter"}},
		{"no permission", Facts{OS: "linux", Loader: "/l", Drivers: []Driver{lavapipe, radeonICD}, GPUs: amd, Nodes: []Node{{"/dev/dri/renderD128", true}}, Adapters: onCPU},
			[]string{"this user may not open /dev/dri/renderD128|usermod -aG render,video", "only a software adapter"}},
		{"no permission in a container", Facts{OS: "linux", Loader: "/l", Container: "/.dockerenv", Drivers: []Driver{radeonICD}, GPUs: amd, Nodes: []Node{{"/dev/dri/renderD128", true}}}, []string{"may not open|--group-add"}},
		{"container without /dev/dri", Facts{OS: "linux", Loader: "/l", Container: "/.dockerenv", Drivers: []Driver{lavapipe, radeonICD}, GPUs: amd, Adapters: onCPU},
			[]string{"the AMD GPU is not passed into this container: it has no /dev/dri|docker run --device /dev/dri", "only a software adapter"}},
		{"nomodeset", Facts{OS: "linux", Loader: "/l", Drivers: []Driver{lavapipe, radeonICD}, GPUs: amd, Adapters: onCPU}, []string{"has no render node|nomodeset", "only a software adapter"}},
		{"set aside", Facts{OS: "linux", Loader: "/l", Drivers: []Driver{lavapipe}, GPUs: nvidia("vfio-pci"), Adapters: onCPU}, []string{"set aside for virtual machines", "only a software adapter"}},
		{"driver that does not offer it", Facts{OS: "linux", Loader: "/l", Drivers: []Driver{radeonICD, lavapipe}, GPUs: amd, Nodes: node, Adapters: onCPU},
			[]string{"its Vulkan driver (/usr/share/vulkan/icd.d/radeon_icd.json) are there, and the driver does not offer it|vulkaninfo", "only a software adapter"}},
		{"NVIDIA, no kernel driver", Facts{OS: "linux", Loader: "/l", Drivers: []Driver{lavapipe}, GPUs: nvidia(""), Adapters: onCPU}, []string{"the NVIDIA GPU has no kernel driver|Secure Boot", "only a software adapter"}},
		{"NVIDIA, container without it", Facts{OS: "linux", Loader: "/l", Container: "/.dockerenv", Drivers: []Driver{lavapipe}, GPUs: nvidia("nvidia"), Adapters: onCPU}, []string{"it has no /dev/nvidiactl|--gpus all", "only a software adapter"}},
		{"NVIDIA, container without graphics", Facts{OS: "linux", Loader: "/l", Container: "/.dockerenv", Nvidia: true, Drivers: []Driver{lavapipe}, GPUs: nvidia("nvidia"), Adapters: onCPU},
			[]string{"nvidia_icd.json, is missing|NVIDIA_DRIVER_CAPABILITIES=all", "only a software adapter"}},
		{"NVIDIA without its Vulkan part", Facts{OS: "linux", Loader: "/l", Nvidia: true, Drivers: []Driver{lavapipe}, GPUs: nvidia("nvidia"), Adapters: onCPU},
			[]string{"the NVIDIA GPU has no Vulkan driver here|nvidia-vulkan-icd", "only a software adapter"}},
		{"NVIDIA, parts of two versions", Facts{OS: "linux", Loader: "/l", Nvidia: true, Drivers: []Driver{nvidiaICD, lavapipe}, GPUs: nvidia("nvidia"), Adapters: onCPU}, []string{"does not offer it|different versions", "only a software adapter"}},
		{"WSL", Facts{OS: "linux", WSL: true, DXG: true, Loader: "/l", Drivers: []Driver{lavapipe}, Adapters: onCPU}, []string{"this is WSL|Windows program", "only a software adapter"}},
		{"WSL without a GPU", Facts{OS: "linux", WSL: true, Loader: "/l", Drivers: []Driver{lavapipe}, Adapters: onCPU}, []string{"there is no /dev/dxg|wsl --update", "only a software adapter"}},
		{"Windows", Facts{OS: "windows"}, []string{"neither Direct3D 12 nor Vulkan shows a GPU"}},
		{"macOS", Facts{OS: "darwin"}, []string{"Metal shows no GPU"}},
		{"below the floor", Facts{OS: "linux", Loader: "/l", Drivers: []Driver{radeonICD}, GPUs: amd, Nodes: node, Adapters: []gpu.Verdict{verdict(0x1002, gpu.KindIntegrated, false, "too small: 4 storage buffers below the WebGPU floor")}},
			[]string{"adapter 0, X, is too small: 4 storage buffers below the WebGPU floor", "none of the adapters is chosen"}},
		{"no match", Facts{OS: "darwin", Adapters: []gpu.Verdict{verdict(1, gpu.KindIntegrated, false, `does not match "radeon"`)}}, []string{"Metal shows no GPU", "none of the adapters is chosen|leave out --adapter and UMBRA_ADAPTER"}},
		{"the CPU by choice", Facts{OS: "linux", Loader: "/l", Drivers: []Driver{lavapipe, radeonICD}, GPUs: amd, Nodes: node, Environment: []Variable{{"UMBRA_ADAPTER", "cpu"}},
			Adapters: []gpu.Verdict{verdict(0x10005, gpu.KindCPU, true, ""), verdict(0x1002, gpu.KindDiscrete, false, `does not match "cpu"`)}}, []string{"UMBRA_ADAPTER=cpu chooses the CPU"}},
		{"another backend", Facts{OS: "linux", Adapters: []gpu.Verdict{verdict(0x10de, gpu.KindDiscrete, true, "")}, Environment: []Variable{{"VK_LOADER_DRIVERS_DISABLE", "*nv*"}, {"WGPU_BACKEND", "gl"}}},
			[]string{"WGPU_BACKEND=gl is set, which umbra does not read: it uses Vulkan", "VK_LOADER_DRIVERS_DISABLE=*nv* hides"}},
		{"unknown kind", Facts{OS: "linux", Adapters: []gpu.Verdict{verdict(1, gpu.KindUnknown, true, "")}}, []string{"does not say whether it is a GPU"}},
	} {
		got := Findings(c.f)
		if !assert.Len(t, got, len(c.want), "%s: %v", c.name, got) {
			continue
		}
		for i, want := range c.want {
			problem, remedy, _ := strings.Cut(want, "|")
			assert.Contains(t, got[i].Problem, problem, c.name)
			assert.Contains(t, got[i].Remedy, remedy, c.name)
		}
	}
}

// closed is a file system in which a file may not be opened.
type closed struct {
	fstest.MapFS
	name string
}

func (c closed) Open(name string) (fs.File, error) {
	if name == c.name {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrPermission}
	}
	return c.MapFS.Open(name)
}

// TestLinux reads a machine made of a few files.
func TestLinux(t *testing.T) {
	text := func(s string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(s)} }
	root := closed{fstest.MapFS{
		"proc/sys/kernel/osrelease":                  text("5.15.1-microsoft-standard-WSL2\n"),
		"etc/os-release":                             text("NAME=D\nPRETTY_NAME=\"Debian 12\"\n"),
		"proc/cpuinfo":                               text("processor : 0\nmodel name\t: Epyc\n"),
		"proc/meminfo":                               text("MemTotal:       2048 kB\nMemFree: 1 kB\nMemAvailable:   1024 kB\n"),
		"proc/1/cgroup":                              text("0::/system.slice/docker-123.scope\n"),
		"usr/lib/x86_64-linux-gnu/libvulkan.so.1":    text(""),
		"usr/lib/x86_64-linux-gnu/libvulkan_lvp.so":  text(""),
		"usr/share/vulkan/icd.d/lvp.json":            text(`{"ICD": {"library_path": "/usr/lib/x86_64-linux-gnu/libvulkan_lvp.so"}}`),
		"usr/share/vulkan/icd.d/nv.json":             text(`{"ICD": {"library_path": "libGLX_nvidia.so.0"}}`),
		"home/me/.local/share/vulkan/icd.d/own.json": text(`{"ICD": {"library_path": "./own.so"}}`),
		"sys/bus/pci/devices/0000:00:01.0/class":     text("0x020000\n"),
		"sys/bus/pci/devices/0000:01:00.0/class":     text("0x030200\n"),
		"sys/bus/pci/devices/0000:01:00.0/vendor":    text("0x10de\n"),
		"sys/bus/pci/devices/0000:01:00.0/device":    text("0x2335\n"),
		"sys/bus/pci/devices/0000:01:00.0/uevent":    text("DRIVER=nvidia\nPCI_CLASS=30200\n"),
		"dev/dri/card0":                              text(""),
		"dev/dri/renderD128":                         text(""),
		"dev/dri/renderD129":                         text(""),
		"dev/nvidiactl":                              text(""),
		"dev/dxg":                                    text(""),
		"usr/lib/browser/libvulkan.so.1":             text(""), // its own
	}, "dev/dri/renderD128"}
	env := map[string]string{"HOME": "/home/me"}
	f := Facts{OS: "linux"}
	f.linux(root, func(name string) string { return env[name] })
	assert.Equal(t, Facts{
		OS: "linux", System: "Debian 12", Kernel: "5.15.1-microsoft-standard-WSL2", CPU: "Epyc", Memory: 2 << 20, Available: 1 << 20, WSL: true, Container: "/proc/1/cgroup has docker",
		Loader: "/usr/lib/x86_64-linux-gnu/libvulkan.so.1",
		Drivers: []Driver{{File: "/usr/share/vulkan/icd.d/lvp.json", Library: "/usr/lib/x86_64-linux-gnu/libvulkan_lvp.so"}, {File: "/usr/share/vulkan/icd.d/nv.json", Library: "libGLX_nvidia.so.0"},
			{File: "/home/me/.local/share/vulkan/icd.d/own.json", Library: "./own.so", Lacking: true}},
		GPUs:   []GPU{{Address: "0000:01:00.0", Vendor: 0x10de, Device: 0x2335, Kernel: "nvidia"}},
		Nodes:  []Node{{"/dev/dri/renderD128", true}, {"/dev/dri/renderD129", false}},
		Nvidia: true, DXG: true,
	}, f)

	env["VK_ICD_FILENAMES"] = "/usr/share/vulkan/icd.d/lvp.json" + string(os.PathListSeparator) + "/gone.json"
	f = Facts{}
	f.linux(root, func(name string) string { return env[name] })
	assert.Equal(t, "VK_ICD_FILENAMES", f.NamedBy)
	assert.Equal(t, []string{"/gone.json"}, f.Missing)
	require.Len(t, f.Drivers, 1)

	f = Facts{}
	f.linux(fstest.MapFS{}, func(string) string { return "" })
	assert.Equal(t, Facts{}, f, "nothing is made up")
}

// TestEnvironment: what matters is shown, and no secret.
func TestEnvironment(t *testing.T) {
	got := environment([]string{"HF_TOKEN=hf_abc", "UMBRA_API_KEY=k", "UMBRA_TUNE=off", "VK_DRIVER_FILES=/a", "HOME=/h", "HF_ENDPOINT=https://me:pw@hub", "AWS_SECRET=x", "PATH=/b", "NVIDIA_REQUIRE_CUDA=" + strings.Repeat("é", 101)})
	assert.Equal(t, []Variable{{"HF_ENDPOINT", "https://not-shown@hub"}, {"HF_TOKEN", "(set; not shown)"}, {"NVIDIA_REQUIRE_CUDA", strings.Repeat("é", 50) + "... (202 bytes)"}, {"UMBRA_API_KEY", "(set; not shown)"}, {"UMBRA_TUNE", "off"}, {"VK_DRIVER_FILES", "/a"}}, got)
}
