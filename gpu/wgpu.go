package gpu

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync"

	"github.com/rajveermalviya/go-webgpu/wgpu"
)

// wgpuDriver is the driver over go-webgpu v0.17.1 (wgpu-native 0.17), whose traps it closes: see native.go, Device.drain
// and Fence.Wait. The instance, which lists adapters, lives as long as the process. A device has one of its own: wgpu-core 0.17 frees
// a device that was released with its instance, and not before, so that on one instance the sixtieth or so can no longer be opened.
type wgpuDriver struct{ instance *wgpu.Instance }

var defaultDriver = sync.OnceValue(func() driver {
	if runtime.GOOS == "linux" && os.Getenv("XDG_RUNTIME_DIR") == "" {
		os.Setenv("XDG_RUNTIME_DIR", os.TempDir()) // or Mesa's loader layers complain on stderr
	}
	wgpu.SetLogLevel(wgpu.LogLevel_Off) // errors come back as values
	return wgpuDriver{newInstance()}
})

func newInstance() *wgpu.Instance {
	return wgpu.CreateInstance(&wgpu.InstanceDescriptor{Backends: backends()})
}

// backends are those a compute runtime wants: never OpenGL, which prints noise and lacks storage buffers in places.
func backends() wgpu.InstanceBackend {
	switch runtime.GOOS {
	case "darwin", "ios":
		return wgpu.InstanceBackend_Metal
	case "windows":
		return wgpu.InstanceBackend_DX12 | wgpu.InstanceBackend_Vulkan
	default:
		return wgpu.InstanceBackend_Vulkan
	}
}

func (w wgpuDriver) adapters() ([]driverAdapter, error) {
	var all []driverAdapter
	for i, a := range enumerate(w.instance) {
		all = append(all, wgpuAdapter{infoOf(a, i)})
		a.Release()
	}
	return all, nil
}

func enumerate(instance *wgpu.Instance) []*wgpu.Adapter {
	return instance.EnumerateAdapters(&wgpu.InstanceEnumerateAdapterOptons{Backends: backends()})
}

// wgpuAdapter is an adapter by its place in the list.
type wgpuAdapter struct{ known AdapterInfo }

func (a wgpuAdapter) info() AdapterInfo { return a.known }

func infoOf(a *wgpu.Adapter, index int) AdapterInfo {
	p, l := a.GetProperties(), a.GetLimits().Limits
	kind := KindUnknown
	switch p.AdapterType {
	case wgpu.AdapterType_DiscreteGPU:
		kind = KindDiscrete
	case wgpu.AdapterType_IntegratedGPU:
		kind = KindIntegrated
	case wgpu.AdapterType_CPU:
		kind = KindCPU
	}
	return AdapterInfo{
		Index: index, Name: p.Name, Driver: p.DriverDescription, Kind: kind,
		Backend:  strings.ToLower(p.BackendType.String()),
		VendorID: p.VendorId, DeviceID: p.DeviceId,
		Timestamps: a.HasFeature(wgpu.FeatureName_TimestampQuery),
		Limits: Limits{
			BufferSize: l.MaxBufferSize, StorageBindingSize: l.MaxStorageBufferBindingSize,
			UniformBindingSize: l.MaxUniformBufferBindingSize, StorageBuffers: l.MaxStorageBuffersPerShaderStage,
			WorkgroupStorage: l.MaxComputeWorkgroupStorageSize, WorkgroupInvocations: l.MaxComputeInvocationsPerWorkgroup,
			WorkgroupSizeX: l.MaxComputeWorkgroupSizeX, WorkgroupsPerDim: l.MaxComputeWorkgroupsPerDimension,
			BindingsPerBindGroup: l.MaxBindingsPerBindGroup,
		}.sane(),
	}
}

