package tokenizer

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// wordPiece is BERT's: words are cleaned and cut at white space, punctuation and Chinese characters, and each is taken apart into the longest tokens
// from left to right. A word that can't be is one unknown token. Tokens that begin a word have a space before them.
type wordPiece struct {
	tokens       trie
	unknown      int32
	lower        bool
	stripAccents bool
}

func (p *wordPiece) encode(ids []int32, text string, w *work) []int32 {
	if p.stripAccents {
		text = norm.NFD.String(text)
	}
	var word strings.Builder
	flush := func() {
		if word.Len() > 1 {
			ids = p.word(ids, word.String(), w)
		}
		word.Reset()
		word.WriteByte(' ')
	}
	flush()
	for _, r := range text {
		w.looks++
		c := classOf(r)
		switch {
		case c&space != 0:
			flush()
			continue
		case r == 0 || r == utf8.RuneError || unicode.Is(unicode.C, r) || p.stripAccents && unicode.Is(unicode.Mn, r):
			continue
		}
		alone := c&punct != 0 || c&symbol != 0 && r < utf8.RuneSelf || chinese.has(r)
		if p.lower {
			r = unicode.ToLower(r)
		}
		if alone {
			flush()
		}
		word.WriteRune(r)
		if alone {
			flush()
		}
	}
	flush()
	return ids
}

// word adds the tokens of a word with a space before it.
func (p *wordPiece) word(ids []int32, word string, w *work) []int32 {
	before := len(ids)
	for i := 0; i < len(word); {
		end, id := 0, none
		for at, node := i, int32(0); at < len(word); {
			w.steps++
			if node = p.tokens.next(node, word[at]); node == 0 {
				break
			}
			at++
			if p.tokens.ids[node] != none {
				end, id = at, p.tokens.ids[node]
			}
		}
		if id == none {
			ids = ids[:before]
			if p.unknown != none {
				ids = append(ids, p.unknown)
			}
			return ids
		}
		ids, i = append(ids, id), end
	}
	return ids
}

// chinese are the runes that are words of their own, with the gap that Hugging Face's tokenizers have before U+2B920.
var chinese = ranges{0x3400, 0x4dbf, 0x4e00, 0x9fff, 0xf900, 0xfaff, 0x20000, 0x2a6df, 0x2a700, 0x2b73f, 0x2b740, 0x2b81f, 0x2b920, 0x2ceaf, 0x2f800, 0x2fa1f}
