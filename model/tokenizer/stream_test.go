package tokenizer

import (
	"math/rand/v2"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/text/encoding/unicode"
)

func stream(s *Stream, ids []int32) []string {
	var out []string
	for _, id := range ids {
		out = append(out, s.Next(id))
	}
	return append(out, s.Flush())
}

func TestStream(t *testing.T) {
	tok := mustNew(t, bytesAnd("llama-bpe", nil, token{"<|eot_id|>", KindControl}))
	tests := []struct {
		bytes string
		want  []string // one for each byte, and one for Flush
	}{
		{"ab", []string{"a", "b", ""}},
		{"é!", []string{"", "é", "!", ""}},
		{"🙂", []string{"", "", "", "🙂", ""}},
		{"\xf0\x9f\x99", []string{"", "", "", "\ufffd"}},                  // ends early: one maximal subpart
		{"\xf0\x9fa", []string{"", "", "\ufffda", ""}},                    // broken off
		{"\xe2\x82\xe2\x82\xac", []string{"", "", "\ufffd", "", "€", ""}}, // broken off by another rune
		{"\xff\x80", []string{"\ufffd", "\ufffd", ""}},
		{"\xe0\x80", []string{"", "\ufffd\ufffd", ""}},               // overlong: E0 takes A0 to BF
		{"\xed\xa0\x80", []string{"", "\ufffd\ufffd", "\ufffd", ""}}, // a surrogate
		{"\ufffd", []string{"", "", "\ufffd", ""}},                   // the real thing
	}
	for _, tt := range tests {
		var ids []int32
		for _, b := range []byte(tt.bytes) {
			ids = append(ids, int32(b))
		}
		assert.Equal(t, tt.want, stream(tok.Stream(), ids), "%q", tt.bytes)
	}
	between := []int32{0xc3, 256, 0xa9} // a special token is no text, so it breaks nothing off
	assert.Equal(t, []string{"", "", "é", ""}, stream(tok.Stream(), between))
	s := tok.Stream()
	s.Special = true
	assert.Equal(t, []string{"", "\ufffd<|eot_id|>", "\ufffd", ""}, stream(s, between))
}

// TestStreamIsDecodeMadeValid compares with another implementation of the substitution, over random tokens.
func TestStreamIsDecodeMadeValid(t *testing.T) {
	tok := gopher(t)
	var odd []int32 // tokens that are not whole runes
	for id := range int32(tok.Size()) {
		if !utf8.Valid(tok.Piece(id)) {
			odd = append(odd, id)
		}
	}
	require.NotEmpty(t, odd)
	rng := rand.New(rand.NewPCG(9, 10))
	s := tok.Stream()
	for range 20000 {
		ids := make([]int32, rng.IntN(12))
		for i := range ids {
			ids[i] = odd[rng.IntN(len(odd))]
			if rng.IntN(4) == 0 {
				ids[i] = int32(rng.IntN(tok.Size()))
			}
		}
		got := stream(s, ids)
		for _, part := range got {
			require.True(t, utf8.ValidString(part), "%q of %v", part, ids)
		}
		want, err := unicode.UTF8.NewDecoder().String(tok.Decode(ids))
		require.NoError(t, err)
		require.Equal(t, want, strings.Join(got, ""), "%q", tok.Decode(ids))
	}
}
