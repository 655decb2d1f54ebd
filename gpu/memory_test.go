package gpu

import (
	"errors"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestMemory(t *testing.T) {
	root := fstest.MapFS{}
	put := func(name, text string) { root[name] = &fstest.MapFile{Data: []byte(text)} }
	put("proc/meminfo", "MemTotal:       24689752 kB\nMemFree:         9689752 kB\n")
	for i, id := range []string{"0x1638", "0x744c"} {
		device := "sys/class/drm/card" + string(rune('0'+i)) + "/device/"
		put(device+"vendor", "0x1002\n")
		put(device+"device", id+"\n")
		put(device+"mem_info_vram_total", []string{"536870912\n", "25753026560\n"}[i])
	}
	put("sys/class/drm/card2/device/vendor", "0x10de\n")
	smi := func() ([]byte, error) { return []byte("NVIDIA T4, 15360\nNVIDIA H200, 143771\n"), nil }
	for _, c := range []struct {
		info AdapterInfo
		want uint64
	}{
		{AdapterInfo{Name: "llvmpipe", Kind: KindCPU}, 24689752 << 10},
		{AdapterInfo{Name: "Radeon Graphics", Kind: KindIntegrated, VendorID: 0x1002, DeviceID: 0x1638}, 24689752 << 10},
		{AdapterInfo{Name: "Radeon RX 7900 XTX", Kind: KindDiscrete, VendorID: 0x1002, DeviceID: 0x744c}, 25753026560},
		{AdapterInfo{Name: "NVIDIA H200", Kind: KindDiscrete, VendorID: 0x10de}, 143771 << 20},
	} {
		got, err := memory(c.info, root, smi)
		require.NoError(t, err)
		assert.Equal(t, c.want, got, c.info.Name)
	}
	for _, c := range []struct {
		info AdapterInfo
		want string
	}{
		{AdapterInfo{Name: "Arc A770", Kind: KindDiscrete, VendorID: 0x8086}, "gpu: the size of the adapter's memory is not known (Arc A770): its driver does not tell"},
		{AdapterInfo{Name: "NVIDIA A100", Kind: KindDiscrete, VendorID: 0x10de}, "gpu: the size of the adapter's memory is not known (NVIDIA A100): nvidia-smi does not list it"},
	} {
		_, err := memory(c.info, root, smi)
		assert.EqualError(t, err, c.want)
		assert.ErrorIs(t, err, ErrMemoryUnknown)
	}
	_, err := memory(AdapterInfo{Kind: KindCPU}, fstest.MapFS{}, nil)
	assert.ErrorIs(t, err, ErrMemoryUnknown)
	_, err = memory(AdapterInfo{VendorID: vendorNVIDIA}, root, func() ([]byte, error) { return nil, errors.New("not found") })
	assert.ErrorContains(t, err, "nvidia-smi: not found")
}
