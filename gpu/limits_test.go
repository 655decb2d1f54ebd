package gpu

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestFloorVerdicts(t *testing.T) {
	roomy := adapter(0, "RTX", KindDiscrete)
	roomy.Limits.BufferSize, roomy.Limits.StorageBindingSize, roomy.Limits.WorkgroupInvocations = 1<<40, 2<<30, 1024
	tiny := adapter(1, "Tiny", KindDiscrete)
	tiny.Limits.StorageBuffers = 4
	drv := fakeDriver{[]AdapterInfo{roomy, tiny}}
	for _, set := range []LimitSet{"", AdapterLimits, FloorLimits} {
		_, best, verdicts, err := judge(drv, Options{Limits: set})
		require.NoError(t, err)
		assert.Equal(t, []int{0}, best)
		want, says := roomy.Limits, ""
		if set == FloorLimits {
			want, says = floorLimits, "; held to WebGPU's default limits"
		}
		assert.Equal(t, want, verdicts[0].Limits)
		assert.Equal(t, "the best kind of adapter here: discrete"+says, verdicts[0].Reason)
		assert.Equal(t, tiny.Limits, verdicts[1].Limits, "one that cannot be opened shows what it lacks")
	}
}

// TestFloorLimits opens the real adapter at the floor. What is above is refused by the device, not only by this package.
func TestFloorLimits(t *testing.T) {
	d, err := Open(Options{Limits: FloorLimits})
	if errors.Is(err, ErrNoAdapter) {
		t.Skipf("no adapter: %v", err)
	}
	require.NoError(t, err)
	defer d.Release()
	assert.Equal(t, floorLimits, d.Limits())

	_, err = d.NewBuffer("above", Scratch, 257<<20)
	require.ErrorContains(t, err, "the largest buffer is 268435456 bytes")
	_, err = d.handle.createBuffer("above", 257<<20, useStorage)
	require.Error(t, err, "the device takes a buffer of 257 MiB")

	b, err := d.NewBuffer("within", Scratch, 129<<20)
	require.NoError(t, err)
	defer b.Release()
	k, err := d.Kernel("touch", touch(64, ""))
	require.NoError(t, err)
	p := d.Begin("above")
	p.Dispatch(k, [3]uint32{1, 1, 1}, b.Whole())
	_, err = p.Submit()
	require.ErrorContains(t, err, "135266304 bytes are above the limit of 134217728")
	_, err = d.handle.createBindGroup(k.handle, []Binding{b.Whole()})
	require.Error(t, err, "the device takes a binding of 129 MiB")
	g, err := d.handle.createBindGroup(k.handle, []Binding{b.Slice(0, 128<<20)})
	require.NoError(t, err)
	g.release()

	_, err = d.Kernel("wide", touch(257, ""))
	require.Error(t, err, "the device takes 257 invocations")
	more := ""
	for i := range 8 {
		more += fmt.Sprintf("@group(0) @binding(%d) var<storage, read> more%d: array<u32>;\n", i+1, i)
	}
	_, err = d.Kernel("many", touch(64, more))
	require.Error(t, err, "the device takes 9 storage buffers")
}

// touch is a kernel that writes to its first binding.
func touch(lanes int, more string) string {
	return fmt.Sprintf(`
@group(0) @binding(0) var<storage, read_write> data: array<u32>;
%s
@compute @workgroup_size(%d)
fn main(@builtin(local_invocation_index) l: u32) { data[l] = l; }`, more, lanes)
}
