package umbra

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"umbra/scheduler/batch"
)

// TestTrail: what is listed is the latest, in order, and nobody else's; and who asks no more is not told for ever.
func TestTrail(t *testing.T) {
	var tr trail
	b := &batch.Batch{Sequences: []batch.Sequence{{ID: 4, Rows: 2}, {ID: 5, Answer: 1, Rows: 1}}}
	assert.Empty(t, tr.list())
	for i := range SnapshotSteps + 3 {
		assert.True(t, tr.add(i, time.Second, b))
	}
	listed := tr.list()
	assert.Len(t, listed, SnapshotSteps)
	for i, s := range listed {
		assert.Equal(t, Step{3 + i, time.Second, []Share{{4, 0, 2}, {5, 1, 1}}}, s)
	}
	wanted := 0
	for tr.add(7, 0, &batch.Batch{Sequences: b.Sequences[:1]}) {
		wanted++
	}
	assert.Equal(t, unwatched-1, wanted)
	assert.Equal(t, Share{4, 0, 2}, listed[0].Shares[0])
	assert.Len(t, listed[0].Shares, 2, "not written to since")
}
