package umbra

import (
	"time"

	"umbra/model"
	"umbra/scheduler"
	"umbra/scheduler/batch"
)

// Snapshot is what an engine is doing at a moment: ids and counts, nothing of any text.
type Snapshot struct {
	scheduler.Snapshot
	// BlockSize is the tokens of a KV block.
	BlockSize int
	// Steps are the latest steps that have been computed since somebody first asked for a snapshot, oldest first; at most SnapshotSteps.
	Steps []Step
	// Took is how long the next step had to wait for this.
	Took time.Duration
}

// Step is what one step computed.
type Step struct {
	// Number counts the engine's steps from 1.
	Number int
	// Took is what it took of the clock.
	Took time.Duration
	// Shares are its rows, by sequence.
	Shares []Share
}

// Share is a sequence's rows of a step.
type Share struct {
	ID     uint64
	Answer int
	Rows   int
}

const (
	// SnapshotSteps is the most steps that a Snapshot tells of.
	SnapshotSteps = 64
	// unwatched is after how many steps without a snapshot nobody is taken to want another. A fast device does a thousand in the time
	// between two snapshots for the eye.
	unwatched = 1 << 14
)

// Snapshot returns what the engine is doing between two steps, much as Stats does, with the state of every sequence and of every KV block. It keeps the
// next step waiting for about a millisecond a hundred thousand blocks. It reports false once the engine is closed.
func (e *Engine) Snapshot() (s Snapshot, ok bool) {
	ok = e.loop.do(func() {
		if e.loop.trail == nil {
			e.loop.trail = &trail{}
		}
		start := time.Now()
		s = Snapshot{Snapshot: e.loop.scheduler.Snapshot(), BlockSize: model.BlockSize, Steps: e.loop.trail.list()}
		s.Took = time.Since(start)
	})
	return s, ok
}

// trail is a ring of the latest steps, kept while somebody takes snapshots.
type trail struct {
	steps [SnapshotSteps]Step
	added int
	asked int // added when it was last listed
}

// add notes a step, and reports whether somebody still wants to know.
func (t *trail) add(number int, took time.Duration, b *batch.Batch) bool {
	s := &t.steps[t.added%SnapshotSteps]
	s.Number, s.Took, s.Shares = number, took, s.Shares[:0]
	for _, q := range b.Sequences {
		s.Shares = append(s.Shares, Share{q.ID, q.Answer, q.Rows})
	}
	t.added++
	return t.added-t.asked < unwatched
}

// list returns the steps, oldest first, with shares of their own.
func (t *trail) list() (steps []Step) {
	t.asked = t.added
	for i := max(0, t.added-SnapshotSteps); i < t.added; i++ {
		s := t.steps[i%SnapshotSteps]
		s.Shares = append([]Share(nil), s.Shares...)
		steps = append(steps, s)
	}
	return steps
}
