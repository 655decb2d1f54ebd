package umbra

import (
	"umbra/gpu"
	"umbra/model"
	"umbra/model/kvswap"
)

// PlanFor works out what opening a model would take, without a device: on one that has room for it.
func PlanFor(src model.Source, o Options) (model.Plan, error) {
	sizes, err := o.sizes()
	if err != nil {
		return model.Plan{}, err
	}
	return model.PlanFor(src, sizes, roomy)
}

// roomy are the limits of an adapter that takes anything.
var roomy = gpu.Limits{BufferSize: 1 << 40, StorageBindingSize: 1 << 40}

// swap is the room for KV blocks off the device, in whole blocks.
func (o Options) swap(p model.Plan) kvswap.Config {
	host := o.SwapBytes
	if host == 0 {
		host = 1 << 30
	}
	return kvswap.Config{BlockBytes: int(p.BlockBytes()), HostBlocks: int(host / p.BlockBytes()), DiskBlocks: int(o.SwapDiskBytes / p.BlockBytes()), Dir: o.SwapDir}
}

// sizes are the options as the model takes them.
func (o Options) sizes() (model.Options, error) {
	kv, err := model.ParseKVType(o.KVType)
	if err != nil {
		return model.Options{}, err
	}
	return model.Options{Context: o.Context, Sequences: o.Sequences, BatchTokens: o.BatchTokens, Blocks: o.Blocks, KVBytes: o.KVBytes,
		KVType: kv, Progress: o.Progress}, nil
}