func (a wgpuAdapter) open(l Limits, timestamps bool) (driverDevice, error) {
	ask := wgpu.DefaultLimits() // "undefined" in every field: the defaults of the standard
	ask.MaxBufferSize = l.BufferSize
	ask.MaxStorageBufferBindingSize = l.StorageBindingSize
	ask.MaxStorageBuffersPerShaderStage = l.StorageBuffers
	ask.MaxComputeWorkgroupStorageSize = l.WorkgroupStorage
	ask.MaxComputeInvocationsPerWorkgroup = l.WorkgroupInvocations
	ask.MaxComputeWorkgroupSizeX = l.WorkgroupSizeX
	ask.MaxPushConstantSize = 0
	desc := &wgpu.DeviceDescriptor{Label: "umbra", RequiredLimits: &wgpu.RequiredLimits{Limits: ask}}
	if timestamps {
		desc.RequiredFeatures = []wgpu.FeatureName{wgpu.FeatureName_TimestampQuery}
	}
	instance := newInstance()
	all := enumerate(instance)
	defer func() {
		for _, other := range all {
			other.Release()
		}
	}()
	if i := a.known.Index; i >= len(all) || infoOf(all[i], i) != a.known {
		instance.Release()
		return nil, errors.New("adapters have come or gone since they were listed; try again")
	}
	dev, err := all[a.known.Index].RequestDevice(desc)
	if err != nil {
		instance.Release()
		return nil, err
	}
	d := &wgpuDevice{instance: instance, device: dev, queue: dev.GetQueue(), scoped: newNativeError(), uncaptured: newNativeError()}
	catchUncaptured(dev, d.uncaptured)
	return d, nil
}

type wgpuDevice struct {
	instance   *wgpu.Instance
	device     *wgpu.Device
	queue      *wgpu.Queue
	scoped     nativeError
	uncaptured nativeError
	lost       bool // the library gave up inside a call: it must not be entered again for this device
}

func (d *wgpuDevice) createBuffer(label string, size uint64, use bufferUse) (driverBuffer, error) {
	usage := [...]wgpu.BufferUsage{
		useStorage: wgpu.BufferUsage_Storage | wgpu.BufferUsage_Uniform | wgpu.BufferUsage_CopySrc | wgpu.BufferUsage_CopyDst,
		useStaging: wgpu.BufferUsage_MapRead | wgpu.BufferUsage_CopyDst,
		useQueries: wgpu.BufferUsage_QueryResolve | wgpu.BufferUsage_CopySrc,
	}[use]
	if d.lost {
		return nil, ErrLost
	}
	var b *wgpu.Buffer
	var err error
	memory := outOfMemoryScope(d.device, d.scoped, func() {
		b, err = d.device.CreateBuffer(&wgpu.BufferDescriptor{Label: label, Size: size, Usage: usage})
	})
	if err != nil {
		return nil, brief(err)
	}
	if memory != nil {
		b.Release()
		return nil, brief(memory)
	}
	buf := &wgpuBuffer{device: d, buffer: b}
	if use == useStaging {
		buf.mapping = newMapping()
	}
	return buf, nil
}

// createModule may fail in another's stead: the binding opens an error scope around each call, and the library keeps one stack of
// scopes for all threads. wgpu-core 0.17 lets modules be made at the same time, but no pipelines: it locks all layouts for writing
// while the driver compiles one, and all devices for reading, which writes and submissions wait for (gfx-rs/wgpu issue 1485).
func (d *wgpuDevice) createModule(label, wgsl string) (driverModule, error) {
	if d.lost {
		return nil, ErrLost
	}
	m, err := d.device.CreateShaderModule(&wgpu.ShaderModuleDescriptor{
		Label: label, WGSLDescriptor: &wgpu.ShaderModuleWGSLDescriptor{Code: wgsl},
	})
	if err != nil {
		return nil, err
	}
	return &wgpuModule{d, m}, nil
}

