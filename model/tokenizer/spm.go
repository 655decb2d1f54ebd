package tokenizer

import "strings"

// spm is byte-pair encoding as SentencePiece has it: runes and what they become merge wherever that gives a token, the one of highest score first.
// What is left over is spelled in bytes.
type spm struct {
	mergeTable
	spacePrefix bool
	apart       bool // no token has a space after anything but spaces: text may be cut there
}

func newSPM(m mergeTable, spacePrefix bool) *spm {
	s := &spm{mergeTable: m, spacePrefix: spacePrefix, apart: true}
	for text := range m.words {
		s.apart = s.apart && nextWord(text) == len(text)
	}
	return s
}

func (s *spm) encode(ids []int32, text string, w *work) []int32 {
	text = unescapeSpaces(text)
	if s.spacePrefix {
		text = " " + text
	}
	for text != "" {
		n := len(text)
		if s.apart {
			n = nextWord(text)
			w.looks += n
		}
		ids = w.merger.encode(ids, &s.mergeTable, text[:n])
		text = text[n:]
	}
	return ids
}

// nextWord returns the length of the spaces and the rest of a word that text begins with.
func nextWord(text string) int {
	n := 0
	for n < len(text) && text[n] == ' ' {
		n++
	}
	if at := strings.IndexByte(text[n:], ' '); at >= 0 {
		return n + at
	}
	return len(text)
}
