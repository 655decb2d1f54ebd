package umbra

import (
	"fmt"
	"slices"
	"time"

	"umbra/model"
	"umbra/model/kvswap"
	"umbra/scheduler"
	"umbra/scheduler/batch"
)

// swapper moves the KV blocks of preempted requests off the device and back, and learns what that costs.
type swapper struct {
	model *model.Model
	store *kvswap.Store
	warn  func(error)
	costs scheduler.Costs // in seconds
}

// swap does a step's saves and loads, one batched copy each way. Where it fails, what was to be saved is lost, and will be
// computed again.
func (s *swapper) swap(b *batch.Batch) error {
	if len(b.Saves)+len(b.Loads) == 0 {
		return nil
	}
	start := time.Now()
	moved, err := s.save(b.Saves)
	if err != nil {
		return err
	}
	n, err := s.load(b.Loads)
	if err != nil {
		return err
	}
	if moved += n; moved > 0 {
		s.costs.Block = smooth(s.costs.Block, time.Since(start).Seconds()/float64(moved))
	}
	if err := s.store.Warning(); err != nil && s.warn != nil {
		s.warn(err)
	}
	return nil
}

func (s *swapper) save(saves []batch.Swap) (moved int, err error) {
	if len(saves) == 0 {
		return 0, nil
	}
	var blocks []int32
	for _, w := range saves {
		blocks = append(blocks, w.Blocks...)
	}
	data, err := s.model.ReadBlocks(blocks)
	if err != nil {
		for _, w := range saves {
			s.store.Drop(w.ID)
		}
		return 0, fmt.Errorf("umbra: save %d KV blocks: %w", len(blocks), err)
	}
	size := int(s.model.Plan().BlockBytes())
	for _, w := range saves {
		own := data[:len(w.Blocks)*size]
		data = data[len(own):]
		if len(saves) > 1 {
			own = slices.Clone(own) // so that it can be freed without the others
		}
		if err := s.store.Put(w.ID, own); err != nil {
			return 0, fmt.Errorf("umbra: save %d KV blocks: %w", len(w.Blocks), err)
		}
	}
	return len(blocks), nil
}

func (s *swapper) load(loads []batch.Swap) (moved int, err error) {
	size := int(s.model.Plan().BlockBytes())
	var blocks []int32
	var data []byte
	for _, w := range loads {
		kept, err := s.store.Take(w.ID)
		if err != nil {
			return 0, fmt.Errorf("umbra: load %d KV blocks: %w", len(w.Blocks), err)
		}
		if kept = kept[w.First*size:]; len(blocks) == 0 {
			data = kept
		} else {
			data = append(slices.Clip(data), kept...)
		}
		blocks = append(blocks, w.Blocks...)
	}
	if len(blocks) == 0 {
		return 0, nil
	}
	if err := s.model.WriteBlocks(blocks, data); err != nil {
		return 0, fmt.Errorf("umbra: load %d KV blocks: %w", len(blocks), err)
	}
	return len(blocks), nil
}

// learn takes the time of a step of mostly prefill, and returns the costs known.
func (s *swapper) learn(b *batch.Batch, took time.Duration) scheduler.Costs {
	const chunk = 16 // rows of one sequence that make it prefill
	rows := 0
	for _, q := range b.Sequences {
		if q.Rows >= chunk && q.Outputs < q.Rows {
			rows += q.Rows
		}
	}
	if 2*rows > len(b.Tokens) {
		s.costs.Row = smooth(s.costs.Row, took.Seconds()/float64(len(b.Tokens)))
	}
	return s.costs
}

// smooth moves an average towards what was measured last.
func smooth(average, last float64) float64 {
	const weight = 0.2
	if average == 0 {
		return last
	}
	return average + weight*(last-average)
}
