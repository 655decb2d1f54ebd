package gpu

import "fmt"

// Limits are the adapter limits umbra reads, in bytes or counts. They are asked of the device explicitly.
type Limits struct {
	BufferSize           uint64 // largest buffer
	StorageBindingSize   uint64 // largest storage binding
	UniformBindingSize   uint64 // largest uniform binding
	StorageBuffers       uint32 // storage buffers per shader stage
	WorkgroupStorage     uint32 // bytes of workgroup memory
	WorkgroupInvocations uint32 // invocations per workgroup
	WorkgroupSizeX       uint32 // invocations per workgroup along x
	WorkgroupsPerDim     uint32 // workgroups per grid dimension
	StorageOffsetAlign   uint32 // alignment of a storage binding's offset
	UniformOffsetAlign   uint32 // alignment of a uniform binding's offset
	BindingsPerBindGroup uint32
}

// LimitSet says which limits a device is opened with. The zero value is AdapterLimits.
type LimitSet string

const (
	AdapterLimits LimitSet = "adapter" // all of the adapter's that umbra can use
	FloorLimits   LimitSet = "floor"   // what every WebGPU device gives, and no more: who runs so runs on the smallest
)

// Within returns the limits of a device that is opened with the set on an adapter with limits l.
func (s LimitSet) Within(l Limits) (Limits, error) {
	switch s {
	case "", AdapterLimits:
		return l, nil
	case FloorLimits:
		return floorLimits, nil
	}
	return Limits{}, fmt.Errorf("gpu: limits %q are not known (%s, %s)", string(s), AdapterLimits, FloorLimits)
}

// The floor every WebGPU device gives (W3C WebGPU, "Limits", default column). Kernels are written for it.
var floorLimits = Limits{
	BufferSize: 256 << 20, StorageBindingSize: 128 << 20, UniformBindingSize: 64 << 10, StorageBuffers: 8,
	WorkgroupStorage: 16 << 10, WorkgroupInvocations: 256, WorkgroupSizeX: 256, WorkgroupsPerDim: 65535,
	StorageOffsetAlign: 256, UniformOffsetAlign: 256, BindingsPerBindGroup: 640,
}

// bindingAlign is the offset alignment every adapter accepts; umbra always uses it.
const bindingAlign = 256

// sane returns l with values no adapter can mean (uninitialised, zero, absurd) clamped to what umbra can use. The
// binding returns some fields uninitialised, so each is bounded on its own.
func (l Limits) sane() Limits {
	clamp64 := func(v *uint64, lo, hi uint64) { *v = min(max(*v, lo), hi) }
	clamp32 := func(v *uint32, lo, hi uint32) { *v = min(max(*v, lo), hi) }
	clamp64(&l.BufferSize, 1<<20, 1<<40)
	clamp64(&l.StorageBindingSize, 1<<20, 4<<30-4)
	l.StorageBindingSize &^= 3
	l.StorageBindingSize = min(l.StorageBindingSize, l.BufferSize)
	clamp64(&l.UniformBindingSize, 4<<10, 64<<10)
	clamp32(&l.StorageBuffers, 1, 16)
	clamp32(&l.WorkgroupStorage, 1<<10, 32<<10)
	clamp32(&l.WorkgroupInvocations, 1, 1024)
	clamp32(&l.WorkgroupSizeX, 1, 1024)
	clamp32(&l.WorkgroupsPerDim, 1, 65535)
	clamp32(&l.BindingsPerBindGroup, 1, 640)
	l.StorageOffsetAlign, l.UniformOffsetAlign = bindingAlign, bindingAlign
	return l
}

// lacks names the first floor limit that l is below, or "".
func (l Limits) lacks() string {
	f := floorLimits
	switch {
	case l.StorageBuffers < f.StorageBuffers:
		return "storage buffers per stage"
	case l.WorkgroupInvocations < f.WorkgroupInvocations:
		return "invocations per workgroup"
	case l.WorkgroupStorage < f.WorkgroupStorage:
		return "workgroup memory"
	case l.StorageBindingSize < f.StorageBindingSize:
		return "storage binding size"
	case l.WorkgroupsPerDim < f.WorkgroupsPerDim:
		return "workgroups per dimension"
	}
	return ""
}
