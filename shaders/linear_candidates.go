package shaders

// streamCandidates are tiles of MatvecStream worth a try for one token row, streamFew for up to 8.
var (
	streamCandidates = []streamTile{
		{16, 8, 4, 1, true}, {32, 4, 4, 1, true}, {32, 4, 2, 1, true},
		{32, 4, 2, 2, true}, {64, 4, 4, 1, true}, {32, 4, 4, 1, false},
		{16, 8, 4, 1, false}, {32, 8, 2, 1, true}, {64, 4, 2, 1, true}, {16, 16, 4, 2, false}, {64, 4, 2, 2, true}, {32, 4, 2, 4, false},
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

	{32, rowMost, directTile{4, 32, 8, 4, 1, true, true}}, {32, rowMost, directTile{4, 32, 8, 4, 2, true, true}}, {32, 64, directTile{4, 32, 8, 4, 4, true, true}},
	{16, rowMost, directTile{4, 16, 4, 4, 1, true, true}}, {16, rowMost, directTile{2, 16, 8, 8, 1, true, true}},
	{16, matvecRows, directTile{4, 16, 8, 8, 1, true, true}},
	{16, 64, directTile{2, 16, 8, 8, 4, true, true}}, {16, 64, directTile{4, 16, 8, 8, 4, true, true}}, {16, 64, directTile{4, 16, 8, 8, 2, true, true}},
	{64, rowMost, directTile{4, 16, 4, 1, 1, true, true}}, {matvecRows, rowMost, directTile{8, 16, 4, 1, 1, false, true}},
	{rowMost, rowMost, directTile{2, 32, 4, 1, 1, true, true}},
}

// tileCandidates are shapes of GemmTile worth a try above matvecRows token rows.
var tileCandidates = []tileShape{
	{8, 8, 2, 2, 8, 2, 2, 1, true}, {8, 8, 2, 2, 8, 2, 2, 1, false}, {8, 8, 2, 2, 16, 1, 1, 1, true}, {8, 8, 2, 4, 8, 2, 2, 1, true},
	{8, 16, 2, 1, 8, 2, 2, 1, true}, {8, 8, 2, 2, 8, 2, 2, 2, true}, {8, 8, 2, 2, 8, 2, 2, 4, true},
}

// candidates are the kernels worth a try for the class of a number of token rows: every default among them, and those alone may stand in
// Choices. All fit every device; those with parts need room for their sums beside.
func (s LinearShape) candidates(rows int) []linearVariant {
	top := rowTops[rowClass(rows)]
	var list []linearVariant
	if top <= matvecRows {
		list = append(list, matvecVariant(top))
	}
	if top > 32 {
		list = append(list, gemmVariant)
	}
	if top <= 8 {
		tokens, tiles := min(top, 4), streamCandidates
		if tokens > 1 {
			tiles = streamFew
		}
		for _, t := range tiles {
			if _, err := s.stream(t, tokens); err == nil {
				list = append(list, streamVariant(t, tokens))
			}
		}
	}
	for _, c := range directCandidates {
		if top < c.from || top > c.to || top > matvecRows && s.Format.QuantBits >= 16 { // whose lanes read other rows: GemmTile's
			continue
		}
		if c.tile.tokens == 0 {
			c.tile.tokens = top
		}
		if _, _, err := s.direct(c.tile); err == nil {
			list = append(list, directVariant(c.tile))
		}
	}
	for _, t := range tileCandidates {
		if _, _, err := s.tile(t); err == nil && top > matvecRows {
			list = append(list, tileVariant(t))
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
