package tokenizer

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestContaining(t *testing.T) {
	tok := gopher(t)
	got := tok.Containing([]string{"\n", "(", ""})
	require.NotEmpty(t, got)
	want := map[int32]bool{}
	for _, id := range got {
		want[id] = true
	}
	for id := range int32(tok.Size()) {
		has := false
		for _, b := range tok.Piece(id) {
			has = has || b == '\n' || b == '('
		}
		require.Equal(t, has, want[id], "%q", tok.Render(id))
	}
}
