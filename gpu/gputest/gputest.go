// Package gputest opens one device per test binary.
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
