package tokenizer

// gpt2 is the pattern of GPT-2:
//
//	's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
func gpt2(s *scan, i, end int) int {
	if at := s.contraction(i, end, 0); at > i {
		return at
	}
	start := i
	if s.text[i] == ' ' {
		start++
	}
	c, width := s.at(start, end)
	for _, set := range [...]class{letter, number, visible} {
		if c&set != 0 {
			return s.run(start+width, end, set)
		}
	}
	all, _ := s.spaces(i, end)
	return all
}

// words are the patterns that descend from Llama 3's, which has digits 3 and contractions:
//
//	(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+
//
// Its match method is the rule.
type words struct {
	contractions bool // (?i:'s|...) are pieces of their own
	endings      bool // they belong to the word before them
	digits       int  // \p{N}{1,digits}

	// cased parts words where small letters are followed by capital ones, for \p{L}+:
	//	[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*
	cased   bool
	hanRuns bool // \p{Han}+ comes first, and no word has any
	marks   bool // [\p{L}\p{M}]+ for \p{L}+, and no marks among the symbols
	phrases bool // (?:\p{L}\p{M}*(?: \p{L}\p{M}*)*)+ for \p{L}+: words with single spaces between

	after    string // [\r\n]*, what of these symbols may be followed by
	afterOne bool   // by one at most
}

func (w *words) match(s *scan, i, end int) int {
	if w.contractions {
		if at := s.contraction(i, end, toLower); at > i {
			return at
		}
	}
	c, width := s.at(i, end)
	if w.hanRuns && c&han != 0 {
		return s.run(i+width, end, han)
	}
	if at := w.word(s, i, end, c, width); at > i {
		if w.endings {
			at = s.contraction(at, end, toLower)
		}
		return at
	}
	if c&number != 0 {
		return s.upTo(i+width, end, number, w.digits-1)
	}
	symbols, start := visible, i
	if w.marks {
		symbols &^= mark
	}
	if s.text[i] == ' ' {
		start++
	}
	if at := s.run(start, end, symbols); at > start {
		for at < end && w.mayFollow(s.text[at]) {
			s.looks++
			at++
			if w.afterOne {
				break
			}
		}
		return at
	}
	all, lines := s.spaces(i, end)
	if lines > i {
		return lines
	}
	return all
}

func (w *words) mayFollow(b byte) bool {
	for i := range len(w.after) {
		if w.after[i] == b {
			return true
		}
	}
	return false
}

// word returns where [^\r\n\p{L}\p{N}]? and the letters after it end, or i. c and width are of the first rune.
func (w *words) word(s *scan, i, end int, c class, width int) int {
	lead := i // where letters begin if the first rune is not one of them
	if c&(letter|number) == 0 && !newline(s.text[i]) {
		lead += width
	}
	switch {
	case w.cased:
		return w.casedWord(s, i, lead, end)
	case w.phrases:
		if at := phrase(s, lead, end); at > lead {
			return at
		}
		return i
	}
	set := letter
	if w.marks {
		set |= mark
	}
	if at := s.run(lead, end, set); at > lead {
		return at
	}
	return s.run(i, lead, set) // a mark alone, which would have been the first rune
}

// phrase returns where letters, their marks, and single spaces before letters end, beginning with a letter, or i.
func phrase(s *scan, i, end int) int {
	at := i
	for {
		c, width := s.at(at, end)
		switch {
		case c&letter != 0, c&mark != 0 && at > i:
			at += width
			continue
		case at > i && s.byteAt(at, end) == ' ':
			if c, width := s.at(at+1, end); c&letter != 0 {
				at += 1 + width
				continue
			}
		}
		return at
	}
}

// casedWord tries, as the pattern's order has it: small letters at the end, after the first rune and with it; and then capitals alone.
func (w *words) casedWord(s *scan, i, lead, end int) int {
	at, ok := w.ending(s, lead, end)
	if ok {
		return at
	}
	if lead > i {
		if at, ok := w.ending(s, i, end); ok {
			return at
		}
	}
	if at > lead {
		return at
	}
	return i
}

// ending returns where [\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+ ends, which gives back capitals to end with a letter that is
// neither. Without a match, it returns false and where the capitals end.
func (w *words) ending(s *scan, i, end int) (int, bool) {
	var without class
	if w.hanRuns {
		without = han
	}
	const both = caseless | mark
	last := -1 // where the last that is neither ends
	for {
		c, width := s.at(i, end)
		if c&without != 0 {
			c = 0
		}
		switch {
		case c&both != 0:
			last = i + width
		case c&lower != 0:
			for i += width; ; i += width {
				if c, width = s.at(i, end); c&(lower|both) == 0 || c&without != 0 {
					return i, true
				}
			}
		case c&upper == 0 && last >= 0:
			return last, true
		case c&upper == 0:
			return i, false
		}
		i += width
	}
}
