package tokenizer

import "strings"

// A model makes tokens of text in which no token is literal any more.
type model interface {
	encode(ids []int32, text string, w *work) []int32
}

// work is the memory of one call, and what the call has cost. Its zero value is ready.
type work struct {
	cutter
	merger
	paths []path
	steps int // through tries
}

// cost is the number of runes looked at, pairs looked up and steps taken.
func (w *work) cost() int { return w.looks + w.pairs + w.steps }

// bpe is byte-pair encoding with merges: pieces are cut first, and merges happen in each.
type bpe struct {
	pre
	mergeTable
}

func (b *bpe) encode(ids []int32, text string, w *work) []int32 {
	if b.plain {
		text = unescapeSpaces(text)
	}
	w.start(text, len(b.cuts))
	for i := 0; i < len(text); {
		at := w.next(b.cuts, i)
		piece := text[i:at]
		i = at
		if b.ignoreMerges || b.wholeBreaks && piece[0] == '\n' {
			if id, ok := b.words[piece]; ok {
				ids = append(ids, id)
				continue
			}
		}
		ids = w.merger.encode(ids, &b.mergeTable, piece)
	}
	return ids
}

// spaceMark is how vocabularies of SentencePiece spell a space. Here tokens have spaces, so that most text is already as they are; a mark in the
// text is a space like any other, as in SentencePiece.
const spaceMark = "▁"

func unescapeSpaces(text string) string { return strings.ReplaceAll(text, spaceMark, " ") }
