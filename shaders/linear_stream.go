package shaders

import "fmt"

// streamTile is a shape of MatvecStream.
type streamTile struct {
	lanes   int // of a group, along a row: a power of two, at least 8
	groups  int
	perLane int  // weight rows of a lane: 1 (not with a gate), 2 or 4
	atOnce  int  // pieces of each row that a lane fetches at once
	ahead   bool // the next pieces are fetched before they are needed
}

func (t streamTile) String() string {
	s := fmt.Sprintf("stream/lanes=%d,groups=%d,rows=%d,atonce=%d", t.lanes, t.groups, t.perLane, t.atOnce)
	if t.ahead {
		s += ",ahead"
	}
	return s
}

// streamChoice is a line of streamChoices: a tile, and the products that it is for.
type streamChoice struct {
	bits int // of a column in the plane of quants; 4 for 2, too
	n    int // weight rows, at least
	k    int // columns, at most; no bound if 0
	tile streamTile
}

// streamChoices picks MatvecStream for one token row on wide adapters: the first line that a product fits. BenchmarkStreamTiles is what to
// choose by. On an H200, beside Matvec before: q4_0 28672x4096 26.5 us for 36.8, 6144x4096 10.4 for 16.7, q8_0 16384x2048 14.5 for 17.8,
// f32 4096x14336 57.5 for 77.
var streamChoices = []streamChoice{
	{4, 16384, 0, streamTile{16, 8, 4, 1, false}},
	{4, 1, 0, streamTile{32, 8, 2, 1, true}},
	{8, 8192, 0, streamTile{32, 4, 4, 1, false}},
	{8, 1, 1024, streamTile{32, 4, 2, 1, true}},
	{8, 1, 8191, streamTile{32, 4, 2, 2, true}},
	{8, 1, 0, streamTile{64, 4, 2, 1, true}},
	{16, 16384, 0, streamTile{16, 16, 4, 2, false}},
	{16, 1, 8191, streamTile{32, 4, 2, 4, false}},
	{16, 1, 0, streamTile{64, 4, 2, 2, true}},
	{32, 1, 0, streamTile{64, 4, 4, 1, true}},
}

// streamFor returns the tile for a number of token rows, if any.
func (s LinearShape) streamFor(rows int) (streamTile, bool) {
	if rows > 2 || rows == 2 && s.N < 8192 {
		return streamTile{}, false
	}
	if rows == 2 {
		return streamTile{16, 8, 4, 1, true}, s.Format.HasScales()
	}
	for _, c := range streamChoices {
		if max(4, s.Format.QuantBits) == c.bits && s.N >= c.n && (c.k == 0 || s.K <= c.k) {
			return c.tile, true
		}
	}
	return streamTile{}, false
}

// streamSpec is what matvec_stream.wgsl needs beside linearSpec.
type streamSpec struct {
	linearSpec
	AtOnce int  `wgsl:"AT_ONCE"`
	Units  int  // of 8 columns in a piece
	Table  bool // of the decoder's
	Raised bool // as Format's
	Offset bool
	XSums  bool // sums of x, for one of the two
	Ahead  bool
	Whole  bool // all lanes bring equally many vectors of x

	Stage       int `wgsl:"STAGE"` // pieces of a row that a group takes in a round
	Rounds      int `wgsl:"ROUNDS"`
	Pieces      int `wgsl:"PIECES"`       // of a row
	BlockPieces int `wgsl:"BLOCK_PIECES"` // of a block
	PieceVecs   int `wgsl:"PIECE_VECS"`   // vectors of x that a piece is multiplied with
	StageVecs   int `wgsl:"STAGE_VECS"`
	Cells       int `wgsl:"CELLS"`
	Share       int `wgsl:"SHARE"`
}

// stream specialises a shape to a tile.
func (s LinearShape) stream(t streamTile, tokens int) (*streamSpec, error) {
	d := &streamSpec{linearSpec: s.spec(), AtOnce: t.atOnce, Ahead: t.ahead, Raised: s.Format.Raised, Offset: s.Format.Offset}
	d.Tokens, d.Lanes, d.Groups, d.PerLane, d.Threads = tokens, t.lanes, t.groups, t.perLane, t.lanes*t.groups
	d.Rows = t.groups * t.perLane
	if s.Format.Lookup {
		d.Table, d.Raised, d.Dequant = true, false, tabled[s.Format.Name]
	}
	d.XSums = d.Raised || d.Offset
	d.BlockPieces = s.Format.blockPieces()
	d.Units = 4 / d.BlockPieces
	d.SpanUnits = d.Units / d.Spans
	d.PieceVecs = 2 * d.Units
	d.Pieces = d.Blocks * d.BlockPieces
	d.Stage = t.lanes * t.atOnce
	d.Rounds = ceilDiv(d.Pieces, d.Stage)
	d.StageVecs = d.Stage * d.PieceVecs
	d.Stages, d.Whole = ceilDiv(d.StageVecs*tokens, d.Threads), d.StageVecs*tokens%d.Threads == 0
	d.Cells = tokens * d.PieceVecs
	sums := tokens * d.Threads
	d.Pitch = max(2*d.Stage+1, ceilDiv(sums, d.Cells)|1) // odd: neighbours of x go to different banks
	d.Share = 4
	d.Partials = sums / d.Share
	d.Squares = sums
	memory := 16 * d.Cells * d.Pitch
	if s.Norm {
		memory += 4 * d.Squares
	}
	if d.Table {
		memory += 4 * 16
	}
	if memory > workgroupBytes || d.Threads > 256 || d.Threads < 16*tokens || t.lanes < 8 || ((s.Gate || s.Roped()) && t.perLane == 1) {
		return nil, fmt.Errorf("shaders: linear: no tile %v for %d tokens: %d bytes of workgroup memory", t, tokens, memory)
	}
	return d, nil
}

func streamVariant(t streamTile, tokens int) linearVariant {
	return linearVariant{file: "matvec_stream", tokens: tokens, stream: t}
}
