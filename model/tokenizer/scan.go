package tokenizer

import "unicode/utf8"

// scan is a text that rules look at. It counts how often they do, which bounds what splitting costs.
type scan struct {
	text  string
	looks int

	digits struct { // a run of digits that grouping has counted
		at, left int // of them, from text[at:] on
		end      int
	}
}

// A rule returns where its match that begins at text[i] ends, at most at end, or i if there is none. Runes at end and beyond don't exist to it.
type rule func(s *scan, i, end int) int

// at returns the class and the width in bytes of the rune at text[i:], or zeros at the end. A byte that is not part of valid UTF-8 counts as a
// symbol, as U+FFFD does.
func (s *scan) at(i, end int) (class, int) {
	s.looks++
	if i >= end {
		return 0, 0
	}
	if b := s.text[i]; b < utf8.RuneSelf {
		return asciiClass[b], 1
	}
	r, width := utf8.DecodeRuneInString(s.text[i:end])
	return classOf(r), width
}

// runeAt is at for rules that go by rune.
func (s *scan) runeAt(i, end int) (rune, int) {
	s.looks++
	if i >= end {
		return -1, 0
	}
	return utf8.DecodeRuneInString(s.text[i:end])
}

// byteAt returns the byte at text[i], or 0 at the end.
func (s *scan) byteAt(i, end int) byte {
	if i >= end {
		return 0
	}
	return s.text[i]
}

// run returns the end of the runes of the set that begin at text[i:].
func (s *scan) run(i, end int, set class) int {
	for {
		c, width := s.at(i, end)
		if c&set == 0 {
			return i
		}
		i += width
	}
}

// upTo is run for at most n runes.
func (s *scan) upTo(i, end int, set class, n int) int {
	for range n {
		c, width := s.at(i, end)
		if c&set == 0 {
			break
		}
		i += width
	}
	return i
}

// spaces measures the white space at text[i:]. all is where what \s+(?!\S)|\s+ matches ends: all of it at the end of the text, and otherwise all
// but the last rune, which is left for the word that follows, unless it is the only one. lines is where what \s*[\r\n]+ matches ends, or i.
func (s *scan) spaces(i, end int) (all, lines int) {
	lines = i
	last, at := i, i
	for {
		c, width := s.at(at, end)
		if c == 0 || c&space == 0 && last == i {
			return at, lines
		}
		if c&space == 0 {
			return last, lines
		}
		last = at
		at += width
		if newline(s.text[last]) {
			lines = at
		}
	}
}

// contraction returns where 's, 't, 'm, 'd, 're, 've or 'll at text[i:] ends, or i. fold is or'ed into the letters first: 0, or toLower.
//
// Folding is of ASCII only, as in llama.cpp: 'ſ (U+017F) is no contraction, though full Unicode folding would make it one.
func (s *scan) contraction(i, end int, fold byte) int {
	if s.byteAt(i, end) != '\'' {
		return i
	}
	first, second := s.byteAt(i+1, end)|fold, s.byteAt(i+2, end)|fold
	switch {
	case first == 's' || first == 't' || first == 'm' || first == 'd':
		return i + 2
	case (first == 'r' || first == 'v') && second == 'e' || first == 'l' && second == 'l':
		return i + 3
	}
	return i
}

const toLower = 'a' - 'A'

func newline(b byte) bool { return b == '\n' || b == '\r' }

func asciiLetter(b byte) bool { return b|toLower >= 'a' && b|toLower <= 'z' }
