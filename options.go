package umbra

import (
	"fmt"

	"umbra/gpu"
	"umbra/model"
)

// PlanFor works out what opening a model would take, without a device: on one that has room for it.
func PlanFor(src model.Source, o Options) (model.Plan, error) {
	sizes, err := o.sizes(src)
	if err != nil {
		return model.Plan{}, err
	}
	return model.PlanFor(src, sizes, roomy)
}

// roomy are the limits of an adapter that takes anything.
var roomy = gpu.Limits{BufferSize: 1 << 40, StorageBindingSize: 1 << 40}

// sizes are the options as the model takes them.
func (o Options) sizes(src model.Source) (model.Options, error) {
	kv, err := model.ParseKVType(o.KVType)
	if err != nil {
		return model.Options{}, err
	}
	sizes := model.Options{Context: o.Context, Sequences: o.Sequences, BatchTokens: o.BatchTokens, Blocks: o.Blocks, KVType: kv, Progress: o.Progress}
	if o.KVBytes == 0 {
		return sizes, nil
	}
	if o.Blocks != 0 {
		return sizes, fmt.Errorf("umbra: Blocks (%d) and KVBytes (%d) both size the KV pool; give one", o.Blocks, o.KVBytes)
	}
	p, err := model.PlanFor(src, sizes, roomy)
	if err != nil {
		return sizes, err
	}
	block := model.BlockSize * p.Config.KVBytesPerToken(kv)
	if o.KVBytes < block {
		return sizes, fmt.Errorf("umbra: %d bytes of KV are less than one block of %d tokens; give at least %d", o.KVBytes, model.BlockSize, block)
	}
	sizes.Blocks = int(min(o.KVBytes/block, 1<<31-1))
	return sizes, nil
}
