package gpu

import (
	"reflect"
	"testing"

	"github.com/rajveermalviya/go-webgpu/wgpu"
	"github.com/stretchr/testify/assert"
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
}