func (d *wgpuDevice) createPipeline(label string, m driverModule, kinds []bindingKind) (driverPipeline, error) {
	if d.lost {
		return nil, ErrLost
	}
	entries := make([]wgpu.BindGroupLayoutEntry, len(kinds))
	for i, k := range kinds {
		t := [...]wgpu.BufferBindingType{
			bindUniform: wgpu.BufferBindingType_Uniform, bindRead: wgpu.BufferBindingType_ReadOnlyStorage,
			bindReadWrite: wgpu.BufferBindingType_Storage}[k]
		entries[i] = wgpu.BindGroupLayoutEntry{
			Binding: uint32(i), Visibility: wgpu.ShaderStage_Compute, Buffer: wgpu.BufferBindingLayout{Type: t}}
	}
	groupLayout, err := d.device.CreateBindGroupLayout(&wgpu.BindGroupLayoutDescriptor{Label: label, Entries: entries})
	if err != nil {
		return nil, err
	}
	layout, err := d.device.CreatePipelineLayout(&wgpu.PipelineLayoutDescriptor{
		Label: label, BindGroupLayouts: []*wgpu.BindGroupLayout{groupLayout}})
	if err != nil {
		groupLayout.Release()
		return nil, err
	}
	defer layout.Release()
	p, err := d.device.CreateComputePipeline(&wgpu.ComputePipelineDescriptor{
		Label: label, Layout: layout, Compute: wgpu.ProgrammableStageDescriptor{Module: m.(*wgpuModule).module, EntryPoint: "main"}})
	if err != nil {
		groupLayout.Release()
		return nil, err
	}
	return &wgpuPipeline{d, p, groupLayout}, nil
}

func (d *wgpuDevice) createBindGroup(p driverPipeline, bindings []Binding) (driverBindGroup, error) {
	if d.lost {
		return nil, ErrLost
	}
	entries := make([]wgpu.BindGroupEntry, len(bindings))
	for i, b := range bindings {
		entries[i] = wgpu.BindGroupEntry{
			Binding: uint32(i), Buffer: b.Buffer.handle.(*wgpuBuffer).buffer, Offset: b.Offset, Size: b.Size}
	}
	g, err := d.device.CreateBindGroup(&wgpu.BindGroupDescriptor{Layout: p.(*wgpuPipeline).group, Entries: entries})
	if err != nil {
		return nil, err
	}
	return &wgpuBindGroup{d, g}, nil
}

func (d *wgpuDevice) createQueries(count int) (driverQueries, error) {
	q, err := d.device.CreateQuerySet(&wgpu.QuerySetDescriptor{
		Label: "timestamps", Type: wgpu.QueryType_Timestamp, Count: uint32(count)})
	if err != nil {
		return nil, err
	}
	return &wgpuQueries{d, q}, nil
}

func (d *wgpuDevice) write(b driverBuffer, offset uint64, data []byte) error {
	if d.lost {
		return ErrLost
	}
	return d.queue.WriteBuffer(b.(*wgpuBuffer).buffer, offset, data)
}

func (d *wgpuDevice) newEncoder(label string) (driverEncoder, error) {
	if d.lost {
		return nil, ErrLost
	}
	e, err := d.device.CreateCommandEncoder(&wgpu.CommandEncoderDescriptor{Label: label})
	if err != nil {
		return nil, err
	}
	return &wgpuEncoder{device: d, encoder: e}, nil
}

// poll reports an empty queue once the device is lost: there is nothing left to wait for.
func (d *wgpuDevice) poll() bool {
	if !d.lost {
		empty, ok := pollGuarded(d.device)
		d.lost = !ok
		return empty || d.lost
	}
	return true
}

func (d *wgpuDevice) fault() error {
	if d.lost {
		return ErrLost
	}
	return d.uncaptured.take()
}

// release frees the device. A lost one is left to the process's end, as is all that was made on it.
func (d *wgpuDevice) release() {
	if d.lost {
		return
	}
	d.queue.Release()
	d.device.Release()
	d.instance.Release()
	d.scoped.free()
	// d.uncaptured stays: the library may still report into it while objects that hold the device go away.
}

// brief is the last line of the library's multi-line error, which says what is wrong.
func brief(err error) error {
	lines := strings.Split(strings.TrimSpace(err.Error()), "\n")
	return errors.New(strings.TrimSpace(lines[len(lines)-1]))
}

