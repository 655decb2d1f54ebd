package scheduler

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestRemember(t *testing.T) {
	s, err := New(Config{BlockSize: 4, Blocks: 6, MaxBatchTokens: 8, MaxSequences: 2, Context: 24, Vocabulary: 100})
	require.NoError(t, err)
	tokens := []int32{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}
	var filled []int32
	fill := func(first int, blocks []int32) error {
		filled = append([]int32{int32(first)}, blocks...)
		return nil
	}
	assert.ErrorIs(t, s.Remember(tokens, func(int, []int32) error { return assert.AnError }), assert.AnError)
	require.NoError(t, s.Check())
	require.NoError(t, s.Remembered(tokens, func(n int, _ []int32) error {
		assert.Zero(t, n, "a failed fill leaves nothing to find")
		return nil
	}))

	require.NoError(t, s.Remember(tokens, fill))
	require.NoError(t, s.Check())
	assert.EqualValues(t, 0, filled[0])
	assert.Len(t, filled, 3, "two whole blocks")
	written := filled[1:]
	assert.ErrorIs(t, s.Remembered(tokens, func(n int, blocks []int32) error {
		assert.Equal(t, 8, n)
		assert.Equal(t, written, blocks)
		return assert.AnError
	}), assert.AnError)

	filled = nil
	require.NoError(t, s.Remember(tokens, fill))
	assert.Nil(t, filled, "all there already")
	longer := append(tokens[:8:8], 20, 21, 22, 23)
	require.NoError(t, s.Remember(longer, fill))
	assert.EqualValues(t, 2, filled[0], "the first two are there")
	require.NoError(t, s.Check())
	assert.Equal(t, 6, s.Stats().BlocksFree, "remembered blocks are free for who needs them")

	// A request with that beginning takes it, and computes the rest.
	_, err = s.Add(Request{Prompt: longer, MaxTokens: 1})
	require.NoError(t, err)
	b := s.Next()
	require.NotNil(t, b)
	assert.ErrorIs(t, s.Remember(tokens, fill), errInFlight)
	assert.ErrorIs(t, s.Remembered(tokens, nil), errInFlight)
	assert.Less(t, len(b.Tokens), len(longer))
	_, err = s.Fail(b, assert.AnError)
	require.NoError(t, err)

	many := make([]int32, 40)
	assert.ErrorContains(t, s.Remember(many, fill), "40 tokens take 10 more blocks of the cache, of which 6 are free")
	require.NoError(t, s.Check())
}
