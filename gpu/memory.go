package gpu

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"strconv"
	"strings"
)

// ErrMemoryUnknown says that an adapter's memory size cannot be found out.
var ErrMemoryUnknown = errors.New("gpu: the size of the adapter's memory is not known")

// Memory returns the size of the memory that an adapter's buffers come from, in bytes, used or not. WebGPU does not tell it:
// for CPUs and integrated GPUs it is the system's, from /proc/meminfo; for discrete ones the amdgpu driver's
// /sys/class/drm/card*/device/mem_info_vram_total or what nvidia-smi prints. Elsewhere the error is ErrMemoryUnknown.
func (a AdapterInfo) Memory() (uint64, error) {
	return memory(a, os.DirFS("/"), func() ([]byte, error) {
		return exec.Command("nvidia-smi", "--query-gpu=name,memory.total", "--format=csv,noheader,nounits").Output()
	})
}

const vendorNVIDIA = 0x10de

// memory is Memory where files and nvidia-smi's output come from elsewhere.
func memory(a AdapterInfo, root fs.FS, smi func() ([]byte, error)) (n uint64, err error) {
	switch {
	case a.Kind == KindCPU || a.Kind == KindIntegrated:
		n, err = systemMemory(root)
	case a.VendorID == vendorNVIDIA:
		n, err = nvidiaMemory(a, smi)
	default:
		n, err = amdgpuMemory(a, root)
	}
	if err != nil {
		return 0, fmt.Errorf("%w (%s): %w", ErrMemoryUnknown, a.Name, err)
	}
	return n, nil
}

func systemMemory(root fs.FS) (uint64, error) {
	text, err := fs.ReadFile(root, "proc/meminfo")
	if err != nil {
		return 0, err
	}
	lines := bufio.NewScanner(bytes.NewReader(text))
	for lines.Scan() {
		if f := strings.Fields(lines.Text()); len(f) == 3 && f[0] == "MemTotal:" && f[2] == "kB" {
			n, err := strconv.ParseUint(f[1], 10, 53)
			return n << 10, err
		}
	}
	return 0, errors.New("/proc/meminfo has no MemTotal")
}

// nvidiaMemory finds the adapter by its name: lines are "NVIDIA H200, 143771", in MiB.
func nvidiaMemory(a AdapterInfo, smi func() ([]byte, error)) (uint64, error) {
	text, err := smi()
	if err != nil {
		return 0, fmt.Errorf("nvidia-smi: %w", err)
	}
	for line := range strings.Lines(string(text)) {
		name, size, ok := strings.Cut(line, ",")
		if ok && strings.TrimSpace(name) == a.Name {
			n, err := strconv.ParseUint(strings.TrimSpace(size), 10, 43)
			return n << 20, err
		}
	}
	return 0, errors.New("nvidia-smi does not list it")
}

func amdgpuMemory(a AdapterInfo, root fs.FS) (uint64, error) {
	cards, err := fs.Glob(root, "sys/class/drm/card*/device/mem_info_vram_total")
	if err != nil {
		return 0, err
	}
	number := func(name string) (uint64, error) {
		text, err := fs.ReadFile(root, name)
		if err != nil {
			return 0, err
		}
		return strconv.ParseUint(strings.TrimSpace(string(text)), 0, 64)
	}
	for _, card := range cards {
		vendor, err1 := number(path.Join(path.Dir(card), "vendor"))
		device, err2 := number(path.Join(path.Dir(card), "device"))
		if err1 == nil && err2 == nil && vendor == uint64(a.VendorID) && device == uint64(a.DeviceID) {
			return number(card)
		}
	}
	return 0, errors.New("its driver does not tell")
}
