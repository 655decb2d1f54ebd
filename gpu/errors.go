package gpu

import (
	"errors"
	"fmt"
	"strings"
)

// ErrNoAdapter is returned by Open when no adapter can be used.
var ErrNoAdapter = errors.New("gpu: no usable WebGPU adapter found; see `umbra devices`, or install a Vulkan driver (README, \"No GPU\")")

// noMatch is an ErrNoAdapter where there are adapters, but none that was asked for or that will do.
type noMatch struct {
	want     string
	verdicts []Verdict
}

func (e *noMatch) Error() string {
	var b strings.Builder
	b.WriteString("gpu: no adapter here can be used")
	if e.want != "" {
		fmt.Fprintf(&b, " that matches %q; name one by its number, its kind or part of its name", e.want)
	}
	for _, v := range e.verdicts {
		fmt.Fprintf(&b, "\n  %d: %s: %s", v.Index, v.AdapterInfo, v.Reason)
	}
	return b.String()
}

func (e *noMatch) Is(target error) bool { return target == ErrNoAdapter }

// ErrReleased is returned when a released device or buffer is used.
var ErrReleased = errors.New("gpu: used after release")

// ErrLost is returned, by every later call too, when the driver has given up on the device: it was reset, unplugged, or a kernel ran
// too long for the system's watchdog. What the driver said is on standard error.
var ErrLost = errors.New("gpu: the device is lost; close it and open it again")

// OutOfMemoryError says that a buffer did not fit on the device.
type OutOfMemoryError struct {
	Label string  // the buffer's label
	Size  uint64  // bytes asked for
	Held  Account // bytes held when it was asked for
	Cause string  // the driver's words, or the limit that was passed
}

func (e *OutOfMemoryError) Error() string {
	return fmt.Sprintf("gpu: buffer %q of %d bytes does not fit (%s; held: %s); use a smaller context, batch or model",
		e.Label, e.Size, e.Cause, e.Held)
}
