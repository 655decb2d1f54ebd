package tokenizer

import (
	"unicode"
	"unicode/utf8"
)

// The splitters below cut text as these patterns do, by hand and in linear time. Each returns the length in bytes of
// the first match in a non-empty text; there always is one, and it begins where the text begins.
//
//	gpt-2:  's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
//	llama3: (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+
//	qwen2:  as llama3, with \p{N} for \p{N}{1,3}
//
// The case-insensitive contractions fold ASCII only, as llama.cpp does: 'ſ (U+017F) is no contraction, though full
// Unicode folding would make it one. A byte that is not part of valid UTF-8 counts as a symbol, as U+FFFD does.

// class is what the patterns tell apart; each rune is in exactly one.
type class uint8

const (
	classEnd    class = iota // past the end of the text
	classLetter              // \p{L}
	classNumber              // \p{N}
	classSpace               // \s, the Unicode property White_Space
	classOther               // [^\s\p{L}\p{N}]
)

var asciiClass = func() (table [utf8.RuneSelf]class) {
	for b := range table {
		table[b] = classOf(rune(b))
	}
	return table
}()

func classOf(r rune) class {
	switch {
	case unicode.IsLetter(r):
		return classLetter
	case unicode.IsNumber(r):
		return classNumber
	case unicode.IsSpace(r):
		return classSpace
	}
	return classOther
}

// classAt returns the class and the width in bytes of the rune at text[i:].
func classAt(text string, i int) (class, int) {
	if i >= len(text) {
		return classEnd, 0
	}
	if b := text[i]; b < utf8.RuneSelf {
		return asciiClass[b], 1
	}
	r, width := utf8.DecodeRuneInString(text[i:])
	return classOf(r), width
}

// run returns the end of the runes of class c that begin at text[i:].
func run(text string, i int, c class) int {
	for {
		got, width := classAt(text, i)
		if got != c {
			return i
		}
		i += width
	}
}

func splitGPT2(text string) int {
	if n := contraction(text, 0); n > 0 {
		return n
	}
	start := 0
	if text[0] == ' ' {
		start = 1
	}
	switch c, width := classAt(text, start); c {
	case classLetter, classNumber, classOther:
		return run(text, start+width, c)
	}
	n, _ := spaces(text)
	return n
}

func splitLlama3(text string) int { return splitLlama(text, 3) }

func splitQwen2(text string) int { return splitLlama(text, 1) }

// splitLlama is splitLlama3 with at most digits numbers to a pre-token.
func splitLlama(text string, digits int) int {
	const toLower = 'a' - 'A'
	if n := contraction(text, toLower); n > 0 {
		return n
	}
	c, width := classAt(text, 0)
	switch {
	case c == classLetter:
		return run(text, width, classLetter)
	case c == classNumber:
		end := width
		for range digits - 1 {
			c, width := classAt(text, end)
			if c != classNumber {
				break
			}
			end += width
		}
		return end
	case !newline(text[0]):
		if c, w := classAt(text, width); c == classLetter {
			return run(text, width+w, classLetter)
		}
	}
	start := 0
	if text[0] == ' ' {
		start = 1
	}
	if c, width := classAt(text, start); c == classOther {
		end := run(text, start+width, classOther)
		for end < len(text) && newline(text[end]) {
			end++
		}
		return end
	}
	n, lines := spaces(text)
	if lines > 0 {
		return lines
	}
	return n
}

// contraction returns the length of 's, 't, 'm, 'd, 're, 've or 'll at the start of text, or 0.
// fold is or'ed into the letters first: 0, or the bit that makes ASCII capitals small.
func contraction(text string, fold byte) int {
	if len(text) < 2 || text[0] != '\'' {
		return 0
	}
	first := text[1] | fold
	switch first {
	case 's', 't', 'm', 'd':
		return 2
	}
	if len(text) < 3 {
		return 0
	}
	second := text[2] | fold
	if (first == 'r' || first == 'v') && second == 'e' || first == 'l' && second == 'l' {
		return 3
	}
	return 0
}

// spaces measures the white space that text begins with. n is the length of what \s+(?!\S)|\s+ matches: all of it at
// the end of the text, and otherwise all but the last rune, which is left for the word that follows, unless it is the
// only one. lines is the length of what \s*[\r\n]+ matches, or 0.
func spaces(text string) (n, lines int) {
	end, last := 0, 0
	for {
		c, width := classAt(text, end)
		if c == classEnd || c != classSpace && last == 0 {
			return end, lines
		}
		if c != classSpace {
			return last, lines
		}
		last = end
		end += width
		if newline(text[last]) {
			lines = end
		}
	}
}

func newline(b byte) bool { return b == '\n' || b == '\r' }
