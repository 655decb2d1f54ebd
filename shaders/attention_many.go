package shaders

import "fmt"

// manyTile is a shape of AttentionMany. A workgroup takes down·rows query rows by 4·manyAcross tokens.
type manyTile struct {
	down int // groups of manyAcross lanes that share rows, up to 16
	rows int // query rows of a lane: 4 or 8
}

// manyAcross is how many lanes share rows of AttentionMany.
const manyAcross = 16

func (t manyTile) String() string { return fmt.Sprintf("down=%d,rows=%d", t.down, t.rows) }

// manySpec is what attention_many.wgsl needs beside attentionSpec. A lane fetches so many vectors of q, keys and values at once;
// where not all lanes have as many, it is partial.
type manySpec struct {
	attentionSpec
	QueryFetches, KeyFetches, ValueFetches, Fetches int
	QueryPart, KeyPart, ValuePart                   bool

	Lanes      int     `wgsl:"LANES"`
	Down       int     `wgsl:"DOWN"`
	Across     int     `wgsl:"ACROSS"`
	RowRun     int     `wgsl:"ROW_RUN"`
	Rows       int     `wgsl:"ROWS"`
	Keys       int     `wgsl:"KEYS"`
	Depth      int     `wgsl:"DEPTH"`
	OutVecs    int     `wgsl:"OUT_VECS"` // vectors of an output row of a lane
	LeftPitch  int     `wgsl:"LEFT_PITCH"`
	Lefts      int     `wgsl:"LEFTS"`
	RightPitch int     `wgsl:"RIGHT_PITCH"`
	Rights     int     `wgsl:"RIGHTS"`
	Tops       int     // vectors of 4 rows' maxima of a row group
	TopVecs    int     `wgsl:"TOP_VECS"` // of a lane
	TopRun     int     `wgsl:"TOP_RUN"`  // of each depth
	Scale2     float32 `wgsl:"SCALE2"`   // SCALE for powers of 2
	Cap2       float32 `wgsl:"CAP2"`     // CAP likewise
}

// manyAt is a manySpec with expressions of where to fetch from.
type manyAt struct {
	*manySpec
	From, Chunk, Turn string
}

// At gives templates the first token to fetch keys of, the chunk of the head, and the turn of its tokens.
func (s *manySpec) At(from, chunk, turn string) manyAt { return manyAt{s, from, chunk, turn} }

// Slot is the number of vector g of a lane's maxima in its row group.
func (s *manySpec) Slot(g int) string { return fmt.Sprintf("(across * TOP_VECS + %du)", g) }

// Max is the largest of row i's scores.
func (s *manySpec) Max(i int) string {
	return fmt.Sprintf("max(max(s%d_0, s%d_1), max(s%d_2, s%d_3))", i, i, i, i)
}

// memory is the workgroup memory in bytes.
func (s *manySpec) memory() int { return 16 * (s.LeftPitch*s.Lefts + s.RightPitch*s.Rights) }

// many specialises AttentionMany to a tile.
func (s AttentionShape) many(t manyTile, split attentionSplit) (*manySpec, error) {
	vecs := s.KV.HeadDim / 4
	m := &manySpec{attentionSpec: s.spec(split), Lanes: manyAcross * t.down, Down: t.down, Across: manyAcross, RowRun: t.rows, Rows: t.down * t.rows, Keys: 4 * manyAcross}
	if t.down < 1 || t.down > 16 || t.rows != 4 && t.rows != 8 {
		return nil, fmt.Errorf("shaders: attention: no tile %v", t)
	}
	m.Scale2, m.Cap2 = m.Scale*1.44269504, m.Cap*1.44269504 // log2(e)
	m.OutVecs = ceilDiv(vecs, manyAcross)
	m.TopVecs = t.rows / 4
	m.Tops = manyAcross * m.TopVecs
	for m.Depth = 4; m.Depth > 1; m.Depth /= 2 {
		if vecs%m.Depth != 0 {
			continue
		}
		m.TopRun = m.Tops / m.Depth
		m.LeftPitch, m.Lefts = max(t.rows, m.TopRun)|1, m.Depth*t.down
		m.RightPitch, m.Rights = 4*m.OutVecs|1, m.Depth*manyAcross
		if m.memory() <= workgroupBytes {
			break
		}
	}
	if m.Depth == 1 {
		return nil, fmt.Errorf("shaders: attention: tile %v takes %d bytes of workgroup memory", t, m.memory())
	}
	fetches := func(n int) (int, bool) { return ceilDiv(n, m.Lanes), n%m.Lanes != 0 }
	m.QueryFetches, m.QueryPart = fetches(m.Rows * m.Depth)
	m.KeyFetches, m.KeyPart = fetches(m.Keys * m.Depth)
	m.ValueFetches, m.ValuePart = fetches(4 * m.Depth * vecs)
	m.Fetches = max(m.QueryFetches+m.KeyFetches, m.ValueFetches)
	return m, nil
}
