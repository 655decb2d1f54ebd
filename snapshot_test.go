package umbra_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"umbra"
	"umbra/scheduler"
)

// TestSnapshot takes snapshots while a request runs: they say what Stats say, and the steps what was computed.
func TestSnapshot(t *testing.T) {
	e := open(t, draft, umbra.Options{Context: 128, Sequences: 2, Blocks: 12, Synchronous: true})
	idle, ok := e.Snapshot()
	require.True(t, ok)
	assert.Empty(t, idle.Sequences)
	assert.Empty(t, idle.Steps, "none was computed")
	require.Len(t, idle.Maps, 1)
	assert.Len(t, idle.Maps[0], 12)
	assert.Equal(t, 16, idle.BlockSize)
	prompt := make([]int32, 20)
	seen := 0
	_, err := e.Generate(context.Background(), umbra.Request{Tokens: prompt, MaxTokens: 90, IgnoreEnd: true}, func(umbra.Chunk) error {
		s, ok := e.Snapshot()
		require.True(t, ok)
		if len(s.Sequences) == 0 {
			return nil // it has ended meanwhile
		}
		seen++
		q := s.Sequences[0]
		rows := 1
		if seen == 1 && q.Rows == len(prompt) {
			rows = len(prompt) // the step behind the prompt's is not laid out yet
		}
		assert.Equal(t, []any{scheduler.Decodes, 20, 110, rows}, []any{q.State, q.Prompt, q.Most, q.Rows})
		assert.Equal(t, s.Stats.Blocks-s.Stats.BlocksFree, q.Blocks)
		held := 0
		for _, c := range s.Maps[0] {
			if c.Holders > 0 {
				held++
				assert.Zero(t, c.Owner)
			}
		}
		assert.Equal(t, q.Blocks, held)
		last := s.Steps[len(s.Steps)-1]
		assert.Equal(t, s.Stats.Steps, last.Number)
		assert.Positive(t, last.Took)
		return nil
	})
	require.NoError(t, err)
	require.Positive(t, seen)
	s, _ := e.Snapshot()
	require.Len(t, s.Steps, umbra.SnapshotSteps, "the latest")
	for i, step := range s.Steps {
		assert.Equal(t, s.Stats.Steps-umbra.SnapshotSteps+1+i, step.Number)
		assert.Equal(t, []umbra.Share{{ID: 1, Rows: 1}}, step.Shares)
	}
	require.NoError(t, e.Check())
	e.Close()
	_, ok = e.Snapshot()
	assert.False(t, ok)
}
