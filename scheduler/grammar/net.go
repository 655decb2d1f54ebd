package grammar

import (
	"math"
	"slices"
)

// What a grammar may come to at most. A schema of a hundred properties has some thousand places and ten thousand moves.
const (
	maxRules  = 1 << 13
	maxPlaces = 1 << 17
	maxMoves  = 1 << 19
	// Shorter repetitions are written out, as many times as they may occur; others count.
	writtenOut = 32
)

// unlimited is a count that nothing reaches.
const unlimited = math.MaxUint32

// classSet is a set of classes of bytes.
type classSet [4]uint64

func (s *classSet) add(i uint8)      { s[i>>6] |= 1 << (i & 63) }
func (s *classSet) has(i uint8) bool { return s[i>>6]>>(i&63)&1 != 0 }

// net is a grammar as places: where a text can be within a rule.
type net struct {
	places  []place
	rules   []rule     // every rule comes before those that it may begin with
	classes [256]uint8 // bytes that all places take for the same have the same class
	root    int32      // its rule
	count   int        // of classes
	of      []uint8    // a byte of each class
}

// place is where a text can be in a rule. A place that counts is the whole of a rule that repeats another: it calls that rule, while the most is not
// reached, and ends where the least is.
type place struct {
	moves  []move
	calls  []call
	ends   bool // the rule may end here
	counts bool
	// repeats says that a text may come back here, so that it is worth finding out by what (run).
	repeats bool
}

// move reads a byte.
type move struct {
	set classSet // of bytes while the net is built, then of classes
	to  int32
}

// call has a rule matched first, then goes on at back.
type call struct{ rule, back int32 }

// rule is where a rule begins, and for one that counts, between what and what.
type rule struct {
	start    int32
	min, max uint32
}

// builder makes a net of rules, each at first with steps that read nothing, which are then left out.
type builder struct {
	*facts
	net   *net
	jumps [][]int32 // of places: where they may be without reading
	rules map[string]int32
	loops map[loop]int32
	todo  []func() error
	moves int
	names []string // of rules
	empty []bool   // rules that match the empty text
}

// loop is what a rule that counts is made of.
type loop struct {
	x        *Expr
	min, max uint32
}

// build makes the net of rules that have been checked.
func build(f *facts) (*net, error) {
	b := &builder{facts: f, net: &net{}, rules: map[string]int32{}, loops: map[loop]int32{}}
	b.rule(Root)
	for len(b.todo) > 0 {
		next := b.todo[len(b.todo)-1]
		b.todo = b.todo[:len(b.todo)-1]
		if err := next(); err != nil {
			return nil, err
		}
	}
	if err := b.still(); err != nil {
		return nil, err
	}
	b.net.merge()
	b.net.order()
	b.net.classify()
	return b.net, nil
}

// rule returns the number of a named rule, which is built later if it is new.
func (b *builder) rule(name string) int32 {
	if n, ok := b.rules[name]; ok {
		return n
	}
	n := b.newRule(name, b.nullable[name])
	b.rules[name] = n
	b.build(n, b.facts.rules[name])
	return n
}

func (b *builder) newRule(name string, empty bool) int32 {
	b.net.rules = append(b.net.rules, rule{})
	b.names, b.empty = append(b.names, name), append(b.empty, empty)
	return int32(len(b.net.rules) - 1)
}

// build has the rule's places made later.
func (b *builder) build(n int32, x *Expr) {
	b.todo = append(b.todo, func() error {
		start, end := b.place(), b.place()
		b.net.rules[n].start = start
		b.net.places[end].ends = true
		return b.add(x, start, end)
	})
}

func (b *builder) place() int32 {
	b.net.places = append(b.net.places, place{})
	b.jumps = append(b.jumps, nil)
	return int32(len(b.net.places) - 1)
}

func (b *builder) jump(from, to int32) { b.jumps[from] = append(b.jumps[from], to) }

func (b *builder) read(from int32, r byteRange, to int32) {
	m := move{to: to}
	for c := int(r.first); c <= int(r.last); c++ {
		m.set.add(uint8(c))
	}
	b.net.places[from].moves = append(b.net.places[from].moves, m)
	b.moves++
}

// add adds places for x between two.
func (b *builder) add(x *Expr, from, to int32) error {
	if len(b.net.places) > maxPlaces || b.moves > maxMoves {
		return problem("it is too large: more than %d places or %d moves between them", maxPlaces, maxMoves)
	}
	if !b.ends(x) {
		return nil // a text could go there, and never end
	}
	switch x.kind {
	case isText:
		for i := range len(x.text) {
			next := to
			if i+1 < len(x.text) {
				next = b.place()
			}
			b.read(from, byteRange{x.text[i], x.text[i]}, next)
			from = next
		}
		if x.text == "" {
			b.jump(from, to)
		}
	case isSet:
		b.set(x.runes, from, to)
	case isSeq:
		for _, item := range x.items {
			next := b.place()
			if err := b.add(item, from, next); err != nil {
				return err
			}
			from = next
		}
		b.jump(from, to)
	case isOr:
		for _, item := range x.items {
			if err := b.add(item, from, to); err != nil {
				return err
			}
		}
	case isRepeat:
		return b.repeat(x, from, to)
	case isRule:
		n := b.rule(x.text)
		b.call(n, from, to)
	}
	return nil
}

