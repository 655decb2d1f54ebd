package tokenizer

import (
	"math/bits"
	"strings"
	"unicode/utf8"
)

// The patterns that only few models use, one rule each.

// deepseek is the last pattern of DeepSeek V3's three:
//
//	[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+
func deepseek(s *scan, i, end int) int {
	at, last := deepseekWord(s, i, end)
	if !last {
		return at
	}
	all, lines := s.spaces(i, end)
	if at > i {
		for at < end && newline(s.text[at]) {
			s.looks++
			at++
		}
		return at
	}
	if lines > i {
		return lines
	}
	return all
}

// spark is Spark 2.5's, which takes line breaks one by one: ...| ?[\p{P}\p{S}]+|[\r\n]|\s+(?!\S)|\s+
func spark(s *scan, i, end int) int {
	at, _ := deepseekWord(s, i, end)
	if at > i {
		return at
	}
	if newline(s.text[i]) {
		return i + 1
	}
	all, _ := s.spaces(i, end)
	return all
}

// deepseekWord is the part of the two up to [\p{P}\p{S}]+, whose match alone may be followed by more.
func deepseekWord(s *scan, i, end int) (at int, symbols bool) {
	const wordRunes, symbolRunes = letter | mark, punct | symbol
	c, width := s.at(i, end)
	if c&symbolRunes != 0 && s.text[i] < utf8.RuneSelf && asciiLetter(s.byteAt(i+1, end)) {
		for at = i + 2; asciiLetter(s.byteAt(at, end)); at++ {
			s.looks++
		}
		return at, false
	}
	if c&(letter|symbolRunes) == 0 && !newline(s.text[i]) {
		if at := s.run(i+width, end, wordRunes); at > i+width {
			return at, false
		}
	}
	if at := s.run(i, end, wordRunes); at > i {
		return at, false
	}
	start := i
	if s.text[i] == ' ' {
		start++
	}
	if at := s.run(start, end, symbolRunes); at > start {
		return at, true
	}
	return i, true
}

// bloom is " ?[^(\s|.,!?…。，、।۔،)]+".
func bloom(s *scan, i, end int) int {
	start := i
	if s.text[i] == ' ' {
		start++
	}
	at := start
	for {
		r, width := s.runeAt(at, end)
		if width == 0 || bloomStops.has(r) || classOf(r)&space != 0 {
			break
		}
		at += width
	}
	if at > start {
		return at
	}
	return i
}

var bloomStops = ranges{'!', '!', '(', ')', ',', ',', '.', '.', '?', '?', '|', '|', '،', '،', '۔', '۔', '।', '।', '…', '…', '、', '。', '，', '，'}

// sentinels and images are Chameleon's: <sentinel:[0-9]+> and IMGIMG[A-I]{1,4}Z
func sentinels(s *scan, i, end int) int {
	const begin = "<sentinel:"
	if s.looks++; !strings.HasPrefix(s.text[i:end], begin) {
		return i
	}
	at := i + len(begin)
	for c := s.byteAt(at, end); c >= '0' && c <= '9'; c = s.byteAt(at, end) {
		s.looks++
		at++
	}
	if at > i+len(begin) && s.byteAt(at, end) == '>' {
		return at + 1
	}
	return i
}

func images(s *scan, i, end int) int {
	const begin = "IMGIMG"
	if s.looks++; !strings.HasPrefix(s.text[i:end], begin) {
		return i
	}
	at := i + len(begin)
	for n := 0; n < 4 && s.byteAt(at, end) >= 'A' && s.byteAt(at, end) <= 'I'; n++ {
		at++
	}
	if at > i+len(begin) && s.byteAt(at, end) == 'Z' {
		return at + 1
	}
	return i
}

// indents is Chameleon's [\t\n]|    |  .
func indents(s *scan, i, end int) int {
	s.looks++
	switch b := s.text[i]; {
	case b == '\t' || b == '\n':
		return i + 1
	case strings.HasPrefix(s.text[i:end], "    "):
		return i + 4
	case strings.HasPrefix(s.text[i:end], "  "):
		return i + 2
	}
	return i
}

// threeDigits is [0-9][0-9][0-9].
func threeDigits(s *scan, i, end int) int {
	s.looks++
	if i+3 > end {
		return i
	}
	for _, b := range []byte(s.text[i : i+3]) {
		if b < '0' || b > '9' {
			return i
		}
	}
	return i + 3
}

// spaceBlocks parts runs of white space, other than those that end with a line break, into powers of two from 512 down:
// \s{512}(?!\S)|\s{256}(?!\S)| ... |\s{4}(?!\S)|\s{1,2}(?!\S)|\s{1}. The last rune before a word is not there any more.
func spaceBlocks(s *scan, i, end int) int {
	c, _ := s.at(i, end)
	if last, _ := utf8.DecodeLastRuneInString(s.text[i:end]); c&space == 0 || classOf(last)&space == 0 || last == '\n' || last == '\r' {
		return end
	}
	at := s.upTo(i, end, space, 512)
	n := utf8.RuneCountInString(s.text[i:at])
	return s.upTo(i, at, space, 1<<(bits.Len(uint(n))-1))
}

// asciiPunct is [\p{P}!-/:-@\[-`{-~], one rune.
func asciiPunct(s *scan, i, end int) int {
	if c, width := s.at(i, end); c&punct != 0 || c&symbol != 0 && s.text[i] < utf8.RuneSelf {
		return i + width
	}
	return i
}

