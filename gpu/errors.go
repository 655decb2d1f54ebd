package gpu

import (
	"errors"
	"fmt"
)

// ErrNoAdapter is returned by Open when no adapter can be used.
var ErrNoAdapter = errors.New("gpu: no usable WebGPU adapter found; see `umbra devices`, or install a Vulkan driver (README, \"No GPU\")")

// ErrReleased is returned when a released device or buffer is used.
var ErrReleased = errors.New("gpu: used after release")

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
