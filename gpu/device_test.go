package gpu_test

import (
	"encoding/binary"
	"math"
	"os"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"umbra/gpu"
	"umbra/gpu/gputest"
)

const addOne = `
@group(0) @binding(0) var<storage, read_write> data: array<u32>;
@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) w: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>, @builtin(local_invocation_index) l: u32) {
	let i = (w.x + w.y * n.x) * 64u + l;
	if (i < arrayLength(&data)) { data[i] += 1u; }
}`

// spin runs as many rounds of 64 dependent steps as the buffer's first word says. Mesa's llvmpipe ends any loop after
// 65,535 turns, so long work is many rounds and many dispatches.
var spin = `
@group(0) @binding(0) var<storage, read_write> data: array<u32>;
@compute @workgroup_size(1)
fn main() {
	let n = data[0];
	var x = data[1];
	for (var i = 0u; i < n; i++) {
` + strings.Repeat("\t\tx = x * 1664525u + 1013904223u;\n", spinSteps) + `	}
	data[1] = x;
}`

const spinSteps = 64

func words(v ...uint32) []byte {
	var b []byte
	for _, x := range v {
		b = binary.LittleEndian.AppendUint32(b, x)
	}
	return b
}

func kernel(t testing.TB, d *gpu.Device, name, wgsl string) *gpu.Kernel {
	t.Helper()
	k, err := d.Kernel(name, wgsl)
	require.NoError(t, err)
	return k
}

func buffer(t testing.TB, d *gpu.Device, size uint64) *gpu.Buffer {
	t.Helper()
	b, err := d.NewBuffer("test", gpu.Scratch, size)
	require.NoError(t, err)
	t.Cleanup(b.Release)
	return b
}

func TestDispatchesSeeEachOther(t *testing.T) {
	d := gputest.Device(t)
	k := kernel(t, d, "add_one", addOne)
	again := kernel(t, d, "add_one", addOne)
	assert.Same(t, k, again, "compiled once")
	const n = 1000
	b := buffer(t, d, n*4)
	p := d.Begin("adds")
	for range 50 {
		p.Dispatch(k, d.Grid1((n+63)/64), b.Whole())
	}
	dst := make([]byte, n*4)
	p.Read(b, 0, dst)
	f, err := p.Submit()
	require.NoError(t, err)
	require.NoError(t, f.Wait())
	require.NoError(t, f.Wait(), "twice is fine")
	for i := range n {
		require.EqualValues(t, 50, binary.LittleEndian.Uint32(dst[4*i:]), "word %d", i)
	}
}

func TestSeveralInFlight(t *testing.T) {
	d := gputest.Device(t)
	k := kernel(t, d, "add_one", addOne)
	b := buffer(t, d, 256)
	var fences []*gpu.Fence
	var got [][]byte
	for range 5 {
		p := d.Begin("in flight")
		p.Dispatch(k, [3]uint32{1, 1, 1}, b.Whole())
		dst := make([]byte, 4)
		p.Read(b, 0, dst)
		f, err := p.Submit()
		require.NoError(t, err)
		fences, got = append(fences, f), append(got, dst)
	}
	for i := len(fences) - 1; i >= 0; i-- { // in any order
		require.NoError(t, fences[i].Wait())
		assert.EqualValues(t, i+1, binary.LittleEndian.Uint32(got[i]))
		assert.True(t, fences[i].Done())
	}
}

