package shaders

import (
	"fmt"
	"strings"
)

// fewTile is a shape of AttentionFew. A workgroup takes lanes/keyLanes·keys tokens at a time.
type fewTile struct {
	lanes    int  // of a workgroup: 64, 128 or 256
	keyLanes int  // most lanes that read a key side by side, a power of two up to 16
	keys     int  // most keys of a lane at a time, a power of two up to keyLanes
	heads    int  // most query heads of a workgroup, up to 8
	ahead    int  // values that a lane reads at a time, the first of them before scores are known
	next     bool // keys are read before the values of the tile before are used
}

func (t fewTile) String() string {
	return fmt.Sprintf("lanes=%d,key=%dx%d,heads=%d,ahead=%d,next=%v", t.lanes, t.keyLanes, t.keys, t.heads, t.ahead, t.next)
}

// fewSpec is what attention_few.wgsl needs beside attentionSpec.
type fewSpec struct {
	attentionSpec
	Wide      int    // numbers of a vector of heads' scores: 1, 2 or 4
	Score     string // its type
	ScoreVecs int    // vectors of that kind
	Next      bool
	Rounds    int // in which the heads' sums are added up

	Lanes      int `wgsl:"LANES"`
	KeyLanes   int `wgsl:"KEY_LANES"`
	Keys       int
	AtOnce     int `wgsl:"AT_ONCE"` // keys read side by side
	Tile       int `wgsl:"TILE"`    // tokens
	QueryHeads int `wgsl:"QUERY_HEADS"`
	KeyVecs    int `wgsl:"KEY_VECS"` // vectors of a key that a lane reads
	QueryPitch int `wgsl:"QUERY_PITCH"`
	DotPitch   int `wgsl:"DOT_PITCH"`
	Dots       int `wgsl:"DOTS"`
	SumRows    int `wgsl:"SUMS"`
	SumHeads   int // heads whose sums are added up at once
	Groups     int `wgsl:"GROUPS"`    // of lanes that own all columns
	GroupsUp   int `wgsl:"GROUPS_UP"` // and one of those left over
	Run        int `wgsl:"RUN"`       // tokens of a group in a tile
	Ahead      int `wgsl:"AHEAD"`
	Scores     int `wgsl:"SCORES"`
	Reduced    int `wgsl:"REDUCED"`
	Blocks     int `wgsl:"BLOCKS"`
}

// fewAt is a fewSpec with expressions of which keys to read.
type fewAt struct {
	*fewSpec
	Count, Buffer string
}

// At gives templates the number of tokens of a tile, and where its blocks begin.
func (s *fewSpec) At(count, buffer string) fewAt { return fewAt{s, count, buffer} }

// Of picks head h's number from its vector.
func (s *fewSpec) Of(h int) string {
	if s.Wide == 1 {
		return ""
	}
	return "." + string("xyzw"[h%4])
}

// Pack makes vector v of heads' numbers of variables named prefix_head.
func (s *fewSpec) Pack(prefix string, v int) string {
	if s.Wide == 1 {
		return prefix + "_0"
	}
	var parts []string
	for h := 4 * v; h < 4*v+s.Wide; h++ {
		if h < s.QueryHeads {
			parts = append(parts, fmt.Sprintf("%s_%d", prefix, h))
		} else {
			parts = append(parts, "0.0")
		}
	}
	return s.Score + "(" + strings.Join(parts, ", ") + ")"
}

// Sums is the array that heads' sums go through.
func (s *fewSpec) Sums() string {
	if s.Wide == 4 {
		return "dots"
	}
	return "sums"
}

// Round is the heads of a round.
func (s *fewSpec) Round(r int) (heads []int) {
	for h := r * s.SumHeads; h < min((r+1)*s.SumHeads, s.QueryHeads); h++ {
		heads = append(heads, h)
	}
	return heads
}

// memory is the workgroup memory in bytes.
func (s *fewSpec) memory() int {
	n := 16*s.QueryPitch*s.KeyLanes + 4*s.Wide*(s.DotPitch*s.Dots+s.Run*s.Scores+s.Reduced) + 4*s.Blocks
	if s.Wide < 4 {
		n += 16 * s.DotPitch * s.SumRows
	}
	return n
}

