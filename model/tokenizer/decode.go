package tokenizer

import "strings"

// Piece returns the bytes that id stands for, which need not be whole runes. Special tokens stand for nothing, nor
// do unused ones and numbers that are no token. The caller must not change the bytes.
func (t *Tokenizer) Piece(id int32) []byte {
	if t.Kind(id).special() {
		return nil
	}
	return t.Render(id)
}

// Render is [Tokenizer.Piece] for eyes and logs: a special token gives its text.
func (t *Tokenizer) Render(id int32) []byte {
	if !t.has(id) {
		return nil
	}
	return t.pieces[id]
}

// Decode returns the bytes of ids, one piece after the other. The result need not be valid UTF-8: it is exactly the
// text that was encoded, less the special tokens. [Stream] gives valid text.
func (t *Tokenizer) Decode(ids []int32) string {
	var out strings.Builder
	for _, id := range ids {
		out.Write(t.Piece(id))
	}
	return out.String()
}
