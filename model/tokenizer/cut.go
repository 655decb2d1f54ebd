package tokenizer

import "unicode/utf8"

// A cut returns where the first piece of text[i:end] ends, which must not be empty.
type cut func(s *scan, i, end int) int

// isolate makes a cut of a rule: its matches are pieces, and so is what lies between two.
func isolate(r rule) cut {
	return func(s *scan, i, end int) int {
		if at := r(s, i, end); at > i {
			return at
		}
		for {
			_, width := s.runeAt(i, end)
			i += width
			if i >= end || r(s, i, end) > i {
				return i
			}
		}
	}
}

// cutter cuts text into pieces by several cuts, each of which cuts up what the one before it has made. Its zero value is ready.
type cutter struct {
	scan
	ends []int // by cut: where its current piece ends
}

// start takes a new text.
func (c *cutter) start(text string, cuts int) {
	c.text = text
	c.digits.end = 0
	c.ends = append(c.ends[:0], make([]int, cuts)...)
}

// next returns where the piece at text[i:] ends, i being 0 or what it returned last.
func (c *cutter) next(cuts []cut, i int) int {
	end := len(c.text)
	for k, cut := range cuts {
		if i >= c.ends[k] {
			c.ends[k] = cut(&c.scan, i, end)
		}
		end = c.ends[k]
	}
	return end
}

// runs isolates what consists of runes of a set.
func runs(set class) cut {
	return isolate(func(s *scan, i, end int) int { return s.run(i, end, set) })
}

// each isolates single runes of a set, or groups of up to n from the left.
func each(set class, n int) cut {
	return isolate(func(s *scan, i, end int) int { return s.upTo(i, end, set, n) })
}

// spaced isolates runs of a set with one white space before it: \s?X+
func spaced(set class) cut {
	return isolate(func(s *scan, i, end int) int {
		start := i
		if c, width := s.at(i, end); c&space != 0 {
			start += width
		}
		if at := s.run(start, end, set); at > start {
			return at
		}
		return i
	})
}

// run matches runs of a set: X+
func (set ranges) run(s *scan, i, end int) int {
	for {
		r, width := s.runeAt(i, end)
		if width == 0 || !set.has(r) {
			return i
		}
		i += width
	}
}

// spaced is run with one white space before it: \s?X+
func (set ranges) spaced(s *scan, i, end int) int {
	start := i
	if c, width := s.at(i, end); c&space != 0 {
		start += width
	}
	if at := set.run(s, start, end); at > start {
		return at
	}
	return set.run(s, i, start) // the white space itself, if it is of the set
}

// first matches with the first of rules that does.
func first(rules ...rule) rule {
	return func(s *scan, i, end int) int {
		for _, r := range rules {
			if at := r(s, i, end); at > i {
				return at
			}
		}
		return i
	}
}

// lines cuts line breaks, together where they follow each other, from what is between: [^\n]+|[\n]+
func lines(s *scan, i, end int) int {
	breaks := s.text[i] == '\n'
	for i < end && s.text[i] == '\n' == breaks {
		s.looks++
		i++
	}
	return i
}

// breaks isolates single line breaks: [\r\n]
func breaks(s *scan, i, end int) int {
	if s.looks++; newline(s.text[i]) {
		return i + 1
	}
	return i
}

// trailing cuts off the white space at the end: \s+$
func trailing(s *scan, i, end int) int {
	at := end
	for at > i {
		s.looks++
		r, width := utf8.DecodeLastRuneInString(s.text[i:at])
		if classOf(r)&space == 0 {
			break
		}
		at -= width
	}
	if at == i {
		return end
	}
	return at
}
