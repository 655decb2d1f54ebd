// Package gputest opens one device per test binary, and more for tests of several.
package gputest

import (
	"sync"
	"testing"

	"umbra/gpu"
)

var open = sync.OnceValues(func() (*gpu.Device, error) { return gpu.Open(gpu.Options{}) })

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
