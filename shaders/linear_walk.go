package shaders

import "fmt"

// walkTile is a shape of MatvecWalk.
type walkTile struct {
	lanes  int // of a group: a multiple of 16
	groups int
	unroll int  // weight rows at a time: a multiple of 4
	laps   int  // of so many rows
	ahead  bool // the next rows are fetched before they are needed
}

func (t walkTile) String() string {
	s := fmt.Sprintf("walk/lanes=%d,groups=%d,unroll=%d,laps=%d", t.lanes, t.groups, t.unroll, t.laps)
	if t.ahead {
		s += ",ahead"
	}
	return s
}

// walkSpec is what matvec_walk.wgsl needs beside linearSpec.
type walkSpec struct {
	linearSpec
	Ahead  bool
	Units  int  // of 8 columns in a piece
	Offset bool // scales come with an offset

	RowQuads    int `wgsl:"ROW_QUADS"` // 4 weight rows each, of UNROLL
	Held        int `wgsl:"HELD"`
	Unroll      int `wgsl:"UNROLL"`
	Laps        int `wgsl:"LAPS"`
	Pieces      int `wgsl:"PIECES"`       // of a row
	BlockPieces int `wgsl:"BLOCK_PIECES"` // of a block
	WordPieces  int `wgsl:"WORD_PIECES"`  // of a word of scales
	PieceVecs   int `wgsl:"PIECE_VECS"`   // vectors of x that a piece is multiplied with
	Shares      int `wgsl:"SHARES"`       // lanes that add up the sums of 4 rows of a group
	Adders      int `wgsl:"ADDERS"`       // of all groups
	Totals      int `wgsl:"TOTALS"`
}

// walk specialises a shape to a tile.
func (s LinearShape) walk(t walkTile) (*walkSpec, error) {
	d := &walkSpec{linearSpec: s.spec(), Offset: s.Format.ScaleHalfs == 2, Ahead: t.ahead, Unroll: t.unroll, Laps: t.laps, RowQuads: t.unroll / 4}
	d.Tokens, d.Lanes, d.Groups, d.PerLane, d.Threads = 1, t.lanes, t.groups, 4, t.lanes*t.groups
	d.Rows = t.groups * t.unroll * t.laps
	d.BlockPieces = min(4, s.Format.QuantVecs)
	d.Units = 4 / d.BlockPieces
	d.PieceVecs = 2 * d.Units
	d.Pieces = d.Blocks * d.BlockPieces
	d.WordPieces = d.BlockPieces
	if s.Format.ScaleHalfs == 1 {
		d.WordPieces *= 2
	}
	d.Held = ceilDiv(d.Pieces, t.lanes)
	d.Shares = 16
	for d.Shares > 1 && d.Shares*d.RowQuads*t.groups > 32 {
		d.Shares /= 2
	}
	d.Adders = d.Shares * d.RowQuads * t.groups
	d.Sums = 2 * d.RowQuads * d.Threads
	d.Totals = t.laps * d.Adders
	memory := 16 * (d.Sums + d.Totals)
	if s.Norm {
		memory += 4 * d.Threads
	}
	if memory > workgroupBytes || d.Threads > 256 || d.Adders > d.Threads || d.Held*d.PieceVecs > 16 || t.unroll%4 != 0 || t.lanes%16 != 0 {
		return nil, fmt.Errorf("shaders: linear: no tile %v for %d columns: %d bytes of workgroup memory", t, s.K, memory)
	}
	return d, nil
}

func walkVariant(t walkTile) linearVariant {
	return linearVariant{file: "matvec_walk", tokens: 1, walk: t}
}
