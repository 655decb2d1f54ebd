package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"umbra"
)

// stepLog opens where --log-steps writes, a file or "-" for standard error, and returns what writes a step there as a
// line of JSON. close tells of a line that could not be written.
func stepLog(c *console, path string) (write func(umbra.StepRecord), close func() error, err error) {
	w, end := c.err, func() error { return nil }
	if path != "-" {
		f, err := os.Create(path)
		if err != nil {
			return nil, nil, fmt.Errorf("--log-steps: %w", err)
		}
		w, end = f, f.Close
	}
	k := &keepError{w: w}
	logger := slog.New(slog.NewJSONHandler(k, nil))
	write = func(r umbra.StepRecord) { logStep(logger, r) }
	return write, func() error {
		err := end()
		if k.err != nil {
			err = k.err
		}
		if err != nil {
			return fmt.Errorf("--log-steps: %w", err)
		}
		return nil
	}, nil
}

// logStep logs a step: counts, and durations in microseconds.
func logStep(logger *slog.Logger, r umbra.StepRecord) {
	us := func(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e3 }
	level, attrs := slog.LevelInfo, []slog.Attr{
		slog.Int("step", r.Number),
		slog.Int("rows", r.Rows), slog.Int("prefill_rows", r.PrefillRows), slog.Int("decode_rows", r.DecodeRows),
		slog.Int("outputs", r.Outputs), slog.Int("proposed", r.Proposed), slog.Int("running", r.Running), slog.Int("waiting", r.Waiting),
		slog.Int("blocks_used", r.Blocks-r.BlocksFree), slog.Int("blocks_free", r.BlocksFree), slog.Int("blocks_shared", r.BlocksShared),
		slog.Int("slots_written", r.Written), slog.Int("preemptions", r.Preemptions),
		slog.Int("blocks_saved", r.BlocksSaved), slog.Int("blocks_loaded", r.BlocksLoaded),
		slog.Int("prefix_hits", r.PrefixHits), slog.Int("prefix_queries", r.PrefixQueries),
		slog.Float64("host_us", us(r.Host)), slog.Float64("submit_us", us(r.Submit)), slog.Float64("device_us", us(r.Device)), slog.Float64("idle_us", us(r.Idle)), slog.Float64("draft_us", us(r.Draft)),
	}
	if r.Err != nil {
		level, attrs = slog.LevelError, append(attrs, slog.String("error", r.Err.Error()))
	}
	logger.LogAttrs(context.Background(), level, "step", attrs...)
}

// keepError keeps a writer's first error; slog drops them.
type keepError struct {
	w   io.Writer
	err error
}

func (k *keepError) Write(p []byte) (int, error) {
	n, err := k.w.Write(p)
	if k.err == nil {
		k.err = err
	}
	return n, err
}
