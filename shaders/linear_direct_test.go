package shaders

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestDirectChoices(t *testing.T) {
	tile := func(stack, parts int) directTile {
		return directTile{stack: stack, tokens: 16, groups: 4, split: 4, parts: parts}
	}
	choices := []directChoice{
		{rows: 9, top: 16, most: 4096, tile: tile(8, 4)},
		{rows: 9, top: 32, tile: tile(4, 1)},
		{rows: 33, n: 1000, tile: tile(1, 1)},
		{rows: 33, n: 1000, tile: tile(2, 1)},
	}
	q4, f16, q6 := formats[4], formats[1], named("q6_k")
	for _, c := range []struct {
		s     LinearShape
		rows  int
		parts bool
		stack int // 0: none
	}{
		{LinearShape{Format: q4, N: 4096}, 8, true, 0},
		{LinearShape{Format: q4, N: 4096}, 16, true, 8},
		{LinearShape{Format: q4, N: 4096}, 16, false, 4},
		{LinearShape{Format: q4, N: 4097}, 16, true, 4},
		{LinearShape{Format: q4, N: 4096}, 17, true, 4},
		{LinearShape{Format: q6, N: 4096}, 16, true, 8},
		{LinearShape{Format: f16, N: 4096}, 16, true, 0},
		{LinearShape{Format: q4, N: 999}, 33, true, 0},
		{LinearShape{Format: q4, N: 1000}, 33, true, 1},
		{LinearShape{Format: q4, N: 1000, Gate: true}, 33, true, 2},
	} {
		room := 0
		if c.parts {
			room = c.s.sumBytes(4, 16)
		}
		got, ok := c.s.directFor(choices, c.rows, room)
		assert.Equal(t, c.stack > 0, ok, "%+v", c)
		assert.Equal(t, c.stack, got.stack, "%+v", c)
	}
}

// TestDirectTiles: every tile in the table fits every device, for every format.
func TestDirectTiles(t *testing.T) {
	for _, c := range directChoices {
		for _, f := range formats {
			_, _, err := LinearShape{Format: f, N: 100, K: f.whole(96)}.direct(c.tile)
			require.NoError(t, err)
		}
	}
	for _, bad := range []directTile{
		{stack: 4, tokens: 16, groups: 9, split: 1, parts: 1},
		{stack: 4, tokens: 16, groups: 4, split: 3, parts: 1},
		{stack: 4, tokens: 16, groups: 4, split: 4},
		{stack: 4, tokens: 32, groups: 8, split: 8, parts: 1}, // x of 8 slices
		{stack: 4, tokens: 64, groups: 1, split: 1, parts: 1},
	} {
		_, _, err := LinearShape{Format: formats[4], N: 100, K: 96}.direct(bad)
		require.Error(t, err, "%v", bad)
	}
}

// named is a format.
func named(name string) Format {
	f, err := FormatOf(name)
	if err != nil {
		panic(err)
	}
	return f
}
