package shaders

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"umbra/gpu/gputest"
)

// TestAttentionTilesFit makes every shape's kernels fit in what each adapter gives a workgroup.
func TestAttentionTilesFit(t *testing.T) {
	for dim := 16; dim <= 256; dim += 16 {
		for _, group := range []int{1, 2, 3, 4, 5, 6, 7, 8, 12, 16} {
			s := AttentionShape{KV: KVShape{KVHeads: 2, HeadDim: dim, Slots: 16, Blocks: 4, ChunkBlocks: 4}, Heads: 2 * group}
			tile := s.tile()
			for _, wanted := range []fewTile{tile.few, {64, 16, 16, 8, 8, false}, {256, 16, 16, 8, 16, true}, {128, 8, 4, 8, 5, true}} {
				f, err := s.few(wanted, tile.split)
				require.NoError(t, err, "%d heads of %d, %v", group, dim, wanted)
				assert.LessOrEqual(t, f.memory(), workgroupBytes)
				assert.LessOrEqual(t, f.Tile, f.Lanes, "a lane for each token")
				assert.GreaterOrEqual(t, f.Run*f.Groups, f.Tile, "groups take all tokens")
				assert.Zero(t, f.Run%f.Ahead)
				assert.Zero(t, group%f.QueryHeads)
				assert.Equal(t, dim/4, f.KeyVecs*f.KeyLanes)
				assert.Zero(t, f.Tile%16)
			}
			m, err := s.many(tile.many, tile.split)
			require.NoError(t, err)
			assert.LessOrEqual(t, m.memory(), workgroupBytes)
		}
	}
	s := AttentionShape{KV: KVShape{KVHeads: 1, HeadDim: 64, Slots: 16, Blocks: 4, ChunkBlocks: 4}, Heads: 1}
	_, err := s.many(manyTile{17, 8}, wideSplit)
	assert.ErrorContains(t, err, "no tile")
	_, err = s.few(s.tile().few, attentionSplit{128, 100, 64})
	assert.ErrorContains(t, err, "parts of 100")
}

// TestAttentionSplit: parts are as many as said, and cover a context.
func TestAttentionSplit(t *testing.T) {
	for _, s := range []attentionSplit{narrowSplit, wideSplit, {300, 64, 16}} {
		for context := 1; context < 40000; context += 1 + context/7 {
			n := ceilDiv(context, s.length(context))
			assert.LessOrEqual(t, n, s.most)
			assert.Equal(t, context <= s.whole, n == 1, context)
			assert.LessOrEqual(t, n, max(1, s.parts(context)))
			assert.Zero(t, s.length(context)%s.part*(n-1))
		}
	}
}

// TestAttentionHeadsAtOnce: how many heads a workgroup takes changes no bit of any; so it may be picked by the batch.
func TestAttentionHeadsAtOnce(t *testing.T) {
	d := gputest.Device(t)
	for _, kind := range []KVType{KVF32, KVInt8} {
		var first []byte
		for _, heads := range []int{1, 2, 4, 8} {
			tile := attentionTile{few: fewTile{128, 4, 2, heads, 8, true}, split: wideSplit}
			b := &bench{device: d, tuning: Tuning{attention: &tile}, rand: rand.New(rand.NewPCG(1, 2))}
			err := b.attention(AttentionShape{}, 8, 1, 64, kind, 0, []span{{1, 100}, {2, 300}})
			b.release()
			require.NoError(t, err)
			assert.LessOrEqual(t, b.result.Error, b.result.Tolerance)
			if first == nil {
				first = b.output
			}
			assert.Equal(t, first, b.output, "%v, %d heads", kind, heads)
		}
	}
}
