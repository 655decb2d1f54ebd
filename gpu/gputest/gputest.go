// Package gputest opens one device per test binary, and more for tests of several.
package gputest

import (
	"os"
	"sync"
	"testing"

	"umbra/gpu"
)

// gallivm is where Mesa's drivers on a CPU look for how to compile. Tests run many kernels a few times: without LLVM's optimisations their
// time, which is compiling, is less by up to a half.
const gallivm = "GALLIVM_PERF"

var open = sync.OnceValues(func() (*gpu.Device, error) {
	if _, set := os.LookupEnv(gallivm); !set {
		os.Setenv(gallivm, "nopt") // reaches C's environment, too, before the driver is there
	}
	return gpu.Open(gpu.Options{})
})

// Device returns the test binary's device, opened once. Without an adapter the test is skipped, and says so.
func Device(t testing.TB) *gpu.Device {
	t.Helper()
	d, err := open()
	if err != nil {
		t.Skipf("no adapter: %v", err)
	}
	return d
}

var (
	mu     sync.Mutex
	others []*gpu.Device
)

// Devices returns n devices, of which the first is Device's. They are opened on the same adapter, each once.
func Devices(t testing.TB, n int) []*gpu.Device {
	t.Helper()
	all := []*gpu.Device{Device(t)}
	mu.Lock()
	defer mu.Unlock()
	for len(others) < n-1 {
		d, err := gpu.Open(gpu.Options{})
		if err != nil {
			t.Fatal(err)
		}
		others = append(others, d)
	}
	return append(all, others[:n-1]...)
}
