package tokenizer

import (
	"bytes"
	"strings"
)

// Piece returns the bytes that id stands for, which need not be whole runes: those of a normal token with its spaces, one byte for a byte token.
// Special tokens stand for nothing, nor do unused ones and numbers that are no token. The caller must not change the bytes.
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

// Decode returns the text that Encode made ids of: the pieces one after the other, less the special tokens, and less the spaces that Encode put before
// text where the vocabulary wants that. It is exactly that text unless the vocabulary can't spell it (unknown tokens), or changes it first (SentencePiece's
// normalisation, BERT's). The result need not be valid UTF-8; [Stream] gives valid text, and as it may continue another text, keeps all spaces.
func (t *Tokenizer) Decode(ids []int32) string {
	var out strings.Builder
	prefixed := t.spacePrefix
	for _, id := range ids {
		piece := t.Piece(id)
		literal := t.Kind(id).special() || t.Kind(id) == KindUserDefined
		if prefixed && !literal {
			piece = bytes.TrimPrefix(piece, []byte(" "))
		}
		out.Write(piece)
		prefixed = t.spacePrefix && literal
	}
	return out.String()
}
