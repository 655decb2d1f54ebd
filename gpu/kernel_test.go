package gpu

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// compiler is a driver's device that compiles nothing, and says who compiles when; it never pretends to compute.
type compiler struct {
	driverDevice
	entered        chan string   // names of modules that are being made
	leave          chan struct{} // a word for each that may end
	inside         atomic.Int32  // calls that go on
	together       atomic.Int32  // the most modules at once
	modules        atomic.Int32
	failOnce, fail string // names of modules that fail once, or always
	broken         atomic.Bool
	t              *testing.T
}

type handle struct{}

func (handle) release() {}

func (c *compiler) createModule(name, _ string) (driverModule, error) {
	n := c.inside.Add(1)
	defer c.inside.Add(-1)
	c.modules.Add(1)
	for most := c.together.Load(); n > most && !c.together.CompareAndSwap(most, n); most = c.together.Load() {
	}
	if c.entered != nil {
		c.entered <- name
		<-c.leave
	}
	if name == c.fail || name == c.failOnce && !c.broken.Swap(true) {
		return nil, errors.New("no module of " + name)
	}
	return handle{}, nil
}

func (c *compiler) createPipeline(string, driverModule, []bindingKind) (driverPipeline, error) {
	assert.EqualValues(c.t, 1, c.inside.Add(1), "alone")
	time.Sleep(time.Millisecond)
	c.inside.Add(-1)
	return handle{}, nil
}

func (c *compiler) poll() bool { return true }
func (c *compiler) release()   {}

func fakeDevice(c *compiler) *Device {
	return &Device{handle: c, kernels: kernels{all: map[kernelKey]*compilation{}}, groups: map[groupKey]driverBindGroup{}}
}

// TestModulesTogether: modules are made at the same time, pipelines one after the other, each kernel once.
func TestModulesTogether(t *testing.T) {
	const kernels, askers = 4, 3
	c := &compiler{t: t, entered: make(chan string, kernels), leave: make(chan struct{})}
	d := fakeDevice(c)
	var got [kernels][askers]*Kernel
	var all sync.WaitGroup
	for i := range kernels {
		for j := range askers {
			all.Go(func() {
				k, err := d.Kernel(fmt.Sprint(i), "")
				assert.NoError(t, err)
				got[i][j] = k
			})
		}
	}
	names := map[string]bool{}
	for range kernels {
		select {
		case name := <-c.entered: // all of them before one may leave
			names[name] = true
		case <-time.After(10 * time.Second):
			t.Fatal("modules wait for each other")
		}
	}
	assert.Len(t, names, kernels)
	assert.Empty(t, d.Kernels(), "none is compiled yet")
	close(c.leave)
	all.Wait()
	assert.EqualValues(t, kernels, c.modules.Load())
	assert.EqualValues(t, kernels, c.together.Load())
	for i := range got {
		for _, k := range got[i] {
			require.NotNil(t, k)
			assert.Same(t, got[i][0], k)
			assert.Equal(t, fmt.Sprint(i), k.Name)
		}
	}
}

// TestReleaseBesideCompilation: Release waits for a kernel being compiled, and no more are taken.
func TestReleaseBesideCompilation(t *testing.T) {
	c := &compiler{t: t, entered: make(chan string, 1), leave: make(chan struct{})}
	d := fakeDevice(c)
	var all sync.WaitGroup
	all.Go(func() {
		_, err := d.Kernel("early", "")
		assert.NoError(t, err)
	})
	<-c.entered
	released := make(chan struct{})
	all.Go(func() {
		d.Release()
		close(released)
	})
	select {
	case <-released:
		t.Fatal("released beside a compilation")
	case <-time.After(20 * time.Millisecond):
	}
	close(c.leave)
	all.Wait()
	_, err := d.Kernel("late", "")
	assert.ErrorIs(t, err, ErrReleased)
}

// TestKernelAgain: an error that may be another's is not believed before a second try; one that stays is forgotten with its kernel.
func TestKernelAgain(t *testing.T) {
	c := &compiler{t: t, failOnce: "victim", fail: "culprit"}
	d := fakeDevice(c)
	_, err := d.Kernel("victim", "")
	require.NoError(t, err)
	_, err = d.Kernel("culprit", "")
	require.EqualError(t, err, "gpu: kernel culprit: no module of culprit")
	c.fail = ""
	_, err = d.Kernel("culprit", "")
	require.NoError(t, err)
	assert.Len(t, d.Kernels(), 2)
}

// TestCompileBesideWork compiles kernels, bad ones among them, in several goroutines, while others use the device. Each error goes to
// who caused it.
func TestCompileBesideWork(t *testing.T) {
	d, err := Open(Options{})
	if errors.Is(err, ErrNoAdapter) {
		t.Skip(err)
	}
	require.NoError(t, err)
	defer d.Release()
	const compilers, each = 6, 25
	source := func(i int) (wgsl, fault string) {
		v := "1u"
		switch i % 5 {
		case 1:
			v = fmt.Sprintf("unknown_%d", i) // the module fails
			fault = v
		case 3:
			return fmt.Sprintf("@compute @workgroup_size(1) fn other_%d() {}", i), "entry point" // the pipeline does
		}
		return fmt.Sprintf(`@group(0) @binding(0) var<storage, read_write> data: array<u32>;
@compute @workgroup_size(1) fn main() { data[0] += %s + %du - %du; }`, v, i, i), fault
	}
	done := make(chan struct{})
	var users, all sync.WaitGroup
	for range 2 {
		users.Go(func() {
			for n := uint32(0); ; n++ {
				select {
				case <-done:
					return
				default:
				}
				b, err := d.NewBuffer("b", Scratch, 1<<16)
				if !assert.NoError(t, err) {
					return
				}
				assert.NoError(t, d.Write(b, 0, make([]byte, 1<<16)))
				_, err = d.Read(b, 0, 4)
				assert.NoError(t, err)
				b.Release()
			}
		})
	}
	for c := range compilers {
		all.Go(func() {
			for n := range each {
				i := (n*compilers+c)/2*2 + c%2 // each by one or more
				wgsl, fault := source(i)
				k, err := d.Kernel(fmt.Sprint("k", i), wgsl)
				if fault == "" {
					assert.NoError(t, err)
					assert.NotNil(t, k)
				} else if assert.Error(t, err, i) {
					assert.ErrorContains(t, err, fmt.Sprintf("gpu: kernel k%d: ", i))
					assert.ErrorContains(t, err, fault)
				}
			}
		})
	}
	all.Wait()
	close(done)
	users.Wait()
	good := d.Kernels()
	require.NotEmpty(t, good)
	b, err := d.NewBuffer("sum", Scratch, 16)
	require.NoError(t, err)
	p := d.Begin("all")
	for _, k := range good {
		p.Dispatch(k, [3]uint32{1, 1, 1}, b.Whole())
	}
	got := make([]byte, 4)
	p.Read(b, 0, got)
	f, err := p.Submit()
	require.NoError(t, err)
	require.NoError(t, f.Wait())
	assert.EqualValues(t, len(good), uint32(got[0])|uint32(got[1])<<8)
}
