package shaders

import "fmt"

// tileShape is a shape of GemmTile. A workgroup takes 8·laneRows·across weight rows by 4·laneTokens·down tokens.
type tileShape struct {
	laneRows, laneTokens int  // of a lane, multiples of 4
	across, down         int  // groups of 32 lanes along weight rows, and along tokens
	cols                 int  // columns of a step: 8, 16 or 32
	buffers              int  // 2: one is filled while the other is read
	steps                int  // written out; divides 32 / cols, even with 2 buffers
	parts                int  // workgroups that share rows, each with a span of columns; above 1, GemmJoin adds them up
	turned               bool // workgroup memory holds 4 rows of a column in a vector, not 4 columns of a row
}

func (t tileShape) rows() int   { return 8 * t.laneRows * t.across }
func (t tileShape) tokens() int { return 4 * t.laneTokens * t.down }

func (t tileShape) String() string {
	s := fmt.Sprintf("tile%dx%d/lane=%dx%d,cols=%d,buffers=%d,steps=%d,parts=%d", t.rows(), t.tokens(), t.laneRows, t.laneTokens, t.cols, t.buffers, t.steps, t.parts)
	if t.turned {
		s += ",turned"
	}
	return s
}

// tileChoice is a line of tileChoices: a tile, and the products that it is for.
type tileChoice struct {
	rows, top int // token rows, from and to; no upper bound if 0
	n, most   int // weight rows, likewise
	tile      tileShape
}

// tileChoices picks GemmTile instead of Gemm on wide adapters, for weights of 2 and 4 bytes: the first line that a product fits. A line
// with parts is passed over where there is no room for their sums. BenchmarkLinearTiles is what to choose by; parts are for where there
// would be fewer than 2 workgroups for each of an H200's 132 processors.
var tileChoices = []tileChoice{
	{matvecRows + 1, 512, 1024, 3071, tileShape{8, 8, 2, 2, 8, 2, 2, 4, true}},
	{matvecRows + 1, 512, 3072, 4095, tileShape{8, 8, 2, 2, 8, 2, 2, 2, true}},
	{matvecRows + 1, 0, 1, 0, tileShape{8, 8, 2, 2, 8, 2, 2, 1, true}},
}

// fits says whether a line is for a product with a number of token rows.
func (c tileChoice) fits(s LinearShape, rows int) bool {
	within := func(v, low, high int) bool { return v >= low && (high == 0 || v <= high) }
	return s.Format.QuantBits >= 16 && within(rows, c.rows, c.top) && within(s.N, c.n, c.most)
}

// tileFor returns the tile for a number of token rows, if any.
func (s LinearShape) tileFor(rows, room int) (tileShape, bool) {
	for _, c := range tileChoices {
		if c.fits(s, rows) && s.sumBytes(c.tile.parts, rows) <= room {
			return c.tile, true
		}
	}
	return tileShape{}, false
}

// tileSpec is what gemm_tile.wgsl needs beside linearSpec.
type tileSpec struct {
	linearSpec
	Turned           bool // as tileShape's
	Parted           bool // sums are those of a part
	Aligned          bool // no workgroup has rows beyond N
	WholeW, WholeX   bool // all lanes bring equally many vectors
	WStages, XStages int  // vectors that a lane brings for a step
	WordQuads        int  // groups of 4 columns in 16 bytes of weights
	WordCols         int  // columns in 16 bytes of weights
	Slabs            int  // what a step multiplies one after the other: 4 columns each, or if turned one

	LaneRows   int `wgsl:"LANE_ROWS"`
	LaneTokens int `wgsl:"LANE_TOKENS"`
	GroupsW    int `wgsl:"GROUPS_W"`
	Steps      int `wgsl:"STEPS"`
	Turns      int `wgsl:"TURNS"`
	WordsW     int `wgsl:"WORDS_W"`
	WordsX     int `wgsl:"WORDS_X"`
	WItems     int `wgsl:"W_ITEMS"`
	XItems     int `wgsl:"X_ITEMS"`
	WEach      int `wgsl:"W_EACH"` // vectors of a lane in a slab
	XEach      int `wgsl:"X_EACH"`
	WLanes     int `wgsl:"W_LANES"` // that read different ones
	XLanes     int `wgsl:"X_LANES"`
	WPitch     int `wgsl:"W_PITCH"`
	XPitch     int `wgsl:"X_PITCH"`
	WCells     int `wgsl:"W_CELLS"`
	XCells     int `wgsl:"X_CELLS"`
	SquaresAt  int `wgsl:"SQUARES_AT"`
}

