package shaders

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestTileChoices(t *testing.T) {
	f32, bf16, q4, q8 := formats[0], formats[2], formats[4], formats[3]
	for _, c := range []struct {
		s            LinearShape
		rows         int
		room         bool
		parts, bytes int // 0 parts: none; bytes: room for the parts of up to as many rows
	}{
		{LinearShape{Format: f32, N: 2048}, matvecRows, true, 0, 0},
		{LinearShape{Format: f32, N: 2048}, matvecRows + 1, true, 4, 4 * 4 * 241 * 2052},
		{LinearShape{Format: f32, N: 2048}, matvecRows + 1, false, 1, 4 * 4 * 241 * 2052},
		{LinearShape{Format: bf16, N: 3073}, 512, true, 2, 4 * 2 * 512 * 3080},
		{LinearShape{Format: bf16, N: 3073}, 513, true, 1, 4 * 2 * 512 * 3080},
		{LinearShape{Format: bf16, N: 4096}, 512, true, 1, 0},
		{LinearShape{Format: bf16, N: 70}, 512, true, 1, 0},
		{LinearShape{Format: q4, N: 14000}, 512, true, 0, 0},
		{LinearShape{Format: q8, N: 14000}, 512, true, 0, 0},
	} {
		room := 0
		if c.room {
			room = c.bytes
		}
		got, ok := c.s.tileFor(c.rows, room)
		assert.Equal(t, c.parts > 0, ok, "%+v", c)
		assert.Equal(t, c.parts, got.parts, "%+v", c)
		assert.Equal(t, c.bytes, c.s.PartsBytes(c.rows), "%+v", c)
	}
}

// TestTileShapes: every tile in the table fits every device, for every format that it is for.
func TestTileShapes(t *testing.T) {
	shape := func(f int) LinearShape { return LinearShape{Format: formats[f], N: 100, K: 96} }
	for _, c := range tileChoices {
		for f := range 3 {
			d, _, err := shape(f).tile(c.tile)
			require.NoError(t, err)
			assert.LessOrEqual(t, d.Threads, 256)
		}
	}
	_, _, err := shape(3).tile(tileChoices[0].tile)
	require.Error(t, err, "a format of 8 bits")
	for _, bad := range []tileShape{
		{8, 8, 4, 4, 8, 2, 2, 1, true},  // 512 lanes
		{8, 8, 2, 4, 16, 2, 2, 1, true}, // 32 KiB
		{8, 8, 2, 4, 16, 2, 2, 1, false},
		{8, 8, 2, 2, 8, 2, 1, 1, true}, // a buffer for every second step
		{8, 8, 1, 1, 16, 1, 4, 1, true},
		{8, 8, 1, 1, 4, 1, 1, 1, true},
		{6, 8, 1, 1, 8, 1, 1, 1, true},
		{8, 8, 1, 1, 8, 1, 1, 0, true},
	} {
		_, _, err := shape(1).tile(bad)
		require.Error(t, err, "%v", bad)
	}
}