// symbolRuns matches [\p{P}$+<=>^~|]+ and what else is named.
func symbolRuns(ascii string) cut {
	return isolate(func(s *scan, i, end int) int {
		for {
			c, width := s.at(i, end)
			if c&punct == 0 && (c&symbol == 0 || width > 1 || strings.IndexByte(ascii, s.text[i]) < 0) {
				return i
			}
			i += width
		}
	})
}

// cjk are the runes that DeepSeek's first models take together: [一-龥ࠀ-一가-퟿]+
var cjk = ranges{0x800, 0x9fa5, 0xac00, 0xd7ff}

// hanKana are those of the third: [一-龥぀-ゟ゠-ヿ]+
var hanKana = ranges{0x3040, 0x30ff, 0x4e00, 0x9fa5}

// asian are Trinity's (afmoe).
var asian = ranges{
	0xe40, 0xe7f, 0xe80, 0xeff, 0x1000, 0x109f, 0x1100, 0x11ff, 0x1780, 0x17ff, 0x2f00, 0x2fdf, 0x3040, 0x30ff, 0x3400, 0x4dbf,
	0x4e00, 0x9fff, 0xa9e0, 0xa9ff, 0xaa60, 0xaa7f, 0xac00, 0xd7af, 0xf900, 0xfaff, 0xff65, 0xff9f,
}

// Youtu's Hangul, punctuation, Bopomofo, and Han with kana.
var (
	hangul      = ranges{0x3131, 0x318e, 0xac00, 0xd7a3}
	wideMarks   = ranges{0x2014, 0x2014, 0x2018, 0x2019, 0x201c, 0x201d, 0x2026, 0x2026, 0x3001, 0x303f, 0xfe30, 0xfe4f, 0xff01, 0xff01, 0xff0c, 0xff0c, 0xff1a, 0xff1b}
	bopomofo    = ranges{0x3105, 0x312f}
	youtuScript = first(hangul.run, wideMarks.run, bopomofo.run, hanKana.run)
)

// deepSeekMarks are DeepSeek LLM's [!-/:-~！-／：-～‘-‟　-。]; ASCII letters are among them, but have been cut off before.
var deepSeekMarks = ranges{'!', '/', ':', '~', 0x2018, 0x201f, 0x3000, 0x3002, 0xff01, 0xff0f, 0xff1a, 0xff5e}

// deepSeekLetters are DeepSeek LLM's cased letters, written out in its pattern.
var deepSeekLetters = ranges{
	0x41, 0x5a, 0x61, 0x7a, 0xb5, 0xb5, 0xc0, 0xd6, 0xd8, 0xf6, 0xf8, 0x1ba, 0x1bc, 0x1bf, 0x1c4, 0x293, 0x295, 0x2af, 0x370, 0x373, 0x376,
	0x377, 0x37b, 0x37d, 0x37f, 0x37f, 0x386, 0x386, 0x388, 0x38a, 0x38c, 0x38c, 0x38e, 0x3a1, 0x3a3, 0x3f5, 0x3f7, 0x481, 0x48a, 0x52f,
	0x531, 0x556, 0x10a0, 0x10c5, 0x13a0, 0x13f5, 0x13f8, 0x13fd, 0x1c90, 0x1cba, 0x1cbd, 0x1cbf, 0x1d00, 0x1d2b, 0x1d6b, 0x1d77, 0x1d79,
	0x1d9a, 0x1e00, 0x1f15, 0x1f18, 0x1f1d, 0x1f20, 0x1f45, 0x1f48, 0x1f4d, 0x1f50, 0x1f57, 0x1f59, 0x1f59, 0x1f5b, 0x1f5b, 0x1f5d, 0x1f5d,
	0x1f5f, 0x1f7d, 0x1f80, 0x1fb4, 0x1fb6, 0x1fbc, 0x1fbe, 0x1fbe, 0x1fc2, 0x1fc4, 0x1fc6, 0x1fcc, 0x1fd0, 0x1fd3, 0x1fd6, 0x1fdb, 0x1fe0,
	0x1fec, 0x1ff2, 0x1ff4, 0x1ff6, 0x1ffc, 0x2102, 0x2102, 0x2107, 0x2107, 0x210a, 0x2113, 0x2115, 0x2115, 0x2119, 0x211d, 0x2124, 0x2124,
	0x2126, 0x2126, 0x2128, 0x2128, 0x212a, 0x212d, 0x212f, 0x2134, 0x2139, 0x2139, 0x213c, 0x213f, 0x2145, 0x2149, 0x214e, 0x214e, 0x2183,
	0x2184, 0x2c00, 0x2c7b, 0x2c7e, 0x2ce4, 0x2ceb, 0x2cee, 0x2cf2, 0x2cf3, 0xa640, 0xa66d, 0xa680, 0xa69b, 0xa722, 0xa76f, 0xa771, 0xa787,
	0xa78b, 0xa78e, 0xab70, 0xabbf, 0xfb00, 0xfb06, 0xfb13, 0xfb17, 0xff21, 0xff3a, 0xff41, 0xff5a, 0x10400, 0x1044f, 0x104b0, 0x104d3,
	0x104d8, 0x104fb, 0x10c80, 0x10cb2, 0x10cc0, 0x10cf2, 0x118a0, 0x118df, 0x1e900, 0x1e943,
}