// call adds a call of a rule; one that matches the empty text may be left out, and none then ends without having read.
func (b *builder) call(rule, from, to int32) {
	b.net.places[from].calls = append(b.net.places[from].calls, call{rule, to})
	if b.empty[rule] {
		b.jump(from, to)
	}
	b.moves++
}

// set adds the encodings of runes. Those that end alike share places.
func (b *builder) set(ranges []Range, from, to int32) {
	type tail struct {
		byteRange
		to int32
	}
	tails := map[tail]int32{} // places from which a range leads to a place
	one := map[int32]*move{}  // of bytes that lead from one place to the same
	for _, r := range ranges {
		for _, e := range encodings(r) {
			next := to
			for i := len(e) - 1; i > 0; i-- {
				t := tail{e[i], next}
				p, ok := tails[t]
				if !ok {
					p = b.place()
					b.read(p, e[i], next)
					tails[t] = p
				}
				next = p
			}
			m := one[next]
			if m == nil {
				m = &move{to: next}
				one[next] = m
			}
			for c := int(e[0].first); c <= int(e[0].last); c++ {
				m.set.add(uint8(c))
			}
		}
	}
	targets := make([]int32, 0, len(one))
	for next := range one {
		targets = append(targets, next)
	}
	slices.Sort(targets)
	for _, next := range targets {
		b.net.places[from].moves = append(b.net.places[from].moves, *one[next])
		b.moves++
	}
}

// repeat adds a repetition: written out if that is short, else as a rule that counts.
func (b *builder) repeat(x *Expr, from, to int32) error {
	item, least := x.items[0], x.min
	if x.max == 0 || !b.ends(item) {
		b.jump(from, to)
		return nil
	}
	if b.facts.empty(item) {
		least = 0 // what may be empty is there as often as is wanted
	}
	times := max(least, x.max, 1)
	if size := item.size(); times > writtenOut || times > 1 && times*size > writtenOut {
		l := loop{item, limit(least), unlimited}
		if x.max >= 0 {
			l.max = limit(x.max)
		}
		n, ok := b.loops[l]
		if !ok {
			n = b.count(l)
		}
		b.call(n, from, to)
		return nil
	}
	for i := range times {
		last := i == times-1
		next := b.place()
		if i >= least {
			b.jump(from, to)
		}
		if last && x.max < 0 { // this one any number of times
			if least == 0 { // and none: one place to come back to
				b.jump(from, next)
				b.jump(next, to)
				return b.add(item, next, next)
			}
			again := b.place()
			b.jump(from, again)
			b.jump(next, again)
			from = again
		}
		if err := b.add(item, from, next); err != nil {
			return err
		}
		from = next
	}
	b.jump(from, to)
	return nil
}

// count makes a rule that counts.
func (b *builder) count(l loop) int32 {
	n := b.newRule("", l.min == 0)
	b.loops[l] = n
	body, named := int32(0), l.x.kind == isRule
	if named {
		body = b.rule(l.x.text)
	} else {
		body = b.newRule("", b.facts.empty(l.x))
		b.build(body, l.x)
	}
	p := b.place()
	b.net.places[p] = place{calls: []call{{body, p}}, counts: true}
	b.net.rules[n] = rule{start: p, min: l.min, max: l.max}
	return n
}

// limit is a count below what stands for none.
func limit(n int) uint32 { return uint32(min(n, unlimited-1)) }

// size is about how many places x takes.
func (x *Expr) size() int {
	switch x.kind {
	case isText:
		return len(x.text)
	case isSet, isRule:
		return 1
	}
	n := 0
	for _, item := range x.items {
		n += item.size()
		if n > writtenOut {
			return n
		}
	}
	if x.kind == isRepeat {
		n *= max(1, x.min, x.max)
	}
	return min(n, writtenOut+1)
}

// still leaves the steps out that read nothing: a place has all moves and calls of those it could have got to.
func (b *builder) still() error {
	places := make([]place, len(b.net.places))
	seen := make([]int32, len(places)) // by which place, plus 1
	var reach []int32
	total := 0
	for i := range places {
		reach = append(reach[:0], int32(i))
		seen[i] = int32(i) + 1
		p := &places[i]
		p.counts = b.net.places[i].counts
		for at := 0; at < len(reach); at++ {
			q := &b.net.places[reach[at]]
			p.moves, p.calls, p.ends = append(p.moves, q.moves...), append(p.calls, q.calls...), p.ends || q.ends
			for _, to := range b.jumps[reach[at]] {
				if seen[to] != int32(i)+1 {
					seen[to] = int32(i) + 1
					reach = append(reach, to)
				}
			}
		}
		if total += len(p.moves) + len(p.calls) + len(reach)/8; total > maxMoves {
			return problem("it is too large: more than %d moves between its places", maxMoves)
		}
	}
	b.net.places = places
	return nil
}
