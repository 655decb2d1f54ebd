package score_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"umbra/model/gguf"
	"umbra/model/score"
	"umbra/model/tokenizer"
)

func count(n int) []int32 {
	ids := make([]int32, n)
	for i := range ids {
		ids[i] = int32(100 + i)
	}
	return ids
}

// TestWindows: which tokens are scored, by hand.
func TestWindows(t *testing.T) {
	for _, c := range []struct {
		name            string
		context, stride int
		tokens          int
		bos             int32
		starts          []int32 // second token of each window, less 101: the first may be BOS
		first, scored   int
	}{
		{"whole windows", 8, 0, 24, 7, []int32{0, 8, 16}, 5, 3},
		{"a rest", 8, 0, 23, 7, []int32{0, 8}, 5, 3},
		{"odd", 7, 0, 14, -1, []int32{0, 7}, 4, 3},
		{"least", 4, 0, 4, 7, []int32{0}, 3, 1},
		{"stride", 8, 3, 24, 7, []int32{0, 3, 6, 9, 12, 15}, 5, 3},
		{"stride, one more", 8, 3, 27, 7, []int32{0, 3, 6, 9, 12, 15, 18}, 5, 3},
		{"stride of all but one", 8, 7, 22, 7, []int32{0, 7}, 1, 7},
		{"stride of one", 8, 1, 10, -1, []int32{0, 1}, 7, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			counting := score.Counting{Context: c.context, Stride: c.stride}
			ids := count(c.tokens)
			all, err := counting.Windows(ids, c.bos)
			require.NoError(t, err)
			require.Len(t, all, len(c.starts))
			for i, w := range all {
				require.Len(t, w.Tokens, c.context)
				assert.Equal(t, c.first, w.First)
				assert.Equal(t, c.scored, w.Scored())
				assert.Equal(t, ids[c.starts[i]+1:][:c.context-1], w.Tokens[1:])
				if c.stride == 0 && c.bos >= 0 {
					assert.Equal(t, c.bos, w.Tokens[0])
				} else {
					assert.Equal(t, ids[c.starts[i]], w.Tokens[0])
				}
			}
			assert.Equal(t, len(all)*c.scored, score.Scored(all))
			assert.Equal(t, count(c.tokens), ids, "the text is left as it was")
		})
	}
}

func TestWindowsRefused(t *testing.T) {
	for _, c := range []struct {
		context, stride, tokens int
		want                    string
	}{
		{3, 0, 100, "windows of 3 tokens are too short"},
		{8, 8, 100, "a stride of 8 is outside 1..7"},
		{8, -1, 100, "a stride of -1 is outside 1..7"},
		{8, 0, 7, "the text has 7 tokens, which is no window of 8"},
		{8, 2, 8, "the text has 8 tokens, which is no window of 8"},
	} {
		_, err := score.Counting{Context: c.context, Stride: c.stride}.Windows(count(c.tokens), -1)
		assert.ErrorContains(t, err, c.want)
	}
}

// TestTokens: BOS is where the tokenizer has it, and text of special tokens is text.
func TestTokens(t *testing.T) {
	f, err := gguf.Open("../../testdata/gopher-draft-4m-q8_0.gguf")
	require.NoError(t, err)
	defer f.Close()
	tok, err := tokenizer.New(f)
	require.NoError(t, err)
	ids, bos := score.Tokens(tok, "func main() {")
	assert.Equal(t, []int32{0, 337, 995, 335, 272}, ids)
	assert.EqualValues(t, 0, bos)
	ids, _ = score.Tokens(tok, "<|end_of_text|>")
	assert.Greater(t, len(ids), 2)
}

func TestMean(t *testing.T) {
	var m score.Mean
	for _, v := range []float64{1, 2, 4, 5} {
		m.Add(v)
	}
	assert.Equal(t, 4, m.Count())
	assert.InDelta(t, 3, m.Value(), 1e-15)
	assert.InDelta(t, math.Sqrt(2.5/3), m.Error(), 1e-15) // the mean square from the mean is 10/4
	p, e := m.Perplexity()
	assert.InDelta(t, math.Exp(3), p, 1e-12)
	assert.InDelta(t, math.Exp(3)*math.Sqrt(2.5/3), e, 1e-12)
}
