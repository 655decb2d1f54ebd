package grammar

import (
	"cmp"
	"slices"
	"unicode/utf8"
)

// The runes that have no UTF-8.
const (
	surrogateFirst = 0xd800
	surrogateLast  = 0xdfff
)

// normalized sorts ranges, joins those that touch, and leaves out what is no rune.
func normalized(ranges []Range) []Range {
	var out []Range
	for _, r := range ranges {
		r = Range{max(0, r.First), min(utf8.MaxRune, r.Last)}
		if r.First < surrogateFirst && r.Last >= surrogateFirst {
			out = append(out, Range{r.First, surrogateFirst - 1})
		} else if r.Last < surrogateFirst && r.First <= r.Last {
			out = append(out, r)
		}
		if first := max(r.First, surrogateLast+1); first <= r.Last {
			out = append(out, Range{first, r.Last})
		}
	}
	slices.SortFunc(out, func(a, b Range) int { return cmp.Compare(a.First, b.First) })
	n := 0
	for _, r := range out {
		if n > 0 && r.First <= out[n-1].Last+1 {
			out[n-1].Last = max(out[n-1].Last, r.Last)
			continue
		}
		out[n] = r
		n++
	}
	return out[:n]
}

// complement is all runes that are not in ranges, which are normalized.
func complement(ranges []Range) []Range {
	var out []Range
	next := rune(0)
	for _, r := range ranges {
		out = append(out, Range{next, r.First - 1})
		next = r.Last + 1
	}
	return normalized(append(out, Range{next, utf8.MaxRune}))
}

// byteRange is the bytes from first to last.
type byteRange struct{ first, last byte }

// encodings returns the UTF-8 of the runes of a range, as sequences of byte ranges: each text that takes a byte of every range in turn.
func encodings(r Range) (all [][]byteRange) {
	for _, end := range []rune{0x7f, 0x7ff, 0xffff, utf8.MaxRune} { // of one, two, three and four bytes
		if first, last := r.First, min(r.Last, end); first <= last {
			a, b := utf8.AppendRune(nil, first), utf8.AppendRune(nil, last)
			all = split(all, nil, a, b)
			r.First = last + 1
		}
	}
	return all
}

// split appends the sequences for the encodings from a to b, which are equally long, behind a head that all of them have.
func split(all [][]byteRange, head []byteRange, a, b []byte) [][]byteRange {
	if len(a) == 0 {
		return append(all, head)
	}
	with := func(first, last byte) []byteRange { return append(slices.Clip(head), byteRange{first, last}) }
	low, high := filled(len(a)-1, 0x80), filled(len(a)-1, 0xbf)
	first, last := a[0], b[0]
	if first == last {
		return split(all, with(first, first), a[1:], b[1:])
	}
	if !slices.Equal(a[1:], low) {
		all = split(all, with(first, first), a[1:], high)
		first++
	}
	whole := slices.Equal(b[1:], high)
	if !whole {
		last--
	}
	if first <= last {
		all = split(all, with(first, last), low, high)
	}
	if !whole {
		all = split(all, with(b[0], b[0]), low, b[1:])
	}
	return all
}

func filled(n int, x byte) []byte { return slices.Repeat([]byte{x}, n) }
