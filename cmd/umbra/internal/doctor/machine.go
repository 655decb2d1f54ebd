package doctor

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
)

// Machine collects what this machine shows, but its adapters.
func Machine() Facts {
	f := Facts{OS: runtime.GOOS, Arch: runtime.GOARCH, Cores: runtime.NumCPU(), Environment: environment(os.Environ())}
	switch f.OS {
	case "linux":
		f.linux(os.DirFS("/"), os.Getenv)
	case "darwin":
		f.System, f.CPU, f.Kernel = answer("sw_vers", "-productVersion"), answer("sysctl", "-n", "machdep.cpu.brand_string"), answer("uname", "-r")
		f.Memory, _ = strconv.ParseUint(answer("sysctl", "-n", "hw.memsize"), 10, 64)
	case "windows":
		f.System, f.CPU = answer("cmd", "/c", "ver"), os.Getenv("PROCESSOR_IDENTIFIER")
	}
	return f
}

// answer is a program's first output, "" if there is none.
func answer(name string, args ...string) string {
	out, err := exec.Command(name, args...).Output()
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(out))
}

// linux reads files below root.
func (f *Facts) linux(root fs.FS, env func(string) string) {
	f.Kernel = line(root, "proc/sys/kernel/osrelease")
	f.WSL = strings.Contains(strings.ToLower(f.Kernel), "microsoft")
	f.System = field(root, "etc/os-release", "PRETTY_NAME=")
	f.CPU = field(root, "proc/cpuinfo", "model name", "Model", "Hardware")
	f.Memory, f.Available = kilobytes(root, "MemTotal:"), kilobytes(root, "MemAvailable:")
	f.Container = container(root, env)
	f.Loader = first(root, "usr/lib/*-linux-*/libvulkan.so.1", "usr/lib*/libvulkan.so.1", "lib/*-linux-*/libvulkan.so.1", "lib*/libvulkan.so.1", "usr/local/lib*/libvulkan.so.1",
		"usr/local/lib/*-linux-*/libvulkan.so.1", "run/opengl-driver/lib/libvulkan.so.1")
	for _, dir := range filepath.SplitList(env("LD_LIBRARY_PATH")) {
		if f.Loader == "" {
			f.Loader = first(root, inRoot(dir)+"/libvulkan.so.1")
		}
	}
	f.drivers(root, env)
	f.bus(root)
	nodes, _ := fs.Glob(root, "dev/dri/renderD*")
	for _, n := range nodes {
		f.Nodes = append(f.Nodes, Node{"/" + n, denied(root, n)})
	}
	f.Nvidia, f.DXG = there(root, "dev/nvidiactl"), there(root, "dev/dxg")
}

// drivers finds descriptions where the Vulkan loader does (LoaderDriverInterface.md).
func (f *Facts) drivers(root fs.FS, env func(string) string) {
	var found []string
	for _, name := range []string{"VK_DRIVER_FILES", "VK_ICD_FILENAMES"} {
		if f.NamedBy == "" && env(name) != "" {
			f.NamedBy = name
			for _, file := range filepath.SplitList(env(name)) {
				if there(root, inRoot(file)) {
					found = append(found, inRoot(file))
				} else {
					f.Missing = append(f.Missing, file)
				}
			}
		}
	}
	if f.NamedBy == "" {
		home := inRoot(env("HOME"))
		for _, dir := range []string{"usr/share", "usr/local/share", "etc", "usr/local/etc", "run/opengl-driver/share",
			cmp.Or(inRoot(env("XDG_DATA_HOME")), home+"/.local/share"), cmp.Or(inRoot(env("XDG_CONFIG_HOME")), home+"/.config")} {
			some, _ := fs.Glob(root, strings.TrimPrefix(dir, "/")+"/vulkan/icd.d/*.json")
			found = append(found, some...)
		}
	}
	for _, file := range found {
		d := Driver{File: "/" + file}
		var about struct {
			ICD struct {
				Library string `json:"library_path"`
			}
		}
		if data, err := fs.ReadFile(root, file); err == nil && json.Unmarshal(data, &about) == nil {
			d.Library = about.ICD.Library
		}
		if strings.Contains(d.Library, "/") { // else it is found where libraries are; relative to the file otherwise
			at := inRoot(d.Library)
			if !strings.HasPrefix(d.Library, "/") {
				at = path.Join(path.Dir(file), d.Library)
			}
			d.Lacking = !there(root, at)
		}
		f.Drivers = append(f.Drivers, d)
	}
}

