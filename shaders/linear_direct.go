package shaders

import (
	"fmt"
	"math"
)

// directTile is a shape of GemmDirect. A workgroup takes stack·32·groups/split weight rows by tokens.
type directTile struct {
	stack  int  // weight rows of a lane: 1 (not with a gate), 2, 4 or 8
	tokens int  // sums of a lane for each of them
	groups int  // groups of 32 lanes, up to 8
	split  int  // groups that share rows, each with columns of its own; divides groups
	parts  int  // workgroups that share rows likewise; above 1, GemmJoin adds them up
	ahead  bool // weights are fetched one piece ahead of their use
	unroll bool // all columns of a piece are written out, instead of 8
}

func (t directTile) String() string {
	s := fmt.Sprintf("direct%dx%d/groups=%d,split=%d,parts=%d", t.stack, t.tokens, t.groups, t.split, t.parts)
	if t.ahead {
		s += ",ahead"
	}
	if t.unroll {
		s += ",unroll"
	}
	return s
}

// directChoice is a line of directChoices: a tile, and the products that it is for.
type directChoice struct {
	rows, top int // token rows, from and to; no upper bound if 0
	n, most   int // weight rows, likewise
	k         int // columns, at least
	tile      directTile
}

// directChoices picks GemmDirect instead of Matvec and Gemm on wide adapters, for quantised weights: the first line that a product fits. A line with
// parts is passed over where there is no room for their sums. BenchmarkLinearTiles is what to choose by.
//
// On an H200 (llama3.1-8b and llama3.2-1b shapes) they take, beside Matvec and Gemm: 16 rows of q4_0 28672x4096 151 us for 240, of 4096x14336
// with parts 75 us for 120, 64 rows of 28672x4096 500 us for some 1,500, 512 rows of q4_0 4096x4096 504 us for 969.
var directChoices = []directChoice{
	{5, 8, 12288, 0, 0, directTile{4, 8, 4, 4, 1, true, true}},
	{5, 8, 1024, 12287, 0, directTile{2, 8, 8, 8, 4, true, true}},
	{9, 24, 65536, 0, 0, directTile{4, 16, 4, 4, 1, true, true}},
	{9, 24, 12288, 65535, 0, directTile{4, 16, 8, 8, 1, true, true}},
	{9, 24, 6144, 12287, 4096, directTile{2, 16, 8, 8, 4, true, true}},
	{9, 24, 4096, 12287, 4096, directTile{4, 16, 8, 8, 4, true, true}},
	{9, 24, 1024, 4095, 0, directTile{2, 16, 8, 8, 4, true, true}},
	{25, 32, 12288, 0, 4096, directTile{4, 32, 8, 4, 1, true, true}},
	{25, 32, 6144, 12287, 0, directTile{4, 16, 8, 8, 4, true, true}},
	{25, 32, 4096, 6143, 0, directTile{4, 16, 8, 8, 2, true, true}},
	{25, 32, 1024, 4095, 0, directTile{4, 16, 8, 8, 4, true, true}},
	{49, 64, 12288, 0, 0, directTile{4, 32, 8, 4, 1, true, true}},
	{49, 64, 6144, 12287, 0, directTile{4, 16, 8, 8, 2, true, true}},
	{49, 64, 4096, 6143, 0, directTile{4, 32, 8, 4, 4, true, true}},
	{25, matvecRows, 12288, 0, 0, directTile{4, 16, 4, 4, 1, true, true}},
	{33, 48, 4096, 12287, 0, directTile{4, 16, 8, 8, 1, true, true}},
	{33, 64, 1024, 4095, 4096, directTile{4, 16, 8, 8, 2, true, true}},
	{65, matvecRows, 4096, 12287, 0, directTile{4, 16, 4, 4, 1, true, true}},
	{25, matvecRows, 1, 12287, 0, directTile{2, 16, 8, 8, 1, true, true}},
	{matvecRows + 1, 512, 4096, 12287, 8192, directTile{4, 32, 8, 4, 2, true, true}},
	{matvecRows + 1, 0, 4096, 0, 0, directTile{4, 32, 8, 4, 1, true, true}},
	{matvecRows + 1, 0, 1, 0, 0, directTile{4, 16, 4, 1, 1, true, true}},
}

// directFor returns the tile for a number of token rows, if any; room is what there is for sums of parts, in bytes.
func (s LinearShape) directFor(choices []directChoice, rows, room int) (directTile, bool) {
	within := func(v, low, high int) bool { return v >= low && (high == 0 || v <= high) }
	for _, c := range choices {
		if s.Format.HasScales() && within(rows, c.rows, c.top) && within(s.N, c.n, c.most) && s.K >= c.k &&
			s.sumBytes(c.tile.parts, rows) <= room && (!s.Gate && !s.Roped() || c.tile.stack > 1) {
			return c.tile, true
		}
	}
	return directTile{}, false
}

// joinCols is a row of a part's sums in f32: the weight rows in whole vectors, and one more for the token's square.
func (s LinearShape) joinCols() int { return (s.N+3)&^3 + 4 }

// sumBytes is the room that sums of parts take.
func (s LinearShape) sumBytes(parts, rows int) int {
	if parts <= 1 {
		return 0
	}
	return 4 * parts * rows * s.joinCols()
}