// few specialises AttentionFew to a tile, or to the largest below it that the shape and workgroup memory allow.
func (s AttentionShape) few(t fewTile, split attentionSplit) (*fewSpec, error) {
	group, vecs := s.Heads/s.KV.KVHeads, s.KV.HeadDim/4
	for vecs%t.keyLanes != 0 {
		t.keyLanes /= 2
	}
	t.keys = min(t.keys, t.keyLanes)
	if t.lanes < vecs {
		t.lanes = 64
	}
	sumHeads := t.heads
	for {
		for group%t.heads != 0 {
			t.heads--
		}
		f := &fewSpec{attentionSpec: s.spec(split), Wide: 4, Next: t.next, Lanes: t.lanes, KeyLanes: t.keyLanes, Keys: t.keys, QueryHeads: t.heads}
		f.AtOnce = t.lanes / t.keyLanes
		f.Tile = f.AtOnce * t.keys
		f.KeyVecs = vecs / t.keyLanes
		f.ScoreVecs = ceilDiv(t.heads, 4)
		if t.heads <= 2 {
			f.Wide = t.heads
		}
		f.Score = map[int]string{1: "f32", 2: "vec2<f32>", 4: "vec4<f32>"}[f.Wide]
		f.QueryPitch = t.heads*f.KeyVecs | 1
		f.DotPitch = t.keyLanes + 1
		f.Dots = f.ScoreVecs * f.Tile
		f.SumHeads = min(sumHeads, t.heads)
		if f.Wide == 4 {
			f.SumHeads = min(t.heads, f.ScoreVecs*t.keys) // what dots holds
		}
		f.SumRows = f.SumHeads * f.AtOnce
		f.Rounds = ceilDiv(t.heads, f.SumHeads)
		f.Groups, f.GroupsUp = t.lanes/vecs, ceilDiv(t.lanes, vecs)
		f.Ahead = min(t.ahead, ceilDiv(f.Tile, f.Groups))
		f.Run = ceilDiv(ceilDiv(f.Tile, f.Groups), f.Ahead) * f.Ahead
		f.Scores = f.ScoreVecs * f.GroupsUp
		f.Reduced = 8 * f.ScoreVecs
		f.Blocks = 2 * f.Tile / s.KV.Slots
		switch {
		case f.Tile%s.KV.Slots != 0 || split.part%s.KV.Slots != 0 || split.most > mergeLanes:
			return nil, fmt.Errorf("shaders: attention: no tile %v of %d tokens, over pages of %d, in up to %d parts of %d", t, f.Tile, s.KV.Slots, split.most, split.part)
		case f.memory() <= workgroupBytes:
			return f, nil
		case f.Wide < 4 && f.SumHeads > 1:
			sumHeads = 1
		case t.keys > 1 && f.AtOnce*t.keys/2%s.KV.Slots == 0:
			t.keys /= 2
		case t.lanes > 64 && t.lanes/2 >= vecs && f.Tile/2%s.KV.Slots == 0:
			t.lanes /= 2
		case t.heads > 1:
			t.heads--
		default:
			return nil, fmt.Errorf("shaders: attention: tile %v takes %d bytes of workgroup memory", t, f.memory())
		}
	}
}

// mergeLanes is the lanes of a workgroup of AttentionMerge, and the most parts that it takes.
const mergeLanes = 128

// mergeSpec is what attention_merge.wgsl needs beside attentionSpec.
type mergeSpec struct {
	attentionSpec
	Lanes  int `wgsl:"LANES"`
	Groups int `wgsl:"GROUPS"` // of lanes that own all columns
	Ahead  int `wgsl:"AHEAD"`  // parts that a lane reads before the maximum is known
}

func (s AttentionShape) merge(split attentionSplit) *mergeSpec {
	return &mergeSpec{s.spec(split), mergeLanes, mergeLanes / (s.KV.HeadDim / 4), 4}
}
