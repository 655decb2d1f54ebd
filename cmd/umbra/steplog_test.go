package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"umbra"
)

func TestStepLog(t *testing.T) {
	path := filepath.Join(t.TempDir(), "steps.jsonl")
	write, end, err := stepLog(&console{err: io.Discard}, path)
	require.NoError(t, err)
	write(umbra.StepRecord{Number: 3, Rows: 9, PrefillRows: 7, DecodeRows: 2, Outputs: 2, Running: 3, Waiting: 1, Blocks: 10, BlocksFree: 4,
		BlocksShared: 2, Written: 90, Preemptions: 1, BlocksSaved: 5, BlocksLoaded: 6, PrefixHits: 16, PrefixQueries: 30,
		Host: 1500 * time.Nanosecond, Submit: 2500 * time.Nanosecond, Device: time.Millisecond, Idle: 500 * time.Nanosecond, Proposed: 1, Draft: 200 * time.Nanosecond})
	write(umbra.StepRecord{Number: 4, Err: errors.New("lost")})
	require.NoError(t, end())
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	lines := bytes.Split(bytes.TrimSpace(data), []byte("\n"))
	require.Len(t, lines, 2)
	var got map[string]any
	require.NoError(t, json.Unmarshal(lines[0], &got))
	delete(got, "time")
	assert.Equal(t, map[string]any{"level": "INFO", "msg": "step", "step": 3., "rows": 9., "prefill_rows": 7., "decode_rows": 2., "outputs": 2.,
		"running": 3., "waiting": 1., "blocks_used": 6., "blocks_free": 4., "blocks_shared": 2., "prefix_hits": 16., "prefix_queries": 30.,
		"slots_written": 90., "preemptions": 1., "blocks_saved": 5., "blocks_loaded": 6., "host_us": 1.5, "submit_us": 2.5, "device_us": 1000., "idle_us": 0.5, "proposed": 1., "draft_us": 0.2}, got)
	assert.Contains(t, string(lines[1]), `"level":"ERROR"`)
	assert.Contains(t, string(lines[1]), `"error":"lost"`)

	var said bytes.Buffer
	write, end, err = stepLog(&console{err: &said}, "-")
	require.NoError(t, err)
	write(umbra.StepRecord{Number: 1})
	require.NoError(t, end())
	assert.Contains(t, said.String(), `"step":1`)

	r, w, err := os.Pipe()
	require.NoError(t, err)
	r.Close()
	w.Close()
	write, end, err = stepLog(&console{err: w}, "-")
	require.NoError(t, err)
	write(umbra.StepRecord{})
	assert.ErrorContains(t, end(), "--log-steps", "a line was lost")
	_, _, err = stepLog(&console{}, filepath.Join(t.TempDir(), "none", "x"))
	assert.ErrorIs(t, err, os.ErrNotExist)
}