// PartsBytes is the size of Linear.Parts that a product needs with up to rows token rows, 0 if it needs none.
func (s LinearShape) PartsBytes(rows int) int {
	size := 0
	for _, c := range directChoices {
		if t, ok := s.directFor([]directChoice{c}, c.rows, math.MaxInt); ok && c.rows <= rows && t.parts > 1 {
			most := rows
			if c.top > 0 {
				most = min(rows, c.top)
			}
			size = max(size, s.sumBytes(t.parts, most))
		}
	}
	for _, c := range tileChoices {
		if c.fits(s, c.rows) && c.rows <= rows && c.tile.parts > 1 {
			size = max(size, s.sumBytes(c.tile.parts, min(rows, c.top)))
		}
	}
	return size
}

// directSpec is what gemm_direct.wgsl and gemm_join.wgsl need beside linearSpec.
type directSpec struct {
	linearSpec
	Ahead, Unroll bool
	Parted        bool // sums are those of a part
	Aligned       bool // no workgroup has rows beyond N
	Whole         bool // all lanes bring equally many vectors of x
	Rounds        int  // in which a slice's sums go through workgroup memory

	Stack       int `wgsl:"STACK"`
	Split       int `wgsl:"SPLIT"`
	Span        int `wgsl:"SPAN"`   // blocks of a slice, where there is one part
	Pieces      int `wgsl:"PIECES"` // of a block, fetched one after the other
	Units       int `wgsl:"UNITS"`  // of 8 columns in a piece
	ScaleBlocks int `wgsl:"SCALE_BLOCKS"`

	XUnits      int `wgsl:"X_UNITS"`
	Staged      int `wgsl:"STAGED"` // vectors of x that a workgroup brings at once
	Places      int `wgsl:"PLACES"` // lanes of a slice
	Quads       int `wgsl:"QUADS"`  // vectors of a lane's sums for a token
	RoundTokens int `wgsl:"ROUND_TOKENS"`
	SquaresAt   int `wgsl:"SQUARES_AT"`
}

const workgroupBytes = 16 << 10 // what every adapter gives

// directHalf is a directSpec and the scale of a block that is meant.
type directHalf struct {
	*directSpec
	Half int
}

// In returns the spec for one of a block's scales.
func (d *directSpec) In(half int) directHalf { return directHalf{d, half} }

// joinSpec is what gemm_join.wgsl needs.
type joinSpec struct {
	linearSpec
	Parts   int `wgsl:"PARTS"`
	SumVecs int `wgsl:"SUM_VECS"`
}

// direct specialises a shape to a tile. With parts, which the grid counts, a join has the shape's own end.
func (s LinearShape) direct(t directTile) (*directSpec, *joinSpec, error) {
	d := &directSpec{linearSpec: s.spec(), Ahead: t.ahead, Unroll: t.unroll, Parted: t.parts > 1, Stack: t.stack, Split: t.split}
	if t.groups < 1 || t.groups > 8 || t.split < 1 || t.groups%t.split != 0 || t.parts < 1 || t.tokens > 32*t.groups {
		return nil, nil, fmt.Errorf("shaders: linear: no tile %v", t)
	}
	d.Tokens, d.Threads, d.Places = t.tokens, 32*t.groups, 32*t.groups/t.split
	d.Rows = t.stack * d.Places
	d.PerLane = min(4, t.stack)
	d.Quads = t.stack / d.PerLane
	d.Aligned = s.N%d.Rows == 0
	d.Pieces = s.Format.blockPieces()
	d.Units = 4 / d.Pieces
	d.SpanUnits = d.Units / d.Spans
	d.ScaleBlocks = s.Format.scaleBlocks()
	d.Span = ceilDiv(d.Blocks, t.split*d.ScaleBlocks) * d.ScaleBlocks // a slice begins with a word of scales
	d.Pitch = 2 * t.tokens
	d.Staged = 4 * t.split * d.Pitch
	d.Stages, d.Whole = ceilDiv(d.Staged, d.Threads), d.Staged%d.Threads == 0
	d.Buffers = 1
	if 2*16*d.Staged <= workgroupBytes {
		d.Buffers = 2
	}
	room := max(d.Buffers*d.Staged, d.Threads*d.Quads)
	d.RoundTokens = t.tokens
	for d.RoundTokens > 1 && (t.tokens%d.RoundTokens != 0 || d.RoundTokens*d.Threads*d.Quads > room) {
		d.RoundTokens--
	}
	d.Rounds = t.tokens / d.RoundTokens
	if t.split > 1 {
		d.XUnits = ceilDiv(room, d.Pitch)
	} else {
		d.XUnits = 4 * d.Buffers
	}
	if size := 16 * d.XUnits * d.Pitch; size > workgroupBytes {
		return nil, nil, fmt.Errorf("shaders: linear: tile %v takes %d bytes of workgroup memory", t, size)
	}
	if t.parts == 1 {
		return d, nil, nil
	}
	d.SquaresAt = s.joinCols() - 4
	return d, d.leaveParts(s, t.parts), nil
}

// leaveParts makes a product of a shape leave sums of parts of its columns, and returns the join that does what follows the product.
func (s *linearSpec) leaveParts(shape LinearShape, parts int) *joinSpec {
	s.Gate, s.Bias, s.Residual, s.Rope = false, false, false, RopeShape{}
	s.YStride, s.YOffset = shape.joinCols(), 0
	j := &joinSpec{shape.spec(), parts, shape.joinCols() / 4}
	j.PerLane = 4
	return j
}