func TestPassKeepsFirstError(t *testing.T) {
	d := gputest.Device(t)
	k := kernel(t, d, "add_one", addOne)
	b := buffer(t, d, 256)
	released, err := d.NewBuffer("released", gpu.Scratch, 256)
	require.NoError(t, err)
	released.Release()
	released.Release()
	for name, c := range map[string]struct {
		record func(p *gpu.Pass)
		want   string
	}{
		"grid zero":         {func(p *gpu.Pass) { p.Dispatch(k, [3]uint32{0, 1, 1}, b.Whole()) }, "grid [0 1 1]"},
		"grid too large":    {func(p *gpu.Pass) { p.Dispatch(k, [3]uint32{70000, 1, 1}, b.Whole()) }, "grid [70000 1 1]"},
		"bindings missing":  {func(p *gpu.Pass) { p.Dispatch(k, [3]uint32{1, 1, 1}) }, "0 bindings given, 1 declared"},
		"released":          {func(p *gpu.Pass) { p.Dispatch(k, [3]uint32{1, 1, 1}, released.Whole()) }, "after release"},
		"odd offset":        {func(p *gpu.Pass) { p.Dispatch(k, [3]uint32{1, 1, 1}, b.Slice(4, 16)) }, "multiple of 256"},
		"outside":           {func(p *gpu.Pass) { p.Dispatch(k, [3]uint32{1, 1, 1}, b.Slice(0, 512)) }, "outside its 256"},
		"read outside":      {func(p *gpu.Pass) { p.Read(b, 0, make([]byte, 260)) }, "read of bytes 0..260"},
		"read unaligned":    {func(p *gpu.Pass) { p.Read(b, 2, make([]byte, 4)) }, "multiples of 4"},
		"copy to itself":    {func(p *gpu.Pass) { p.Copy(b, 0, b, 128, 16) }, ""},
		"copy outside":      {func(p *gpu.Pass) { p.Copy(b, 0, buffer(t, d, 512), 0, 512) }, ""},
		"a launcher's word": {func(p *gpu.Pass) { p.Fail(assert.AnError) }, assert.AnError.Error()},
	} {
		t.Run(name, func(t *testing.T) {
			p := d.Begin(name)
			c.record(p)
			p.Dispatch(k, [3]uint32{99999, 1, 1}, b.Whole()) // must not replace the first error
			_, err := p.Submit()
			require.Error(t, err)
			assert.ErrorContains(t, err, c.want)
		})
	}
	assert.ErrorContains(t, d.Write(b, 2, make([]byte, 4)), "multiples of 4")
	assert.ErrorContains(t, d.Write(b, 252, make([]byte, 8)), "outside its 256")
	assert.ErrorIs(t, d.Write(released, 0, make([]byte, 4)), gpu.ErrReleased)
	_, err = d.Kernel("bad", "fn main( {")
	assert.ErrorContains(t, err, "kernel bad")
	TestDispatchesSeeEachOther(t) // the device is none the worse
}

func TestAccount(t *testing.T) {
	d := gputest.Device(t)
	before := d.Memory()
	w, err := d.NewBuffer("w", gpu.Weights, 1000)
	require.NoError(t, err)
	kv, err := d.NewBuffer("kv", gpu.KV, 4096)
	require.NoError(t, err)
	now := d.Memory()
	assert.EqualValues(t, 1008, now[gpu.Weights]-before[gpu.Weights], "rounded up to 16")
	assert.EqualValues(t, 4096, now[gpu.KV]-before[gpu.KV])
	w.Release()
	kv.Release()
	assert.Equal(t, before, d.Memory())
}

// TestLimitsAskedFor makes a buffer above the 256 MiB that a device has unless it is asked for more.
func TestLimitsAskedFor(t *testing.T) {
	d := gputest.Device(t)
	const size = 300 << 20
	if d.Limits().BufferSize < size {
		t.Skipf("the adapter's largest buffer is %d bytes", d.Limits().BufferSize)
	}
	b := buffer(t, d, size)
	require.NoError(t, d.Write(b, size-4, words(7)))
	got, err := d.Read(b, size-8, 8)
	require.NoError(t, err)
	assert.Equal(t, words(0, 7), got)
}

// TestFoldedGrid runs more workgroups than a dimension takes.
func TestFoldedGrid(t *testing.T) {
	d := gputest.Device(t)
	const n = 70_000 * 64
	b := buffer(t, d, n*4)
	p := d.Begin("folded")
	grid := d.Grid1(n / 64)
	require.Greater(t, grid[1], uint32(1))
	p.Dispatch(kernel(t, d, "add_one", addOne), grid, b.Whole())
	dst := make([]byte, n*4)
	p.Read(b, 0, dst)
	f, err := p.Submit()
	require.NoError(t, err)
	require.NoError(t, f.Wait())
	for i := range n {
		if v := binary.LittleEndian.Uint32(dst[4*i:]); v != 1 {
			require.EqualValues(t, 1, v, "word %d", i)
		}
	}
}

