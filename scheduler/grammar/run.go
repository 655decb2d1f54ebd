package grammar

import (
	"math/bits"
	"slices"
	"unicode/utf8"
)

// run says by what a text can go on for as long as it likes, or for a while, without leaving a place: so all tokens of nothing else may come next,
// whatever is behind. Strings, comments, names and white space are runs, and most of a vocabulary is tokens that fit into one.
type run struct {
	known  bool
	tried  bool      // single is known
	single bool      // whether it is alone
	ascii  [2]uint64 // the bytes below 0x80
	runes  bool      // all runes of more than one byte
	place  int32
	reach  uint32 // for at most so many of either
}

// size is how many bytes of ASCII it goes on by.
func (r *run) size() int { return bits.OnesCount64(r.ascii[0]) + bits.OnesCount64(r.ascii[1]) }

// first is the least byte of a run.
func (r *run) first() byte {
	if r.ascii[0] != 0 {
		return byte(bits.TrailingZeros64(r.ascii[0]))
	}
	return byte(64 + bits.TrailingZeros64(r.ascii[1]))
}

// has reports whether a byte below 0x80 is in the run.
func (r *run) has(c byte) bool { return r.ascii[c>>6]>>(c&63)&1 != 0 }

// holds reports whether all of what is described is in the run.
func (r *run) holds(c *contents) bool {
	return c.ascii[0]&^r.ascii[0] == 0 && c.ascii[1]&^r.ascii[1] == 0 && (!c.wide || r.runes && c.valid)
}

// longest is the run of a state by which most tokens can go on, kept with the state.
func (a *automaton) longest(s *state) *run {
	if s.run.known {
		return &s.run
	}
	if !s.expanded {
		a.expand(s)
	}
	var best run
	for _, l := range s.loops {
		r := a.runOf(l.place)
		if a.places[l.place].counts {
			r.reach = l.max
		}
		if n, m := r.size(), best.size(); n > m || n == m && r.reach > best.reach {
			best = r
		}
	}
	best.known = a.err == nil
	s.run = best
	return &s.run
}

// runOf finds out by what a place comes back to itself, with nothing behind it.
func (a *automaton) runOf(place int32) run {
	if r := a.runs[place]; r.known {
		return r
	}
	r := run{known: true, place: place, reach: unlimited, runes: true}
	from := reading{place: place, after: a.nothing}
	if a.places[place].counts {
		from.min, from.max = unlimited, unlimited
	}
	home := a.intern([]reading{from}, false)
	for c := range uint8(utf8.RuneSelf) {
		if a.step(home, a.classes[c]) == home {
			r.ascii[c>>6] |= 1 << (c & 63)
		}
	}
	for _, e := range wideRunes {
		r.runes = r.runes && a.leads(home, e, home)
	}
	if a.err == nil {
		a.runs[place] = r
	}
	return r
}

// wideRunes are the encodings of all runes of more than one byte.
var wideRunes = append(encodings(Range{utf8.RuneSelf, surrogateFirst - 1}), encodings(Range{surrogateLast + 1, utf8.MaxRune})...)

// leads reports whether each text of a sequence of ranges leads from one state to another.
func (a *automaton) leads(from *state, e []byteRange, to *state) bool {
	if len(e) == 0 || from == a.nothing {
		return from == to
	}
	var seen classSet
	for c := int(e[0].first); c <= int(e[0].last); c++ {
		if class := a.classes[c]; !seen.has(class) {
			seen.add(class)
			if !a.leads(a.step(from, class), e[1:], to) {
				return false
			}
		}
	}
	return true
}

// alone is single, kept with the state.
func (a *automaton) alone(s *state) bool {
	r := a.longest(s)
	if !r.tried && a.err == nil {
		r.single = r.size() >= smallRun && a.single(s, r)
		r.tried = a.err == nil
	}
	return r.single
}

// single reports whether all that is in a state's run leads on by the run and in no other way, so that after so many characters of it the text is at one
// state, whichever they were.
func (a *automaton) single(s *state, r *run) bool {
	next := a.nothing
	for c := range uint8(utf8.RuneSelf) {
		if r.has(c) {
			if t := a.step(s, a.classes[c]); next == a.nothing {
				next = t
			} else if t != next {
				return false
			}
		}
	}
	if r.runes && slices.ContainsFunc(wideRunes, func(e []byteRange) bool { return !a.leads(s, e, next) }) {
		return false
	}
	var others []reading // that do not belong to the run, or will be there once it has counted far enough to end
	for _, l := range next.readings {
		if l.place != r.place {
			others = append(others, l)
		} else if a.places[l.place].counts {
			others = append(others, l.after.readings...)
		}
	}
	rest := a.intern(others, false)
	for c := range uint8(utf8.RuneSelf) {
		if r.has(c) && a.step(rest, a.classes[c]) != a.nothing {
			return false
		}
	}
	for c := 0xc2; r.runes && c <= 0xf4; c++ {
		if a.step(rest, a.classes[c]) != a.nothing {
			return false
		}
	}
	return a.err == nil
}
