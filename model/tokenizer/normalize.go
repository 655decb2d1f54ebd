package tokenizer

import (
	"strings"
	"unicode/utf8"
)

// normalizer is what SentencePiece does to a text before cutting it.
type normalizer struct {
	chars       charsmap
	spacePrefix bool // a space before the text
	mergeSpaces bool // one space between words, none before or after them
}

// normalize replaces what the map of characters says, and spaces as the flags say. What is no UTF-8 becomes U+FFFD, byte by byte.
func (n *normalizer) normalize(text string, w *work) string {
	var out strings.Builder
	out.Grow(len(text) + 1)
	inWord, prefix := false, n.spacePrefix
	if prefix && !n.mergeSpaces && text != "" { // spaces alone have one too, as in SentencePiece
		out.WriteByte(' ')
		prefix = false
	}
	for text != "" {
		with, width := n.chars.longest(text, w)
		if width == 0 {
			var r rune
			if r, width = utf8.DecodeRuneInString(text); r == utf8.RuneError {
				with = string(utf8.RuneError)
			} else {
				with = text[:width]
			}
		}
		text = text[width:]
		if with == spaceMark {
			with = " "
		}
		for i := range len(with) {
			if with[i] == ' ' {
				inWord = false
				if !n.mergeSpaces {
					out.WriteByte(' ')
				}
				continue
			}
			if !inWord && (prefix || n.mergeSpaces && out.Len() > 0) {
				out.WriteByte(' ')
			}
			inWord, prefix = true, false
			out.WriteByte(with[i])
		}
	}
	return out.String()
}
