package gpu

import (
	"fmt"
	"regexp"
	"strconv"
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

// Kernel compiles wgsl (entry point main, all bindings in group 0), or returns the pipeline compiled before from the
// same text.
func (d *Device) Kernel(name, wgsl string) (*Kernel, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.handle == nil {
		return nil, ErrReleased
	}
	key := kernelKey{name, wgsl}
	if k := d.kernels[key]; k != nil {
		return k, nil
	}
	kinds, err := bindingKinds(wgsl)
	if err != nil {
		return nil, fmt.Errorf("gpu: kernel %s: %w", name, err)
	}
	h, err := d.handle.createPipeline(name, wgsl, kinds)
	if err != nil {
		return nil, fmt.Errorf("gpu: kernel %s: %w", name, err)
	}
	k := &Kernel{Name: name, WGSL: wgsl, handle: h, kinds: kinds}
	d.kernels[key] = k
	if err := dumpShader(name, wgsl); err != nil {
		return nil, err
	}
	return k, nil
}

// Kernels returns every kernel compiled so far.
func (d *Device) Kernels() []*Kernel {
	d.mu.Lock()
	defer d.mu.Unlock()
	all := make([]*Kernel, 0, len(d.kernels))
	for _, k := range d.kernels {
		all = append(all, k)
	}
	return all
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
