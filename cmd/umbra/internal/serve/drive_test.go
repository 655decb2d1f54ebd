package serve

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"umbra"
	"umbra/gpu"
	"umbra/model"
	"umbra/model/gguf"
)

// TestDrive measures, fails and is interrupted on a small random model.
func TestDrive(t *testing.T) {
	shape, err := model.ShapeOf("gopher-28m")
	require.NoError(t, err)
	shape.Layers = 1
	m := NewMeter(64)
	e, err := umbra.OpenSource(model.Synthetic(shape, gguf.Q4_0), umbra.Options{Context: 64, Sequences: 4, OnStep: m.Step})
	if errors.Is(err, gpu.ErrNoAdapter) {
		t.Skipf("no adapter: %v", err)
	}
	require.NoError(t, err)
	defer e.Close()
	item := func(at time.Duration, prompt, output int) Item {
		return Item{Arrive: at, Prompt: make([]int32, prompt), Output: output}
	}
	for _, p := range []Policy{Continuous, Static} {
		r, err := Drive(context.Background(), e, []Item{item(0, 10, 3), item(0, 3, 20), item(20*time.Millisecond, 5, 1)}, p, m)
		require.NoError(t, err)
		assert.Equal(t, 3, r.Requests)
		assert.Equal(t, 18, r.PromptTokens, "the warm-up does not count")
		assert.Equal(t, 24, r.OutputTokens)
		assert.GreaterOrEqual(t, r.Steps, 20)
		assert.Greater(t, r.Seconds, 0.02)
		assert.Positive(t, r.First.P50)
		assert.Positive(t, r.Between.P50)
		assert.True(t, r.HostShare > 0 && r.HostShare < 1)
		assert.True(t, r.KVWaste > 0 && r.KVWaste < 1)
	}

	_, err = Drive(context.Background(), e, []Item{item(0, 10, 40), item(0, 100, 1), item(time.Hour, 1, 1)}, Continuous, m)
	assert.ErrorContains(t, err, "context of 64", "who cannot run ends the run, and nobody waits an hour")

	ctx, cancel := context.WithCancel(context.Background())
	time.AfterFunc(30*time.Millisecond, cancel)
	_, err = Drive(ctx, e, []Item{item(0, 1, 60), item(time.Hour, 1, 1)}, Continuous, m)
	assert.ErrorIs(t, err, context.Canceled)
}
