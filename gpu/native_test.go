package gpu

import (
	"errors"
	"reflect"
	"runtime"
	"testing"

	"github.com/rajveermalviya/go-webgpu/wgpu"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestBindingLayout checks the shape of the binding's types that rawDevice and rawBuffer rely on.
func TestBindingLayout(t *testing.T) {
	fields := func(v any) (names []string) {
		typ := reflect.TypeOf(v)
		for i := range typ.NumField() {
			assert.Equal(t, reflect.TypeOf(uintptr(0)).Size(), typ.Field(i).Type.Size())
			names = append(names, typ.Field(i).Name)
		}
		return names
	}
	assert.Equal(t, []string{"ref"}, fields(wgpu.Device{}))
	assert.Equal(t, []string{"deviceRef", "ref"}, fields(wgpu.Buffer{}))
	assert.Equal(t, []string{"deviceRef", "ref"}, fields(wgpu.Queue{}))
	assert.Equal(t, []string{"ref"}, fields(wgpu.CommandBuffer{}))
}

// TestDeviceLost makes the library give up inside a submission, as it does when a device is lost: by a queue that is none.
// The error comes back, the device stays lost, and another device works on.
func TestDeviceLost(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the library's panics end the process there")
	}
	d, err := Open(Options{})
	if errors.Is(err, ErrNoAdapter) {
		t.Skip(err)
	}
	require.NoError(t, err)
	b, err := d.NewBuffer("b", Scratch, 64)
	require.NoError(t, err)
	waiting := d.Begin("before")
	waiting.Read(b, 0, make([]byte, 64))
	fence, err := waiting.Submit()
	require.NoError(t, err)
	recorded := d.Begin("recorded")
	recorded.Read(b, 0, make([]byte, 64))

	d.handle.(*wgpuDevice).queue = &wgpu.Queue{}
	_, err = recorded.Submit()
	require.ErrorIs(t, err, ErrLost)
	assert.ErrorIs(t, fence.Wait(), ErrLost)
	_, err = d.NewBuffer("late", Scratch, 64)
	assert.ErrorIs(t, err, ErrLost)
	_, err = d.Kernel("late", "@compute @workgroup_size(1) fn main() {}")
	assert.ErrorIs(t, err, ErrLost)
	assert.ErrorIs(t, d.Write(b, 0, make([]byte, 4)), ErrLost)
	_, err = d.Begin("late").Submit()
	assert.ErrorIs(t, err, ErrLost)
	b.Release()
	d.Release()

	other, err := Open(Options{})
	require.NoError(t, err)
	defer other.Release()
	b, err = other.NewBuffer("b", Scratch, 64)
	require.NoError(t, err)
	require.NoError(t, other.Write(b, 0, []byte{1, 2, 3, 4}))
	got, err := other.Read(b, 0, 4)
	require.NoError(t, err)
	assert.Equal(t, []byte{1, 2, 3, 4}, got)
}
