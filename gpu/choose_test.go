package gpu

import (
	"errors"
	"slices"
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
			chosen, verdicts := choose(c.all, c.want)
			i := -1
			if len(chosen) > 0 {
				i = chosen[0]
			}
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

func TestChooseSeveral(t *testing.T) {
	all := []AdapterInfo{adapter(0, "llvmpipe (LLVM 15, 256 bits)", KindCPU), adapter(1, "NVIDIA H200", KindDiscrete), adapter(2, "NVIDIA H200", KindDiscrete), {Index: 3}}
	for _, c := range []struct {
		want    string
		chosen  []int
		reasons [3]string
	}{
		{"2,1", []int{2, 1}, [3]string{`does not match "2,1"`, `device 2 of 2 of "2,1"`, `device 1 of 2 of "2,1"`}},
		{"0, 0", []int{0, 0}, [3]string{`devices 1 and 2 of 2 of "0,0"`, `does not match "0,0"`, `does not match "0,0"`}},
		{"h200,h200", []int{1, 2}, [3]string{`does not match "h200,h200"`, `device 1 of 2 of "h200,h200"`, `device 2 of 2 of "h200,h200"`}},
		{"2,discrete,cpu", []int{2, 1, 0}, [3]string{`device 3 of 3 of "2,discrete,cpu"`, `device 2 of 3 of "2,discrete,cpu"`, `device 1 of 3 of "2,discrete,cpu"`}},
		{"LLVM 15, 256", []int{0}, [3]string{`matches "LLVM 15, 256"`, `does not match "LLVM 15, 256"`, `does not match "LLVM 15, 256"`}},
		{"h200,h200,h200", nil, [3]string{`of "h200,h200,h200", nothing is left that matches "h200"`, `of "h200,h200,h200", nothing is left that matches "h200"`, `of "h200,h200,h200", nothing is left that matches "h200"`}},
		{"0,7", nil, [3]string{`of "0,7", nothing is left that matches "7"`, `of "0,7", nothing is left that matches "7"`, `of "0,7", nothing is left that matches "7"`}},
		{"0,3", nil, [3]string{`of "0,3", nothing is left that matches "3"`, `of "0,3", nothing is left that matches "3"`, `of "0,3", nothing is left that matches "3"`}},
		{"0,", nil, [3]string{`of "0,", nothing is left that matches ""`, `of "0,", nothing is left that matches ""`, `of "0,", nothing is left that matches ""`}},
	} {
		chosen, verdicts := choose(all, c.want)
		assert.Equal(t, c.chosen, chosen, c.want)
		for i, reason := range c.reasons {
			assert.Equal(t, reason, verdicts[i].Reason, c.want)
		}
		for i, v := range verdicts {
			assert.Equal(t, slices.Contains(chosen, i), v.Chosen, c.want)
		}
		assert.Contains(t, verdicts[3].Reason, "too small")
	}
	_, err := open(fakeDriver{all}, Options{Adapter: "1,2"})
	assert.EqualError(t, err, `gpu: "1,2" names 2 adapters where one is to be opened; give one of them`)
	_, err = openAll(fakeDriver{all}, Options{Adapter: "1,9"})
	require.ErrorIs(t, err, ErrNoAdapter)
	assert.ErrorContains(t, err, `nothing is left that matches "9"`)
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
