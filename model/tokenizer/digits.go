package tokenizer

// digitsLeft counts the runes of a set at text[i:]. It remembers where it was, so that it counts a run once, however it is cut up.
func (s *scan) digitsLeft(i, end int, set class) int {
	d := &s.digits
	if i != d.at || i >= d.end {
		d.at, d.left, d.end = i, 0, i
		for {
			c, width := s.at(d.end, end)
			if c&set == 0 {
				break
			}
			d.left++
			d.end += width
		}
	}
	return d.left
}

// skipDigits returns the end of the next n digits, and remembers it.
func (s *scan) skipDigits(i, end int, set class, n int) int {
	at := s.upTo(i, end, set, n)
	s.digits.at, s.digits.left = at, s.digits.left-n
	return at
}

// thousands groups numbers by three from the right: a group of the one or two that are over comes first. (afmoe)
func thousands(s *scan, i, end int) int {
	left := s.digitsLeft(i, end, number)
	if left == 0 {
		return i
	}
	return s.skipDigits(i, end, number, (left-1)%3+1)
}

// wholeThousands is thousands for decimal digits that no letter follows: \d{1,3}(?=(?:\d{3})*\b)
func wholeThousands(s *scan, i, end int) int {
	left := s.digitsLeft(i, end, digit)
	if left == 0 {
		return i
	}
	if c, _ := s.at(s.digits.end, end); c&wordly != 0 {
		s.skipDigits(i, end, digit, 1)
		return i
	}
	return s.skipDigits(i, end, digit, (left-1)%3+1)
}

// beforeThousands cuts where a multiple of three digits follows, and no digit after them: (?=(\d{3})+(?!\d))
func beforeThousands(s *scan, i, end int) int {
	for at := i; at < end; {
		left := s.digitsLeft(at, end, digit)
		switch {
		case left == 0:
			_, width := s.runeAt(at, end)
			at += width
		case left%3 == 0 && at > i:
			return at
		case left < 3:
			at = s.skipDigits(at, end, digit, left)
		default:
			at = s.skipDigits(at, end, digit, (left-1)%3+1)
		}
	}
	return end
}