type wgpuBuffer struct {
	device  *wgpuDevice
	buffer  *wgpu.Buffer
	mapping mapping // of a staging buffer
}

func (b *wgpuBuffer) mapRead(size uint64) error {
	if b.device.lost {
		return ErrLost
	}
	return b.mapping.ask(b.device.device, b.buffer, size, b.device.scoped)
}

func (b *wgpuBuffer) mapped() (bool, error) {
	if b.device.lost {
		return true, ErrLost
	}
	return b.mapping.answered()
}

func (b *wgpuBuffer) bytes(size uint64) []byte { return b.buffer.GetMappedRange(0, uint(size)) }

func (b *wgpuBuffer) unmap() error {
	if b.device.lost {
		return ErrLost
	}
	return b.buffer.Unmap()
}

func (b *wgpuBuffer) release() {
	if b.device.lost {
		return
	}
	b.buffer.Release()
	if b.mapping.c != nil {
		b.mapping.free()
	}
}

type wgpuModule struct {
	device *wgpuDevice
	module *wgpu.ShaderModule
}

func (m *wgpuModule) release() {
	if !m.device.lost {
		m.module.Release()
	}
}

type wgpuPipeline struct {
	device   *wgpuDevice
	pipeline *wgpu.ComputePipeline
	group    *wgpu.BindGroupLayout
}

func (p *wgpuPipeline) release() {
	if p.device.lost {
		return
	}
	p.pipeline.Release()
	p.group.Release()
}

type wgpuBindGroup struct {
	device *wgpuDevice
	group  *wgpu.BindGroup
}

func (g *wgpuBindGroup) release() {
	if !g.device.lost {
		g.group.Release()
	}
}

type wgpuQueries struct {
	device *wgpuDevice
	set    *wgpu.QuerySet
}

func (q *wgpuQueries) release() {
	if !q.device.lost {
		q.set.Release()
	}
}

type wgpuEncoder struct {
	device  *wgpuDevice
	encoder *wgpu.CommandEncoder
	pass    *wgpu.ComputePassEncoder
	last    driverPipeline
}

func (e *wgpuEncoder) beginPass() { e.pass, e.last = e.encoder.BeginComputePass(nil), nil }

func (e *wgpuEncoder) dispatch(p driverPipeline, g driverBindGroup, grid [3]uint32) {
	if p != e.last {
		e.pass.SetPipeline(p.(*wgpuPipeline).pipeline)
		e.last = p
	}
	e.pass.SetBindGroup(0, g.(*wgpuBindGroup).group, nil)
	e.pass.DispatchWorkgroups(grid[0], grid[1], grid[2])
}

func (e *wgpuEncoder) endPass() error {
	err := e.pass.End()
	e.pass.Release()
	e.pass = nil
	return err
}

func (e *wgpuEncoder) copy(dst driverBuffer, dstOffset uint64, src driverBuffer, srcOffset, size uint64) error {
	return e.encoder.CopyBufferToBuffer(src.(*wgpuBuffer).buffer, srcOffset, dst.(*wgpuBuffer).buffer, dstOffset, size)
}

func (e *wgpuEncoder) timestamp(q driverQueries, index int) error {
	return e.encoder.WriteTimestamp(q.(*wgpuQueries).set, uint32(index))
}

func (e *wgpuEncoder) resolve(q driverQueries, count int, dst driverBuffer) error {
	return e.encoder.ResolveQuerySet(q.(*wgpuQueries).set, 0, uint32(count), dst.(*wgpuBuffer).buffer, 0)
}

func (e *wgpuEncoder) submit() error {
	commands, err := e.encoder.Finish(nil)
	e.encoder.Release()
	if err != nil {
		return fmt.Errorf("finish: %w", err)
	}
	if !submitGuarded(e.device.queue, commands) {
		e.device.lost = true
		return ErrLost
	}
	commands.Release()
	return nil
}

func (e *wgpuEncoder) discard() {
	if !e.device.lost {
		e.encoder.Release()
	}
}