// tileBuffer is a tileSpec and the first cells of a buffer.
type tileBuffer struct {
	*tileSpec
	WFirst, XFirst int
}

// In returns the spec for a buffer.
func (d *tileSpec) In(buffer int) tileBuffer {
	return tileBuffer{d, buffer * d.WCells / d.Buffers, buffer * d.XCells / d.Buffers}
}

// tile specialises a shape to a tile. With parts, which the grid counts, a join has the shape's own end.
func (s LinearShape) tile(t tileShape) (*tileSpec, *joinSpec, error) {
	d := &tileSpec{linearSpec: s.spec(), Turned: t.turned, Parted: t.parts > 1, LaneRows: t.laneRows, LaneTokens: t.laneTokens, GroupsW: t.across, Steps: t.steps}
	switch {
	case s.Format.QuantBits < 16,
		t.laneRows < 4 || t.laneRows%4 != 0 || t.laneTokens < 4 || t.laneTokens%4 != 0,
		t.across < 1 || t.down < 1 || t.across*t.down > 8 || t.parts < 1,
		t.cols != 8 && t.cols != 16 && t.cols != 32,
		t.steps < 1 || blockCols%(t.cols*t.steps) != 0,
		t.buffers != 1 && t.buffers != 2 || t.steps%t.buffers != 0:
		return nil, nil, fmt.Errorf("shaders: linear: no tile %v for %s", t, s.Format.Name)
	}
	d.Rows, d.Tokens, d.Buffers, d.PerLane = t.rows(), t.tokens(), t.buffers, 4
	d.Threads = 32 * t.across * t.down
	d.Turns = d.Blocks * blockCols / (t.cols * t.steps)
	d.Aligned = s.N%d.Rows == 0
	d.WordQuads = 32 / s.Format.QuantBits
	d.WordCols = 4 * d.WordQuads
	d.WordsX = t.cols / 4
	d.WordsW = d.WordsX / d.WordQuads
	d.WItems, d.XItems = d.Rows*d.WordsW, d.Tokens*d.WordsX
	d.WStages, d.WholeW = ceilDiv(d.WItems, d.Threads), d.WItems%d.Threads == 0
	d.XStages, d.WholeX = ceilDiv(d.XItems, d.Threads), d.XItems%d.Threads == 0
	d.WLanes, d.XLanes = 8*t.across, 4*t.down
	if t.turned {
		d.Slabs, d.WEach, d.XEach = t.cols, t.laneRows/4, t.laneTokens/4
		d.WPitch, d.XPitch = d.WordsW*d.WEach*d.WLanes, d.WordsX*d.XEach*d.XLanes
		d.WCells, d.XCells = t.buffers*d.WordCols, t.buffers*4
	} else {
		d.Slabs, d.WEach, d.XEach = t.cols/4, t.laneRows, t.laneTokens
		d.WPitch, d.XPitch = d.WLanes, d.XLanes
		d.WCells, d.XCells = t.buffers*d.Slabs*d.WEach, t.buffers*d.Slabs*d.XEach
	}
	if size := 16 * (d.WCells*d.WPitch + d.XCells*d.XPitch); size > workgroupBytes {
		return nil, nil, fmt.Errorf("shaders: linear: tile %v takes %d bytes of workgroup memory", t, size)
	}
	if t.parts == 1 {
		return d, nil, nil
	}
	d.SquaresAt = s.joinCols() - 4
	return d, d.leaveParts(s, t.parts), nil
}

func tileVariant(t tileShape) linearVariant {
	return linearVariant{file: "gemm_tile", tokens: t.tokens(), tile: t}
}
