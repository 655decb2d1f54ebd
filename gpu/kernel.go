package gpu

import (
	"fmt"
	"regexp"
	"strconv"
	"sync"
	"time"
)

// Kernel is a compiled compute shader.
type Kernel struct {
	Name   string
	WGSL   string // the whole source it was compiled from
	handle driverPipeline
	kinds  []bindingKind
}

// kernelKey identifies a pipeline: the specialised source holds its constants.
type kernelKey struct{ name, wgsl string }

var bindingDecl = regexp.MustCompile(`@group\(0\)\s*@binding\((\d+)\)\s*var<\s*(uniform|storage)\s*(?:,\s*(read_write|read))?\s*>`)

// bindingKinds reads the kinds of the bindings a shader declares. Bindings are numbered 0..n-1 without gaps.
func bindingKinds(wgsl string) ([]bindingKind, error) {
	var kinds []bindingKind
	for _, m := range bindingDecl.FindAllStringSubmatch(wgsl, -1) {
		if n, _ := strconv.Atoi(m[1]); n != len(kinds) {
			return nil, fmt.Errorf("binding %d declared where %d was due", n, len(kinds))
		}
		switch {
		case m[2] == "uniform":
			kinds = append(kinds, bindUniform)
		case m[3] == "read_write":
			kinds = append(kinds, bindReadWrite)
		default:
			kinds = append(kinds, bindRead)
		}
	}
	return kinds, nil
}

// kernels are those of a device, compiled or being compiled.
type kernels struct {
	mu       sync.Mutex
	all      map[kernelKey]*compilation
	released bool // no more are taken
	compiled Compiled
	driver   sync.Mutex // held for each pipeline, so that but one waits for the device at a time, and others get it in between
}

// Compiled is how many kernels a device has compiled, and what that took, added up over goroutines: Read is to read the text and
// to write it for the driver, Driver what the driver made of that. Some drivers compile only when a kernel first runs.
type Compiled struct {
	Kernels      int
	Read, Driver time.Duration
}

// Compiled is what has been compiled so far.
func (d *Device) Compiled() Compiled {
	d.kernels.mu.Lock()
	defer d.kernels.mu.Unlock()
	return d.kernels.compiled
}

// compilation is a kernel on its way: done is closed when the rest is final.
type compilation struct {
	done   chan struct{}
	kernel *Kernel
	err    error
}

// Kernel compiles wgsl (entry point main, all bindings in group 0), or returns the pipeline compiled before from the
// same text. Several goroutines may compile at once; those that ask for the same kernel wait for one compilation.
func (d *Device) Kernel(name, wgsl string) (*Kernel, error) {
	key := kernelKey{name, wgsl}
	d.kernels.mu.Lock()
	if d.kernels.released {
		d.kernels.mu.Unlock()
		return nil, ErrReleased
	}
	c, known := d.kernels.all[key]
	if !known {
		c = &compilation{done: make(chan struct{})}
		d.kernels.all[key] = c
	}
	d.kernels.mu.Unlock()
	if !known {
		d.compile(key, c)
	}
	<-c.done
	return c.kernel, c.err
}

// compile fills a compilation in. One that fails is forgotten: who asks next tries again.
func (d *Device) compile(key kernelKey, c *compilation) {
	defer close(c.done)
	if c.kernel, c.err = d.newKernel(key.name, key.wgsl); c.err != nil {
		c.err = fmt.Errorf("gpu: kernel %s: %w", key.name, c.err)
		d.kernels.mu.Lock()
		delete(d.kernels.all, key)
		d.kernels.mu.Unlock()
	}
}

func (d *Device) newKernel(name, wgsl string) (*Kernel, error) {
	kinds, err := bindingKinds(wgsl)
	if err != nil {
		return nil, err
	}
	d.mu.RLock() // a device is released when no kernel is being compiled
	start := time.Now()
	m, err := d.handle.createModule(name, wgsl)
	read := time.Since(start)
	d.mu.RUnlock()
	d.kernels.driver.Lock()
	defer d.kernels.driver.Unlock()
	d.mu.Lock()
	defer d.mu.Unlock()
	start = time.Now()
	h, err := d.newPipeline(name, m, err, kinds)
	driver := time.Since(start)
	if err != nil { // it may be another kernel's error, or one whose cause another has got (driverDevice.createModule)
		m, err = d.handle.createModule(name, wgsl)
		h, err = d.newPipeline(name, m, err, kinds)
	}
	if err == nil {
		if err = dumpShader(name, wgsl); err == nil {
			d.kernels.count(read, driver)
			return &Kernel{Name: name, WGSL: wgsl, handle: h, kinds: kinds}, nil
		}
		h.release()
	}
	return nil, err
}

// newPipeline makes a pipeline of a module, unless there is an error instead.
func (d *Device) newPipeline(name string, m driverModule, err error, kinds []bindingKind) (driverPipeline, error) {
	if err != nil {
		return nil, err
	}
	defer m.release()
	return d.handle.createPipeline(name, m, kinds)
}

// Kernels returns every kernel compiled so far.
func (d *Device) Kernels() []*Kernel {
	d.kernels.mu.Lock()
	defer d.kernels.mu.Unlock()
	return d.kernels.list()
}

func (k *kernels) list() []*Kernel {
	all := make([]*Kernel, 0, len(k.all))
	for _, c := range k.all {
		if c.over() && c.err == nil {
			all = append(all, c.kernel)
		}
	}
	return all
}

func (k *kernels) count(read, driver time.Duration) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.compiled.Kernels++
	k.compiled.Read += read
	k.compiled.Driver += driver
}

// release refuses further kernels, waits until none is being compiled, and gives up those there are.
func (k *kernels) release() []*Kernel {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.released = true
	for _, c := range k.all {
		if !c.over() {
			k.mu.Unlock()
			<-c.done
			k.mu.Lock()
		}
	}
	all := k.list()
	clear(k.all)
	return all
}

func (c *compilation) over() bool {
	select {
	case <-c.done:
		return true
	default:
		return false
	}
}

// Grid1 is the grid for n workgroups in a row, folded into y past the limit of a dimension. Kernels recover the number as
// workgroup_id.x + workgroup_id.y * num_workgroups.x and return early past n.
func (d *Device) Grid1(n int) [3]uint32 { return foldGrid(n, int(d.limits.WorkgroupsPerDim)) }

func foldGrid(n, limit int) [3]uint32 {
	if n <= limit {
		return [3]uint32{uint32(n), 1, 1}
	}
	y := (n + limit - 1) / limit
	x := (n + y - 1) / y
	return [3]uint32{uint32(x), uint32(y), 1}
}
