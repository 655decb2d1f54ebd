package model

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"umbra/gpu"
	"umbra/gpu/gputest"
	"umbra/model/gguf"
	"umbra/scheduler/batch"
	"umbra/shaders"
)

// TestBeside: the first error ends the other and is returned, and nothing goes on afterwards.
func TestBeside(t *testing.T) {
	compiling, loading := errors.New("compile"), errors.New("load")
	loaded := make(chan struct{})
	until := func(err error) func(context.Context) error {
		return func(ctx context.Context) error {
			<-ctx.Done()
			return err
		}
	}
	now := func(err error) func(context.Context) error { return func(context.Context) error { return err } }
	for _, c := range []struct {
		name          string
		compile, load func(context.Context) error
		lazy          bool
		want          error
	}{
		{"both are well", now(nil), now(nil), false, nil},
		{"the load ends early", now(compiling), until(context.Canceled), false, compiling},
		{"what is compiled ends early", until(nil), now(loading), false, loading},
		{"both fail", until(compiling), now(loading), false, loading},
		{"enough is compiled", until(nil), now(nil), true, nil},
		{"all is compiled", func(ctx context.Context) error {
			<-loaded
			return ctx.Err()
		}, func(context.Context) error {
			close(loaded)
			return nil
		}, false, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			ended := false
			err := beside(context.Background(), func(ctx context.Context) error {
				defer func() { ended = true }()
				return c.compile(ctx)
			}, c.load, c.lazy)
			assert.Equal(t, c.want, err)
			assert.True(t, ended)
		})
	}
}

// odd is a model whose kernels no other test has.
func odd(ff int) Source {
	return Synthetic(Shape{Name: "odd", Architecture: "llama", Layers: 2, Embed: 96, FeedForward: ff, Heads: 3, KV: 1, HeadDim: 32,
		Vocab: 77, Context: 64, Base: 10000}, gguf.Q8_0)
}

// TestWarm: steps of the sizes that a model was warmed for, or above them, compile nothing more.
func TestWarm(t *testing.T) {
	d := gputest.Device(t)
	for i, narrow := range []bool{true, false} {
		for j, lazy := range []bool{false, true} {
			if !narrow && (lazy || os.Getenv("UMBRA_SOAK") == "") {
				continue // lazy is of no shape
			}
			t.Run(fmt.Sprintf("narrow=%v, lazy=%v", narrow, lazy), func(t *testing.T) {
				before := d.Compiled().Kernels
				m, err := NewTuned(d, shaders.Tuning{Narrow: narrow}, odd(32*(5+2*i+j)), Options{Context: 64, Sequences: 2, BatchTokens: 48,
					Warm: []int{1, math.MaxInt}, Lazy: lazy})
				require.NoError(t, err)
				defer m.Release()
				warm := d.Compiled().Kernels
				if !lazy {
					assert.Greater(t, warm, before)
				}
				for _, rows := range []int{48, 1} {
					_, err := m.Run(step0(rows))
					require.NoError(t, err)
				}
				if !lazy {
					assert.Equal(t, warm, d.Compiled().Kernels)
				}
				_, err = m.Run(step0(3))
				require.NoError(t, err)
				assert.Greater(t, d.Compiled().Kernels, warm, "or counting shows nothing")
			})
		}
	}
}

// step0 is a sequence's first rows.
func step0(rows int) *batch.Batch {
	b := &batch.Batch{Sequences: []batch.Sequence{{Rows: rows, Blocks: []int32{0, 1, 2}, Outputs: 1}}}
	for i := range rows {
		b.Tokens, b.Positions, b.Slots = append(b.Tokens, int32(i)), append(b.Positions, int32(i)), append(b.Slots, int32(i))
	}
	return b
}

// TestCompileFails ends a load by a kernel that cannot be had.
func TestCompileFails(t *testing.T) {
	d := gputest.Device(t)
	require.NoError(t, d.Flush()) // the device's own buffers are made with its first submission
	before := d.Memory()
	o := Options{Context: 64, Sequences: 1, BatchTokens: 48, Warm: []int{1}}
	m, err := New(d, odd(32*11), o) // what loading itself needs is compiled
	require.NoError(t, err)
	m.Release()
	t.Setenv(gpu.DumpEnv, t.TempDir()+"/none")
	_, err = New(d, odd(32*12), o)
	require.ErrorContains(t, err, "gpu: kernel ")
	require.ErrorContains(t, err, gpu.DumpEnv)
	assert.Equal(t, before, d.Memory())
}
