package umbra

import (
	"errors"
	"fmt"
	"math"

	"umbra/cache"
	"umbra/gpu"
	"umbra/internal/places"
	"umbra/model"
	"umbra/model/kvswap"
)

// PlanFor works out what opening a model would take, without a device: on one that has room for it, or with gpu.FloorLimits on
// the smallest, or of several where Split says so. Only a KVShare needs to know which adapters they would be.
func PlanFor(src model.Source, o Options) (model.Plan, error) {
	sizes, err := o.sizes()
	if err != nil {
		return model.Plan{}, err
	}
	if o.KVShare != 0 {
		if sizes.KVBytes, err = o.shareOfChosen(src, sizes); err != nil {
			return model.Plan{}, err
		}
	}
	limits, err := o.Limits.Within(roomy)
	if err != nil {
		return model.Plan{}, err
	}
	all := []gpu.Limits{limits}
	for len(all) < len(o.Split) {
		all = append(all, limits)
	}
	return model.PlanSplit(src, sizes, all)
}

// Groups are the layers of a planned model that see the same tokens, as the scheduler takes them: nil where all see all.
func Groups(p model.Plan) (groups []cache.Group) {
	if !p.Windowed() {
		return nil
	}
	for _, g := range p.Groups {
		groups = append(groups, cache.Group{Window: g.Window, Lanes: g.Lanes})
	}
	return groups
}

// device is how the devices are opened.
func (o Options) device() gpu.Options {
	return gpu.Options{Adapter: o.Adapter, Limits: o.Limits, Profile: o.Profile}
}

// shareOfChosen is share where no device is open yet.
func (o Options) shareOfChosen(src model.Source, sizes model.Options) (uint64, error) {
	rooms, split, err := places.Judge(places.Options{Device: o.device(), Split: o.Split})
	if err != nil {
		return 0, err
	}
	sizes.Split = split
	return o.share(src, sizes, rooms)
}

// share is what KVShare comes to, in bytes: as many as the adapter allows that has the least room for each of its layers.
func (o Options) share(src model.Source, sizes model.Options, rooms []places.Room) (uint64, error) {
	if !(o.KVShare > 0 && o.KVShare <= 1) {
		return 0, fmt.Errorf("umbra: a share of %v of the memory for keys and values is outside 0..1", o.KVShare)
	}
	if o.KVBytes > 0 || o.Blocks > 0 {
		return 0, errors.New("umbra: KVShare sizes the KV pool, and so do KVBytes and Blocks; give one of them")
	}
	all := make([]gpu.Limits, len(rooms))
	for i, r := range rooms {
		if r.Err != nil {
			return 0, fmt.Errorf("%w; give the memory for keys and values in bytes", r.Err)
		}
		all[i] = roomy
	}
	plan, err := model.PlanSplit(src, sizes, all)
	if err != nil {
		return 0, err
	}
	least := math.Inf(1)
	for i, s := range plan.Stages {
		r, taken := rooms[i], s.Weights+s.Scratch
		if r.Memory <= taken {
			return 0, fmt.Errorf("umbra: the weights take %d bytes and scratch %d, and %s has %d: nothing is left for keys and values",
				s.Weights, s.Scratch, r.Adapter, r.Memory)
		}
		part := float64(s.KV) / float64(plan.KV) // of all keys and values
		least = min(least, o.KVShare*float64(r.Memory-taken)/part)
	}
	return uint64(least), nil
}

// roomy are the limits of an adapter that takes anything.
var roomy = gpu.Limits{BufferSize: 1 << 40, StorageBindingSize: 1 << 40}

// swap is the room for KV blocks off the device, in whole blocks.
func (o Options) swap(p model.Plan) (kvswap.Config, error) {
	block, host := p.BlockBytes(), o.SwapBytes
	if host == 0 {
		host = max(1<<30, block)
	}
	if host < block {
		return kvswap.Config{}, fmt.Errorf("umbra: %d bytes of host memory hold no KV block to swap; give at least %d, or preempt by recompute", host, block)
	}
	return kvswap.Config{BlockBytes: int(block), HostBlocks: int(host / block), DiskBlocks: int(o.SwapDiskBytes / block), Dir: o.SwapDir}, nil
}

// warm is what Open compiles: kernels of decoding, and of steps as large as they get.
func (o Options) warm() []int {
	if o.Lazy {
		return []int{1}
	}
	return []int{1, math.MaxInt}
}

// sizes are the options as the model takes them.
func (o Options) sizes() (model.Options, error) {
	kv, err := model.ParseKVType(o.KVType)
	if err != nil {
		return model.Options{}, err
	}
	return model.Options{Context: o.Context, Sequences: o.Sequences, BatchTokens: o.BatchTokens, Proposals: o.Speculation.rows(o.Sequences), Blocks: o.Blocks, KVBytes: o.KVBytes,
		KVType: kv, Progress: o.Progress, Warm: o.warm(), Lazy: o.Lazy, Split: o.Split, MicroBatch: o.MicroBatch}, nil
}
