package tokenizer

import "bytes"

// Containing returns the tokens, in order of ids, whose text contains one of texts; special tokens are not among them, nor is
// anything for an empty text.
func (t *Tokenizer) Containing(texts []string) (ids []int32) {
	for id := range int32(t.Size()) {
		piece := t.Piece(id)
		for _, text := range texts {
			if text != "" && bytes.Contains(piece, []byte(text)) {
				ids = append(ids, id)
				break
			}
		}
	}
	return ids
}
