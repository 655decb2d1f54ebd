package gpu

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func adapter(i int, name string, k Kind) AdapterInfo {
	return AdapterInfo{Index: i, Name: name, Kind: k, Limits: floorLimits}
}

func TestChoose(t *testing.T) {
	cpu, igpu, dgpu := adapter(0, "llvmpipe", KindCPU), adapter(1, "Iris Xe", KindIntegrated), adapter(2, "RTX", KindDiscrete)
	small := adapter(3, "Tiny", KindDiscrete)
	small.Limits.StorageBuffers = 4
	for _, c := range []struct {
		name, want string
		all        []AdapterInfo
		index      int
		reason     string
	}{
		{"none", "", nil, -1, ""},
		{"discrete first", "", []AdapterInfo{cpu, igpu, dgpu}, 2, "the best kind of adapter here: discrete"},
		{"integrated before cpu", "", []AdapterInfo{cpu, igpu}, 1, "the best kind of adapter here: integrated"},
		{"cpu is said aloud", "", []AdapterInfo{cpu}, 0, "a CPU adapter: no GPU adapter was found"},
		{"unknown before cpu", "", []AdapterInfo{cpu, adapter(1, "?", KindUnknown)}, 1, "the best kind of adapter here: unknown"},
		{"first among equals", "", []AdapterInfo{adapter(0, "a", KindDiscrete), adapter(1, "b", KindDiscrete)}, 0, "the best kind of adapter here: discrete"},
		{"by index", "0", []AdapterInfo{cpu, igpu, dgpu}, 0, `matches "0"`},
		{"by kind", "CPU", []AdapterInfo{cpu, igpu, dgpu}, 0, `matches "CPU"`},
		{"by name", "iris", []AdapterInfo{cpu, igpu, dgpu}, 1, `matches "iris"`},
		{"no match", "radeon", []AdapterInfo{cpu, igpu}, -1, ""},
		{"below the floor", "", []AdapterInfo{cpu, {}, {}, small}, 0, "a CPU adapter: no GPU adapter was found"},
	} {
		t.Run(c.name, func(t *testing.T) {
			i, verdicts := choose(c.all, c.want)
			assert.Equal(t, c.index, i)
			for j, v := range verdicts {
				assert.Equal(t, j == i, v.Chosen)
				assert.NotEmpty(t, v.Reason)
			}
			if i >= 0 {
				assert.Equal(t, c.reason, verdicts[i].Reason)
			}
		})
	}
}

// fakeDriver stands in for a machine without usable adapters; it never pretends to compute.
type fakeDriver struct{ infos []AdapterInfo }

func (f fakeDriver) adapters() ([]driverAdapter, error) {
	var all []driverAdapter
	for _, i := range f.infos {
		all = append(all, fakeAdapter(i))
	}
	return all, nil
}

type fakeAdapter AdapterInfo

func (a fakeAdapter) info() AdapterInfo { return AdapterInfo(a) }
func (a fakeAdapter) open(Limits, bool) (driverDevice, error) {
	return nil, errors.New("refused")
}

func TestOpenErrors(t *testing.T) {
	_, err := open(fakeDriver{}, Options{})
	require.ErrorIs(t, err, ErrNoAdapter)
	_, err = open(fakeDriver{[]AdapterInfo{adapter(0, "llvmpipe", KindCPU)}}, Options{Adapter: "radeon"})
	require.ErrorIs(t, err, ErrNoAdapter)
	assert.ErrorContains(t, err, `llvmpipe`)
	assert.ErrorContains(t, err, `does not match "radeon"`)
	_, err = open(fakeDriver{[]AdapterInfo{adapter(0, "llvmpipe", KindCPU)}}, Options{Profile: true})
	assert.ErrorContains(t, err, "no timestamp queries")
	_, err = open(fakeDriver{[]AdapterInfo{adapter(0, "llvmpipe", KindCPU)}}, Options{})
	assert.ErrorContains(t, err, "refused")
	_, err = open(fakeDriver{[]AdapterInfo{adapter(0, "llvmpipe", KindCPU)}}, Options{Limits: "half"})
	assert.ErrorContains(t, err, `limits "half" are not known (adapter, floor)`)
}

func TestLimitsSane(t *testing.T) {
	zero, huge := Limits{}.sane(), Limits{}
	huge.BufferSize, huge.StorageBindingSize, huge.UniformBindingSize = 1<<63, 1<<63, 1<<63
	huge.StorageBuffers, huge.WorkgroupStorage, huge.WorkgroupInvocations = 1<<31, 1<<31, 1<<31
	huge.WorkgroupsPerDim, huge.WorkgroupSizeX = 1<<31, 1<<31
	huge = huge.sane()
	assert.NotEmpty(t, zero.lacks())
	assert.Empty(t, huge.lacks())
	assert.Empty(t, floorLimits.sane().lacks())
	assert.LessOrEqual(t, huge.StorageBindingSize, uint64(4<<30-4), "a binding's size stays below 32 bits")
	assert.EqualValues(t, 65535, huge.WorkgroupsPerDim)
	odd := floorLimits
	odd.StorageBindingSize = 2<<30 - 1
	odd.BufferSize = 8 << 30
	assert.Zero(t, odd.sane().StorageBindingSize%4)
}

func TestFoldGrid(t *testing.T) {
	for _, n := range []int{1, 2, 65535, 65536, 65537, 131071, 1 << 20, 12345678} {
		g := foldGrid(n, 65535)
		assert.LessOrEqual(t, g[0], uint32(65535))
		assert.LessOrEqual(t, g[1], uint32(65535))
		assert.GreaterOrEqual(t, int(g[0])*int(g[1]), n)
		assert.Less(t, int(g[0])*int(g[1]), n+int(g[1]), "at most a column too many")
	}
}

func TestBindingKinds(t *testing.T) {
	kinds, err := bindingKinds("@group(0) @binding(0) var<uniform> u: U;\n@group(0) @binding(1) var<storage, read> a: array<f32>;\n" +
		"@group(0) @binding(2) var<storage, read_write> b: array<f32>;\n@group(0) @binding(3) var<storage> c: array<f32>;")
	require.NoError(t, err)
	assert.Equal(t, []bindingKind{bindUniform, bindRead, bindReadWrite, bindRead}, kinds)
	_, err = bindingKinds("@group(0) @binding(1) var<uniform> u: U;")
	assert.ErrorContains(t, err, "binding 1 declared where 0 was due")
}
