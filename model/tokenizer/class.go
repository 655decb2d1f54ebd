package tokenizer

import (
	"sync"
	"unicode"
	"unicode/utf8"
)

// class is what split rules tell apart, one bit each. A rune has one of the bits that make up anything, and may be Han besides.
// Zero is the end of the text.
type class uint16

const (
	upper      class = 1 << iota // \p{Lu}\p{Lt}
	lower                        // \p{Ll}
	caseless                     // \p{Lm}\p{Lo}
	mark                         // \p{M}
	digit                        // \p{Nd}, \d
	numeral                      // \p{Nl}\p{No}
	connector                    // \p{Pc}
	otherPunct                   // the rest of \p{P}
	symbol                       // \p{S}
	space                        // \s, the Unicode property White_Space
	other                        // control, format, private and unassigned runes
	han                          // \p{Han}, which are letters, numerals or symbols as well
)

const (
	letter = upper | lower | caseless // \p{L}
	number = digit | numeral          // \p{N}
	punct  = connector | otherPunct   // \p{P}

	anything = letter | mark | number | punct | symbol | space | other
	visible  = anything &^ (space | letter | number) // [^\s\p{L}\p{N}]
	wordly   = letter | mark | digit | connector     // \w
)

// classes holds the class of every rune in pages of 256; most planes share one page.
var classes = sync.OnceValue(func() *[(unicode.MaxRune + 1) >> 8]*[256]class {
	var pages [(unicode.MaxRune + 1) >> 8]*[256]class
	shared := new([256]class)
	for i := range pages {
		pages[i] = shared
	}
	for i := range shared {
		shared[i] = other
	}
	set := func(table *unicode.RangeTable, keep, add class) {
		each := func(r, last, stride rune) {
			for ; r <= last; r += stride {
				page := &pages[r>>8]
				if *page == shared {
					own := *shared
					*page = &own
				}
				c := &(*page)[r&0xff]
				*c = *c&keep | add
			}
		}
		for _, x := range table.R16 {
			each(rune(x.Lo), rune(x.Hi), rune(x.Stride))
		}
		for _, x := range table.R32 {
			each(rune(x.Lo), rune(x.Hi), rune(x.Stride))
		}
	}
	for _, x := range []struct {
		table *unicode.RangeTable
		class class
	}{
		{unicode.Lu, upper}, {unicode.Lt, upper}, {unicode.Ll, lower}, {unicode.Lm, caseless}, {unicode.Lo, caseless}, {unicode.M, mark},
		{unicode.N, numeral}, {unicode.Nd, digit}, {unicode.P, otherPunct}, {unicode.Pc, connector}, {unicode.S, symbol}, {unicode.White_Space, space},
	} {
		set(x.table, 0, x.class)
	}
	set(unicode.Han, anything, han)
	return &pages
})

func classOf(r rune) class { return classes()[r>>8][r&0xff] }

var asciiClass = func() (table [utf8.RuneSelf]class) {
	for b := range table {
		table[b] = classOf(rune(b))
	}
	return table
}()

// ranges is a set of runes, as pairs of first and last, in order.
type ranges []rune

func (set ranges) has(r rune) bool {
	from, to := 0, len(set)/2 // the pair is among these, if any
	for from < to {
		switch mid := (from + to) / 2; {
		case r < set[2*mid]:
			to = mid
		case r > set[2*mid+1]:
			from = mid + 1
		default:
			return true
		}
	}
	return false
}
