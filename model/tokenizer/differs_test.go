package tokenizer

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestDiffers(t *testing.T) {
	end := token{"<end>", KindControl}
	base := bytesAnd("gpt-2", nil, token{"ab", KindNormal}, end).with("tokenizer.ggml.eos_token_id", uint64(257))
	target := mustNew(t, base)
	require.NoError(t, target.Differs(mustNew(t, base)))
	require.NoError(t, gopher(t).Differs(gopher(t)))
	for _, c := range []struct {
		other source
		want  string
	}{
		{bytesAnd("gpt-2", nil, end), "tokenizer: 257 tokens against 258"},
		{bytesAnd("gpt-2", nil, token{"ac", KindNormal}, token{"<stop>", KindControl}),
			`tokenizer: 2 of 258 tokens differ, the first is 256: "ac" of kind 1 against "ab" of kind 1`},
		{bytesAnd("gpt-2", nil, token{"ab", KindUserDefined}, end), `tokenizer: 1 of 258 tokens differ, the first is 256: "ab" of kind 4 against "ab" of kind 1`},
		{base.with("tokenizer.ggml.eos_token_id", uint64(256)), "tokenizer: token 256 ends a text against 257"},
		{base.with("tokenizer.ggml.bos_token_id", uint64(256)), "tokenizer: token 256 begins a text against -1"},
		{plain("llama"), "tokenizer: kind llama against gpt2"},
	} {
		require.EqualError(t, target.Differs(mustNew(t, c.other)), c.want)
	}
}
