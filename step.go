package umbra

import (
	"math/bits"
	"time"

	"umbra/model"
	"umbra/scheduler"
	"umbra/scheduler/batch"
)

// StepRecord describes one step of the loop, for logs and measurements. Counts of sequences and blocks are those while
// the step was in flight.
type StepRecord struct {
	// Number counts the engine's steps from 1.
	Number int
	// Rows is the token rows computed: DecodeRows of sequences with one row in the step, and of proposals that follow it;
	// PrefillRows of those with more.
	Rows, PrefillRows, DecodeRows int
	// Outputs is how many rows wanted output.
	Outputs int
	// Running sequences held blocks, Waiting ones did not.
	Running, Waiting int
	// Blocks is the size of the KV pool, of model.BlockSize tokens each, of all layers or of some (model.Plan.Depth); BlocksFree of them held nothing of a running
	// sequence, BlocksShared something of several.
	Blocks, BlocksFree, BlocksShared int
	// Written is how many slots of the blocks held have a key and a value after the step. A slot that several sequences
	// share counts once.
	Written int
	// Preemptions is how many requests lost their blocks for this step. BlocksSaved of these went to the host, and BlocksLoaded
	// came back from there.
	Preemptions, BlocksSaved, BlocksLoaded int
	// PrefixQueries is the tokens known of the sequences that this step admitted, PrefixHits those of them that were
	// found in the pool and not computed.
	PrefixHits, PrefixQueries int
	// Host is the time to schedule, record and commit the step, Submit that to hand it to the driver; the device may have been
	// busy with another step meanwhile. Device is the time from when it could begin, handed over and with the step before it
	// over, to its end. Idle is how long, at most, the device had nothing to do before that, for want of the host.
	Host, Submit, Device, Idle time.Duration
	// Proposed is how many of Rows were proposals. Draft is the time that it took to make them, which is a part of Idle.
	Proposed int
	Draft    time.Duration
	// Err is why the step failed, if it did.
	Err error
}

// Time is what the step took of the clock. Those of all steps add up to the time that there was anything to do.
func (r StepRecord) Time() time.Duration { return r.Idle + r.Device }

// Reserved is how many slots the blocks held have, written or not.
func (r StepRecord) Reserved() int { return (r.Blocks - r.BlocksFree) * model.BlockSize }

// RecordStep describes a step that is in flight, by its batch and the scheduler's counts: now, between Next and Commit,
// and before, when the last step was in flight. The step's number and times are the caller's to fill in.
func RecordStep(b *batch.Batch, before, now scheduler.Stats) StepRecord {
	r := StepRecord{
		Rows: len(b.Tokens), Outputs: b.Outputs(), Running: now.Running, Waiting: now.Waiting,
		Blocks: now.Blocks, BlocksFree: now.BlocksFree, Preemptions: now.Preemptions - before.Preemptions,
		BlocksSaved: now.BlocksSaved - before.BlocksSaved, BlocksLoaded: now.BlocksLoaded - before.BlocksLoaded,
		PrefixHits: now.PrefixHits - before.PrefixHits, PrefixQueries: now.PrefixQueries - before.PrefixQueries,
	}
	words := (now.Blocks + 63) / 64
	seen, shared := make([]uint64, words), make([]uint64, words) // a bit for each block
	for _, s := range b.Sequences {
		if s.Outputs == s.Rows || s.Rows == 1 {
			r.DecodeRows += s.Rows
			r.Proposed += s.Rows - 1
		} else {
			r.PrefillRows += s.Rows
		}
		length := int(b.Positions[s.Start+s.Rows-1]) + 1
		count := func(past int, blocks []int32) {
			for i, id := range blocks {
				word, bit := id/64, uint64(1)<<(id%64)
				if seen[word]&bit != 0 {
					shared[word] |= bit
					continue
				}
				seen[word] |= bit
				r.Written += min(model.BlockSize, length-(past+i)*model.BlockSize)
			}
		}
		count(s.Past, s.Blocks)
		for _, t := range s.Lanes {
			count(t.Past, t.Blocks)
		}
	}
	for _, w := range shared {
		r.BlocksShared += bits.OnesCount64(w)
	}
	return r
}
