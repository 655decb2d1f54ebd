package tokenizer

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestWordPiece(t *testing.T) {
	src := listed("bert", scored{"[PAD]", KindControl, 0}, scored{"[UNK]", KindUnknown, 0}, scored{"[CLS]", KindControl, 0}, scored{"[SEP]", KindControl, 0},
		scored{"▁un", KindNormal, 0}, scored{"▁u", KindNormal, 0}, scored{"aff", KindNormal, 0}, scored{"able", KindNormal, 0}, scored{"n", KindNormal, 0},
		scored{"▁!", KindNormal, 0}, scored{"▁文", KindNormal, 0}, scored{"▁cafe", KindNormal, 0}, scored{"▁café", KindNormal, 0}, scored{"▁$", KindNormal, 0}).
		with("tokenizer.ggml.unknown_token_id", uint64(1)).with("tokenizer.ggml.cls_token_id", uint64(2)).with("tokenizer.ggml.seperator_token_id", uint64(3))
	const unk, un, _, aff, able, n, bang, han, cafe, cafeAccent, dollar = 1, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13
	tok := mustNew(t, src)
	for _, tt := range []struct {
		text string
		want []int32
	}{
		{"", []int32{}},
		{"Unaffable", []int32{un, aff, able}},
		{"una", []int32{unk}}, // "a" is nothing, so neither is the word
		{"unnn", []int32{un, n, n}},
		{" un!\tun ", []int32{un, bang, un}},
		{"un文un$un", []int32{un, han, un, dollar, un}},
		{"CAFÉ cafe\u0301", []int32{cafe, cafe}},
		{"u\x00n\u200b \ufffdun\xff", []int32{un, un}}, // control characters go away
		{"able", []int32{unk}},                         // begins no word
		{"[CLS]", []int32{unk, unk, unk}},
	} {
		assert.Equal(t, tt.want, tok.Encode(tt.text, EncodeOptions{}), "%q", tt.text)
	}
	assert.Equal(t, []int32{2, un, 3}, tok.Encode("un", EncodeOptions{AddSpecial: true}))
	assert.Equal(t, "un ! 文", tok.Decode([]int32{2, un, bang, han, 3}))
	assert.Equal(t, []int32{2, 3}, tok.Encode("[CLS][SEP]", EncodeOptions{ParseSpecial: true}))

	accents := mustNew(t, src.with("tokenizer.ggml.normalizer.strip_accents", false))
	assert.Equal(t, []int32{cafeAccent}, accents.Encode("CAFÉ", EncodeOptions{}))
	cased := mustNew(t, src.with("tokenizer.ggml.normalizer.lowercase", false))
	assert.Equal(t, []int32{cafeAccent, unk}, cased.Encode("café Un", EncodeOptions{}))
}
