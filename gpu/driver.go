package gpu

// The driver interface is what gpu needs of a WebGPU binding, and no more. Calls on one driverDevice are serialised
// by Device, but for createModule. Handles are opaque; each is released once, by the release method of the interface that made it.

// driver lists adapters. Implemented by wgpuDriver (wgpu.go).
type driver interface {
	adapters() ([]driverAdapter, error)
}

// driverAdapter is one physical or software device as one back end presents it.
type driverAdapter interface {
	info() AdapterInfo
	open(limits Limits, timestamps bool) (driverDevice, error)
}

// driverDevice owns one logical device and its queue.
type driverDevice interface {
	// createBuffer returns an *OutOfMemoryError's cause as error text when memory runs out.
	createBuffer(label string, size uint64, use bufferUse) (driverBuffer, error)
	// createModule reads WGSL. Several calls may run at once, but none beside another method's. A call that fails while others run
	// may have its error returned by one of those instead; createPipeline then refuses its module.
	createModule(label, wgsl string) (driverModule, error)
	// createPipeline compiles a module's entry point "main"; kinds[i] is the kind of @binding(i) in @group(0).
	createPipeline(label string, m driverModule, kinds []bindingKind) (driverPipeline, error)
	createBindGroup(p driverPipeline, bindings []Binding) (driverBindGroup, error)
	createQueries(count int) (driverQueries, error)
	write(b driverBuffer, offset uint64, data []byte) error
	newEncoder(label string) (driverEncoder, error)
	// poll lets finished work call back and reports whether the queue is empty. It never waits.
	poll() bool
	// fault returns an error the device raised outside any call, once.
	fault() error
	release()
}

// driverEncoder records commands; submit ends it.
type driverEncoder interface {
	beginPass()
	dispatch(p driverPipeline, g driverBindGroup, grid [3]uint32)
	endPass() error
	copy(dst driverBuffer, dstOffset uint64, src driverBuffer, srcOffset, size uint64) error
	timestamp(q driverQueries, index int) error
	resolve(q driverQueries, count int, dst driverBuffer) error
	submit() error
	discard()
}

// driverBuffer is device memory; a staging buffer can be mapped for reading.
type driverBuffer interface {
	// mapRead asks for the mapping; mapped reports when it is there. Only one at a time.
	mapRead(size uint64) error
	mapped() (bool, error)
	// bytes is the mapping, valid until unmap.
	bytes(size uint64) []byte
	unmap() error
	release()
}

type driverModule interface{ release() }
type driverPipeline interface{ release() }
type driverBindGroup interface{ release() }
type driverQueries interface{ release() }

// bindingKind is how a kernel sees a binding.
type bindingKind uint8

const (
	bindUniform   bindingKind = iota // var<uniform>
	bindRead                         // var<storage, read>
	bindReadWrite                    // var<storage, read_write>
)

// bufferUse is what a buffer is made for.
type bufferUse uint8

const (
	useStorage bufferUse = iota // kernels, copies
	useStaging                  // mapped for reading by the host
	useQueries                  // query results are resolved into it
)