func TestBufferTooLarge(t *testing.T) {
	d := gputest.Device(t)
	before := d.Memory()
	for _, size := range []uint64{d.Limits().BufferSize + 16, 200 << 30, 1 << 62, math.MaxUint64} {
		_, err := d.NewBuffer("far too large", gpu.Weights, size)
		var oom *gpu.OutOfMemoryError
		require.ErrorAs(t, err, &oom)
		assert.Equal(t, "far too large", oom.Label)
		assert.ErrorContains(t, err, "does not fit")
	}
	assert.Equal(t, before, d.Memory())
}

// TestMemoryRunsOut takes buffers of the largest size until there is no more: an error must come, not a crash. The
// CPU adapter's memory is the machine's own, which the kernel overcommits, so it is tried on GPUs alone.
func TestMemoryRunsOut(t *testing.T) {
	d := gputest.Device(t)
	if d.Info().Kind == gpu.KindCPU {
		t.Skip("a CPU adapter's memory has no end of its own")
	}
	var held []*gpu.Buffer
	defer func() {
		for _, b := range held {
			b.Release()
		}
		require.NoError(t, d.Flush())
	}()
	for {
		b, err := d.NewBuffer("until it is full", gpu.Scratch, min(d.Limits().BufferSize, 2<<30))
		if err != nil {
			var oom *gpu.OutOfMemoryError
			require.ErrorAs(t, err, &oom)
			return
		}
		held = append(held, b)
		require.Less(t, len(held), 1000)
	}
}

// TestLongSubmission runs one submission well past five seconds, where the binding's own wait would give up.
func TestLongSubmission(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seven seconds")
	}
	d := gputest.Device(t)
	k := kernel(t, d, "spin", spin)
	b := buffer(t, d, 16)
	run := func(n, times uint32) (time.Duration, uint32) {
		require.NoError(t, d.Write(b, 0, words(n, 1)))
		p := d.Begin("spin")
		for range times {
			p.Dispatch(k, [3]uint32{1, 1, 1}, b.Whole())
		}
		dst := make([]byte, 16)
		p.Read(b, 0, dst)
		start := time.Now()
		f, err := p.Submit()
		require.NoError(t, err)
		require.NoError(t, f.Wait())
		return time.Since(start), binary.LittleEndian.Uint32(dst[4:])
	}
	want := func(n uint32) uint32 {
		x := uint32(1)
		for range n * spinSteps {
			x = x*1664525 + 1013904223
		}
		return x
	}
	// Find how many steps take about 20 ms, then run enough dispatches of them for seven seconds.
	n := uint32(1 << 10)
	run(n, 1) // compiles
	took, got := run(n, 1)
	for took < 20*time.Millisecond && n < 1<<15 {
		n *= 2
		took, got = run(n, 1)
	}
	require.Equal(t, want(n), got)
	took, _ = run(n, 10)
	times := uint32(7*10*time.Second/took) + 1
	took, got = run(n, times)
	for took < 5*time.Second && times < 1<<20 { // the machine was slower while it was measured
		times *= 2
		took, got = run(n, times)
	}
	require.Greater(t, took, 5*time.Second, "the submission was not long enough to show anything")
	assert.Equal(t, want(n*times), got)
}

// TestReadbackStress makes readbacks while the collector runs as often as it can. UMBRA_SOAK=1 makes it 100,000.
func TestReadbackStress(t *testing.T) {
	d := gputest.Device(t)
	n := 3000
	if os.Getenv("UMBRA_SOAK") != "" {
		n = 100_000
	}
	defer debug.SetGCPercent(debug.SetGCPercent(1))
	k := kernel(t, d, "add_one", addOne)
	b := buffer(t, d, 256)
	var garbage [][]byte
	for i := range n {
		p := d.Begin("stress")
		p.Dispatch(k, [3]uint32{1, 1, 1}, b.Whole())
		dst := make([]byte, 4+4*(i%32))
		p.Read(b, 0, dst)
		f, err := p.Submit()
		require.NoError(t, err)
		garbage = append(garbage[:min(len(garbage), 63)], make([]byte, 8<<(i%10)))
		require.NoError(t, f.Wait())
		require.EqualValues(t, i+1, binary.LittleEndian.Uint32(dst))
	}
}

