package bench

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"umbra/gpu"
)

func TestRecords(t *testing.T) {
	all, err := records()
	require.NoError(t, err)
	require.NotEmpty(t, all)
	seen := map[[2]string]bool{}
	for _, r := range all {
		assert.Contains(t, []string{"cpu", "integrated", "discrete"}, r.Kind)
		assert.NotEmpty(t, r.From)
		assert.False(t, seen[[2]string{r.Kind, r.Name}], "%s %s is there twice", r.Kind, r.Name)
		seen[[2]string{r.Kind, r.Name}] = true
		names := map[string]bool{}
		for _, k := range r.Kernels {
			assert.False(t, names[k.Name], "%s: %s is there twice", r.Name, k.Name)
			names[k.Name] = true
			assert.Positive(t, k.Share, "%s: %s", r.Name, k.Name)
			assert.GreaterOrEqual(t, k.Plain, 0.0, "%s: %s", r.Name, k.Name)
		}
	}
}

func TestRecordFor(t *testing.T) {
	all := []Record{{Kind: "discrete", From: "any"}, {Kind: "discrete", Name: "nvidia h200", From: "H200"}, {Kind: "cpu", Name: "llvmpipe", From: "lavapipe"}}
	for _, c := range []struct {
		name string
		kind gpu.Kind
		from string
	}{
		{"NVIDIA H200", gpu.KindDiscrete, "H200"},
		{"NVIDIA H200 NVL", gpu.KindDiscrete, "H200"},
		{"AMD Radeon", gpu.KindDiscrete, "any"},
		{"llvmpipe (LLVM 15.0.6, 256 bits)", gpu.KindCPU, "lavapipe"},
		{"SwiftShader", gpu.KindCPU, ""},
		{"Intel Iris Xe", gpu.KindIntegrated, ""},
	} {
		r, ok := recordFor(all, gpu.AdapterInfo{Name: c.name, Kind: c.kind})
		assert.Equal(t, c.from != "", ok, c.name)
		assert.Equal(t, c.from, r.From, c.name)
	}
}

func TestBelow(t *testing.T) {
	r := Record{Kernels: []Ratio{{"a", 0.5, 10}, {"b", 0.4, 0}}}
	for _, c := range []struct {
		recorded string
		share    float64
		plain    float64
		short    []string
	}{
		{"a", 0.5, 10, nil},
		{"a", 0.301, 6.01, nil},
		{"a", 0.29, 6.01, []string{"29 % of the adapter's own speed, wanted 30 %"}},
		{"a", 0.9, 5.9, []string{"5.9 times a plain kernel, wanted 6"}},
		{"a", 0.1, 1, []string{"10 % of the adapter's own speed, wanted 30 %", "1 times a plain kernel, wanted 6"}},
		{"b", 0.25, 0, nil},
		{"b", 0.2, 3, []string{"20 % of the adapter's own speed, wanted 24 %"}},
	} {
		k, ok := r.find(c.recorded)
		require.True(t, ok)
		floor := Record{Kernels: []Ratio{k}}
		got, err := floor.check(c.recorded, func() (Ratio, error) { return Ratio{c.recorded, c.share, c.plain}, nil })
		require.NoError(t, err)
		assert.Equal(t, c.short, got.Below, "%+v", c)
	}
	assert.Equal(t, []string{"b"}, r.missing([]Ratio{{Name: "a"}, {Name: "c"}}))
}

// TestAttempts: a kernel is measured again while it is below, the better of each ratio counts, and three times are enough.
func TestAttempts(t *testing.T) {
	r := Record{Kernels: []Ratio{{"a", 0.5, 10}}}
	for _, c := range []struct {
		measured []Ratio
		calls    int
		below    bool
	}{
		{[]Ratio{{"a", 0.5, 10}}, 1, false},
		{[]Ratio{{"a", 0.2, 7}, {"a", 0.4, 5}}, 2, false},
		{[]Ratio{{"a", 0.2, 7}, {"a", 0.1, 7}, {"a", 0.4, 7}}, 3, false},
		{[]Ratio{{"a", 0.2, 7}, {"a", 0.1, 7}, {"a", 0.2, 7}, {"a", 0.5, 10}}, 3, true},
	} {
		calls := 0
		got, err := r.check("a", func() (Ratio, error) { calls++; return c.measured[calls-1], nil })
		require.NoError(t, err)
		assert.Equal(t, c.calls, calls)
		assert.Equal(t, c.below, len(got.Below) > 0, "%+v", c)
	}
	calls := 0
	got, err := r.check("new", func() (Ratio, error) { calls++; return Ratio{"new", 0.01, 0}, nil })
	require.NoError(t, err)
	assert.Equal(t, Checked{Ratio: Ratio{"new", 0.01, 0}}, got, "nothing recorded, nothing below")
	assert.Equal(t, 1, calls)
	_, err = r.check("a", func() (Ratio, error) { return Ratio{}, errors.New("lost") })
	assert.ErrorContains(t, err, "lost")
}
