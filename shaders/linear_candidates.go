package shaders

import (
	"math"
	"slices"
)

// streamCandidates are tiles of MatvecStream worth a try for one token row, streamFew for up to 8.
var (
	streamCandidates = []streamTile{
		{16, 8, 4, 1, true}, {32, 4, 4, 1, true}, {32, 4, 2, 1, true}, {16, 4, 4, 2, true},
		{32, 4, 2, 2, true}, {16, 8, 4, 2, true}, {64, 4, 4, 1, true}, {32, 4, 4, 1, false},
	}
	streamFew = []streamTile{{8, 8, 4, 1, true}, {8, 16, 4, 1, true}, {16, 4, 4, 1, true}, {16, 8, 4, 1, true}, {32, 4, 4, 1, true}, {32, 4, 2, 1, true}}
)

// directCandidates are tiles of GemmDirect worth a try from one class of token rows to another. Tokens of 0 are as many as the class has.
var directCandidates = []struct {
	from, to int // of rowTops
	tile     directTile
}{
	{4, 8, directTile{2, 0, 4, 4, 1, true, true}}, {4, 8, directTile{2, 0, 8, 8, 1, true, true}},
	{4, 8, directTile{4, 0, 4, 4, 1, true, true}}, {4, 8, directTile{4, 0, 8, 8, 1, true, true}},
	{8, 8, directTile{2, 0, 8, 8, 4, true, true}}, {8, 8, directTile{4, 0, 8, 8, 4, true, true}},

	{16, rowMost, directTile{4, 16, 4, 4, 1, true, true}}, {16, rowMost, directTile{2, 16, 8, 8, 1, true, true}},
	{16, matvecRows, directTile{4, 16, 8, 8, 1, true, true}}, {16, matvecRows, directTile{8, 8, 4, 4, 1, true, true}},
	{16, 64, directTile{2, 16, 8, 8, 4, true, true}}, {16, 64, directTile{4, 16, 8, 8, 4, true, true}}, {16, 64, directTile{4, 16, 8, 8, 2, true, true}},
	{64, rowMost, directTile{4, 16, 4, 1, 1, true, true}}, {matvecRows, rowMost, directTile{8, 16, 4, 1, 1, false, false}},
	{32, rowMost, directTile{4, 32, 4, 4, 1, true, true}}, {rowMost, rowMost, directTile{4, 32, 4, 1, 1, true, true}},
	{rowMost, rowMost, directTile{8, 16, 4, 4, 1, false, false}},
}

// tileCandidates are tiles of GemmTile worth a try for weights of 2 and 4 bytes, likewise.
var tileCandidates = []struct {
	from, to int
	tile     tileShape
}{
	{64, rowMost, tileShape{8, 8, 2, 2, 8, 2, 2, 1, true}}, {64, rowMost, tileShape{8, 8, 1, 2, 16, 2, 2, 1, true}},
	{rowMost, rowMost, tileShape{8, 8, 2, 4, 8, 2, 2, 1, true}},
	{rowMost, rowMost, tileShape{8, 8, 2, 2, 8, 2, 2, 2, true}}, {rowMost, rowMost, tileShape{8, 8, 2, 2, 8, 2, 2, 4, true}},
}

// candidates are the kernels worth a try for the class of a number of token rows, every default first; those alone may stand in Choices. All
// fit every device; those with parts need room for their sums beside.
func (s LinearShape) candidates(rows int) (list []linearVariant) {
	class := rowClass(rows)
	top, low := rowTops[class], 1
	if class > 0 {
		low = rowTops[class-1] + 1
	}
	add := func(v linearVariant, err error) {
		if err == nil && !slices.Contains(list, v) {
			list = append(list, v)
		}
	}
	stream := func(t streamTile, tokens int) {
		_, err := s.stream(t, tokens)
		add(streamVariant(t, tokens), err)
	}
	direct := func(t directTile) {
		_, _, err := s.direct(t)
		add(directVariant(t), err)
	}
	tile := func(t tileShape) {
		_, _, err := s.tile(t)
		add(tileVariant(t), err)
	}
	for _, c := range directChoices {
		if t, ok := s.directFor([]directChoice{c}, max(low, c.rows), math.MaxInt); ok && c.rows <= top {
			direct(t)
		}
	}
	for _, c := range tileChoices {
		if c.rows <= top && c.fits(s, max(low, c.rows)) {
			tile(c.tile)
		}
	}
	if t, ok := s.streamFor(top); ok {
		stream(t, top)
	}
	if top <= matvecRows {
		add(matvecVariant(top), nil)
	}
	if top > 32 {
		add(gemmVariant, nil)
	}
	if top == 1 {
		for _, t := range streamCandidates {
			stream(t, 1)
		}
	} else if top <= 8 {
		for _, t := range streamFew {
			stream(t, min(top, 4))
		}
	}
	for _, c := range directCandidates {
		if c.tile.tokens == 0 {
			c.tile.tokens = top
		}
		if c.from <= top && top <= c.to {
			direct(c.tile)
		}
	}
	for _, c := range tileCandidates {
		if c.from <= top && top <= c.to && s.Format.QuantVecs >= 4 {
			tile(c.tile)
		}
	}
	return list
}

// Candidates are the names of the kernels that Choices may have for a number of token rows.
func (s LinearShape) Candidates(rows int) (names []string) {
	for _, v := range s.candidates(rows) {
		names = append(names, v.String())
	}
	return names
}