// bus finds display controllers (class 03) and accelerators (class 12) on the PCI bus.
func (f *Facts) bus(root fs.FS) {
	devices, _ := fs.Glob(root, "sys/bus/pci/devices/*")
	number := func(name string) uint32 {
		n, _ := strconv.ParseUint(line(root, name), 0, 32)
		return uint32(n)
	}
	for _, d := range devices {
		if class := number(d+"/class") >> 16; class != 0x03 && class != 0x12 {
			continue
		}
		g := GPU{Address: path.Base(d), Vendor: number(d + "/vendor"), Device: number(d + "/device")}
		for _, l := range strings.Split(text(root, d+"/uevent"), "\n") {
			if driver, ok := strings.CutPrefix(l, "DRIVER="); ok {
				g.Kernel = driver
			}
		}
		f.GPUs = append(f.GPUs, g)
	}
}

// container is what shows that this is a container, "" if nothing does.
func container(root fs.FS, env func(string) string) string {
	for _, name := range []string{".dockerenv", "run/.containerenv"} {
		if there(root, name) {
			return "/" + name
		}
	}
	for _, name := range []string{"KUBERNETES_SERVICE_HOST", "container"} {
		if env(name) != "" {
			return "$" + name
		}
	}
	groups := text(root, "proc/1/cgroup")
	for _, word := range []string{"docker", "kubepods", "containerd", "lxc", "libpod"} {
		if strings.Contains(groups, word) {
			return "/proc/1/cgroup has " + word
		}
	}
	return ""
}

// secret are parts of the names of variables whose values are not shown.
var secret = []string{"KEY", "TOKEN", "SECRET", "PASSWORD", "PASSWD", "CREDENTIAL"}

// longest is how many bytes of a variable's value are shown; images for NVIDIA's containers set some with thousands.
const longest = 200

// environment are the variables that matter to drivers and to umbra, by name. Of secrets it is told that they are set.
func environment(all []string) (some []Variable) {
	for _, kv := range all {
		name, value, _ := strings.Cut(kv, "=")
		matters := slices.Contains([]string{"DRI_PRIME", "LD_LIBRARY_PATH", "XDG_RUNTIME_DIR", "XDG_CACHE_HOME", "XDG_DATA_HOME", "HF_ENDPOINT", "HF_TOKEN", "CUDA_VISIBLE_DEVICES"}, name)
		for _, prefix := range []string{"VK_", "WGPU_", "UMBRA_", "MESA_", "LVP_", "LP_", "LIBGL_", "RADV_", "NVIDIA_", "__GLX_", "__NV_"} {
			matters = matters || strings.HasPrefix(name, prefix)
		}
		if !matters {
			continue
		}
		if slices.ContainsFunc(secret, func(s string) bool { return strings.Contains(strings.ToUpper(name), s) }) {
			value = "(set; not shown)"
		}
		if u, err := url.Parse(value); err == nil && u.User != nil {
			u.User = url.User("not-shown")
			value = u.String()
		}
		if len(value) > longest {
			value = fmt.Sprintf("%s... (%d bytes)", strings.ToValidUTF8(value[:longest/2], ""), len(value))
		}
		some = append(some, Variable{name, value})
	}
	slices.SortFunc(some, func(a, b Variable) int { return cmp.Compare(a.Name, b.Name) })
	return some
}

// inRoot is an absolute path as one below the root.
func inRoot(p string) string { return strings.TrimPrefix(path.Clean("/"+p), "/") }

func there(root fs.FS, name string) bool {
	_, err := fs.Stat(root, name)
	return err == nil
}

// denied reports whether a file is there that this user may not open.
func denied(root fs.FS, name string) bool {
	file, err := root.Open(name)
	if err == nil {
		file.Close()
	}
	return errors.Is(err, fs.ErrPermission)
}

func first(root fs.FS, patterns ...string) string {
	for _, p := range patterns {
		if found, _ := fs.Glob(root, p); len(found) > 0 {
			return "/" + found[0]
		}
	}
	return ""
}

func text(root fs.FS, name string) string {
	data, _ := fs.ReadFile(root, name)
	return string(data)
}

func line(root fs.FS, name string) string { return strings.TrimSpace(text(root, name)) }

// field is what follows the first of some names at the beginning of a line, without a colon and quotes.
func field(root fs.FS, name string, keys ...string) string {
	lines := strings.Split(text(root, name), "\n")
	for _, key := range keys {
		for _, l := range lines {
			if value, ok := strings.CutPrefix(l, key); ok {
				return strings.Trim(value, "\t :\"")
			}
		}
	}
	return ""
}

func kilobytes(root fs.FS, key string) uint64 {
	n, _ := strconv.ParseUint(strings.TrimSuffix(field(root, "proc/meminfo", key), " kB"), 10, 54)
	return n << 10
}