// TestReleaseFrees: devices that are opened and released one after another leave nothing: drivers have room for some dozens at a time.
func TestReleaseFrees(t *testing.T) {
	gputest.Device(t) // or there is no adapter
	threads := func() int {
		tasks, err := os.ReadDir("/proc/self/task")
		if err != nil {
			return 0 // not Linux; then it is enough that all can be opened
		}
		return len(tasks)
	}
	before := 0
	for i := range 80 {
		d, err := gpu.Open(gpu.Options{})
		require.NoError(t, err, "device %d", i)
		b, err := d.NewBuffer("b", gpu.Scratch, 256)
		require.NoError(t, err)
		p := d.Begin("one")
		p.Dispatch(kernel(t, d, "add_one", addOne), d.Grid1(1), b.Whole())
		f, err := p.Submit()
		require.NoError(t, err)
		require.NoError(t, f.Wait())
		b.Release()
		d.Release()
		if i == 9 {
			before = threads()
		}
	}
	assert.LessOrEqual(t, threads(), before+20)
}

func TestReleaseWithWorkInFlight(t *testing.T) {
	if gputest.Device(t).Info().Kind != gpu.KindCPU && testing.Short() {
		t.Skip("opens a second device")
	}
	d, err := gpu.Open(gpu.Options{})
	require.NoError(t, err)
	b, err := d.NewBuffer("b", gpu.Scratch, 1<<20)
	require.NoError(t, err)
	k := kernel(t, d, "add_one", addOne)
	p := d.Begin("left behind")
	for range 20 {
		p.Dispatch(k, d.Grid1(1<<20/4/64), b.Whole())
	}
	p.Read(b, 0, make([]byte, 1<<20))
	f, err := p.Submit()
	require.NoError(t, err)
	d.Release()
	d.Release()
	assert.ErrorIs(t, f.Wait(), gpu.ErrReleased)
	b.Release()
	_, err = d.NewBuffer("late", gpu.Scratch, 16)
	assert.ErrorIs(t, err, gpu.ErrReleased)
	_, err = d.Begin("late").Submit()
	assert.ErrorIs(t, err, gpu.ErrReleased)
}

func TestProfile(t *testing.T) {
	if !gputest.Device(t).Info().Timestamps {
		t.Skip("the adapter has no timestamp queries")
	}
	d, err := gpu.Open(gpu.Options{Profile: true})
	require.NoError(t, err)
	defer d.Release()
	k, s := kernel(t, d, "add_one", addOne), kernel(t, d, "spin", spin)
	b := buffer(t, d, 1024)
	require.NoError(t, d.Write(b, 0, words(1<<12, 0)))
	p := d.Begin("profiled")
	p.Dispatch(s, [3]uint32{1, 1, 1}, b.Whole())
	p.Dispatch(k, [3]uint32{4, 1, 1}, b.Whole())
	p.Dispatch(k, [3]uint32{4, 1, 1}, b.Whole())
	dst := make([]byte, 16)
	p.Read(b, 0, dst)
	start := time.Now()
	f, err := p.Submit()
	require.NoError(t, err)
	require.NoError(t, f.Wait())
	wall := time.Since(start)
	assert.EqualValues(t, 1<<12+2, binary.LittleEndian.Uint32(dst), "work done as without profiling")
	times := map[string]gpu.KernelTime{}
	for _, k := range d.Profile() {
		times[k.Name] = k
	}
	require.Len(t, times, 2)
	assert.Equal(t, 1, times["spin"].Count)
	assert.Equal(t, 2, times["add_one"].Count)
	assert.Positive(t, times["spin"].Total)
	assert.Less(t, times["spin"].Total, 2*wall)
	d.ResetProfile()
	assert.Empty(t, d.Profile())
}
