package places

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"umbra/gpu"
	"umbra/model"
)

// TestShare: by what layers are shared out. A CPU's memory is the system's; that of a card by nobody in particular is not known.
func TestShare(t *testing.T) {
	cpu := gpu.AdapterInfo{Index: 0, Name: "llvmpipe", Kind: gpu.KindCPU}
	if _, err := cpu.Memory(); err != nil {
		t.Skip(err)
	}
	card := gpu.AdapterInfo{Index: 1, Name: "card", Kind: gpu.KindDiscrete, VendorID: 1, DeviceID: 1}
	again, other := card, card
	again.Index = 2
	other.Index, other.Name = 3, "other"

	rooms, split, why, err := share([]gpu.AdapterInfo{cpu}, nil)
	require.NoError(t, err)
	assert.Empty(t, rooms)
	assert.Nil(t, split)
	assert.Empty(t, why)
	_, _, _, err = share([]gpu.AdapterInfo{cpu}, []float64{1})
	assert.EqualError(t, err, "umbra: a split in shares is for several adapters; name them, say as 0,1")

	rooms, split, why, err = share([]gpu.AdapterInfo{cpu, cpu}, nil)
	require.NoError(t, err)
	assert.Equal(t, "in proportion to memory", why)
	assert.Equal(t, split[0], split[1])
	whole, err := cpu.Memory()
	require.NoError(t, err)
	assert.Equal(t, whole/2, rooms[0].Memory, "both have it together")

	_, split, why, err = share([]gpu.AdapterInfo{card, again}, nil)
	require.NoError(t, err)
	assert.Equal(t, []float64{1, 1}, split)
	assert.Equal(t, "evenly: memory is not known, and the adapters have the same name", why)
	_, _, _, err = share([]gpu.AdapterInfo{card, other}, nil)
	require.ErrorIs(t, err, gpu.ErrMemoryUnknown)
	assert.ErrorContains(t, err, "give the shares yourself")
	_, split, why, err = share([]gpu.AdapterInfo{card, other}, []float64{3, 1})
	require.NoError(t, err)
	assert.Equal(t, []float64{3, 1}, split)
	assert.Equal(t, "as told", why)
}

func TestFits(t *testing.T) {
	plan := model.Plan{Stages: []model.Stage{{First: 0, End: 3, Weights: 60, KV: 30, Scratch: 10}, {First: 3, End: 4, Weights: 60, KV: 30, Scratch: 11}}}
	rooms := []Room{{Memory: 100}, {Adapter: gpu.AdapterInfo{Index: 7, Name: "card"}, Memory: 100}}
	assert.EqualError(t, Fits(rooms, plan), "umbra: layer 3: 101 bytes are needed (weights 60, keys and values 30, scratch 11), and there are 100 on adapter 7 (card); "+
		"give it fewer layers by a split, or take a smaller context, KV memory or model")
	rooms[1].Memory = 0 // not known
	assert.NoError(t, Fits(rooms, plan))
}
