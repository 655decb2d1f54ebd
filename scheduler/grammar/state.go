package grammar

import (
	"cmp"
	"encoding/binary"
	"errors"
	"slices"
)

// How much work a step or a mask may be at most, and how many readings of a text are followed at once. Sensible grammars have some dozen.
const (
	maxReadings = 2048
	maxWork     = 1 << 24
	maxDepth    = 1 << 14
	// stateBytes is about how much memory states may take before they are forgotten; those that are still needed are made again.
	stateBytes = 32 << 20
)

// ErrAmbiguous is returned where a text can be read in more ways than are followed.
var ErrAmbiguous = errors.New("grammar: the text can be read in too many ways at once; have the grammar's alternatives differ earlier")

// ErrDeep is returned where calls of rules are nested deeper than is followed.
var ErrDeep = errors.New("grammar: rules are nested more than 16,384 deep; repeat with * or + what does not have to nest")

// reading is one way to read a text so far: at a place, and behind the rule it is in goes on what after says. Places that count have how often more they
// have to call their rule, and may at most.
type reading struct {
	place    int32
	min, max uint32
	after    *state
}

// state is all ways to read a text so far. There is one state of each content, until states are forgotten.
type state struct {
	number   uint32
	depth    int32
	ends     bool // the text may end here
	expanded bool
	readings []reading // behind rules that have ended, too; those that cannot go on are left out

	// What follows is worked out when it is asked for.
	moves []reading // readings within all rules that are called
	loops []reading // of all readings, those that may come back to where they are
	run   run       // see longest
	next  []*state  // by class; nil: not known yet
	mask  *Mask
}

// automaton is a net with the states that have been met.
type automaton struct {
	*net
	states  map[string]*state
	nothing *state // no text goes on
	done    *state // only the end goes on
	last    uint32
	bytes   int
	age     int // how often states have been forgotten
	runs    []run
	work    int
	err     error // why work was given up

	// Room for what is being worked out.
	from    []reading
	key     []byte
	waiting [][]reading // by rule: where it goes on, for those that call it
	heap    []int32     // rules in waiting, the first on top
	deepest []reading
}

func newAutomaton(n *net) *automaton {
	a := &automaton{net: n, waiting: make([][]reading, len(n.rules)), runs: make([]run, len(n.places))}
	a.forget()
	return a
}

// forget begins with no states.
func (a *automaton) forget() {
	a.states, a.bytes = map[string]*state{}, 0
	a.nothing, a.done = a.intern(nil, false), a.intern(nil, true)
	a.age++
}

// start is the state of the empty text.
func (a *automaton) start() *state {
	r := a.rules[a.root]
	a.from = append(a.from[:0], reading{r.start, r.min, r.max, a.done})
	return a.intern(a.from, false)
}

// intern returns the state with these readings, which are scratch, and those behind rules that may end where they are.
func (a *automaton) intern(readings []reading, ends bool) *state {
	for i, n := 0, len(readings); i < n; i++ {
		r := readings[i]
		p := &a.places[r.place]
		if p.ends || p.counts && r.min == 0 {
			readings = append(readings, r.after.readings...)
			ends = ends || r.after.ends
			a.work += len(r.after.readings)
		}
	}
	a.work += len(readings)
	readings = a.distinct(readings)
	if len(readings) > maxReadings || a.work > maxWork {
		a.err = ErrAmbiguous
		return a.nothing
	}
	a.key = a.key[:0]
	if ends {
		a.key = append(a.key, 1)
	}
	depth := int32(0)
	for _, r := range readings {
		a.key = binary.LittleEndian.AppendUint32(a.key, uint32(r.place))
		a.key = binary.LittleEndian.AppendUint32(a.key, r.after.number)
		if a.places[r.place].counts {
			a.key = binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(a.key, r.min), r.max)
		}
		depth = max(depth, r.after.depth+1)
	}
	if depth > maxDepth {
		a.err = ErrDeep
		return a.nothing
	}
	if s, ok := a.states[string(a.key)]; ok {
		return s
	}
	s := &state{number: a.last, depth: depth, ends: ends, readings: slices.Clone(readings)}
	a.last++
	a.bytes += 256 + 2*len(a.key) + 24*len(readings)
	a.states[string(a.key)] = s
	return s
}

// distinct sorts readings and leaves out those that cannot go on, or no further than another.
func (a *automaton) distinct(readings []reading) []reading {
	readings = slices.DeleteFunc(readings, func(r reading) bool {
		p := &a.places[r.place]
		return len(p.moves) == 0 && len(p.calls) == 0 || p.counts && r.max == 0
	})
	slices.SortFunc(readings, func(x, y reading) int {
		return cmp.Or(cmp.Compare(x.place, y.place), cmp.Compare(x.after.number, y.after.number), cmp.Compare(x.min, y.min), cmp.Compare(y.max, x.max))
	})
	kept := readings[:0]
	for _, r := range readings {
		if n := len(kept); n > 0 && kept[n-1].place == r.place && kept[n-1].after == r.after && kept[n-1].max >= r.max {
			continue
		}
		kept = append(kept, r)
	}
	return kept
}

// expand follows the calls of a state's readings. Rules are taken in an order in which all who call one are known when its turn comes, so that it is
// entered once, with all of them behind it.
func (a *automaton) expand(s *state) {
	s.expanded = true
	for _, r := range s.readings {
		a.visit(s, r)
	}
	for len(a.heap) > 0 {
		n := a.pop()
		back := append(a.deepest[:0], a.waiting[n]...)
		a.deepest = back
		a.waiting[n] = a.waiting[n][:0]
		r := a.rules[n]
		after := a.intern(back, false)
		if a.err != nil {
			for _, n := range a.heap {
				a.waiting[n] = a.waiting[n][:0]
			}
			a.heap = a.heap[:0]
			s.expanded, s.moves, s.loops = false, nil, nil
			return
		}
		a.visit(s, reading{r.start, r.min, r.max, after})
	}
	a.work += len(s.moves)
	a.bytes += 24 * len(s.moves)
}

// visit adds what a reading can go on with.
func (a *automaton) visit(s *state, r reading) {
	p := &a.places[r.place]
	if len(p.moves) > 0 {
		s.moves = append(s.moves, r)
	}
	if p.repeats {
		s.loops = append(s.loops, r)
	}
	for _, c := range p.calls {
		back := reading{c.back, 0, 0, r.after}
		if p.counts {
			back.min, back.max = less(r.min), less(r.max)
		}
		if len(a.waiting[c.rule]) == 0 {
			a.push(c.rule)
		}
		a.waiting[c.rule] = append(a.waiting[c.rule], back)
	}
}

// less is a count one less: none stays none.
func less(n uint32) uint32 {
	if n == 0 || n == unlimited {
		return n
	}
	return n - 1
}

// step is the state after a byte of a class.
func (a *automaton) step(s *state, class uint8) *state {
	if s.next != nil {
		if t := s.next[class]; t != nil {
			return t
		}
	} else {
		s.next = make([]*state, a.count)
		a.bytes += 8 * a.count
	}
	if !s.expanded {
		a.expand(s)
	}
	a.work += len(s.moves) + 1
	from := a.from[:0]
	for _, r := range s.moves {
		for i := range a.places[r.place].moves {
			if m := &a.places[r.place].moves[i]; m.set.has(class) {
				from = append(from, reading{m.to, 0, 0, r.after})
			}
		}
	}
	a.from = from
	t := a.nothing
	if len(from) > 0 && a.err == nil {
		t = a.intern(from, false)
	}
	if a.err == nil {
		s.next[class] = t
	}
	return t
}

// push and pop keep the rules in waiting in order, the first on top.
func (a *automaton) push(n int32) {
	a.heap = append(a.heap, n)
	for i := len(a.heap) - 1; i > 0 && a.heap[i] < a.heap[(i-1)/2]; i = (i - 1) / 2 {
		a.heap[i], a.heap[(i-1)/2] = a.heap[(i-1)/2], a.heap[i]
	}
}

func (a *automaton) pop() int32 {
	top, last := a.heap[0], len(a.heap)-1
	a.heap[0] = a.heap[last]
	a.heap = a.heap[:last]
	for i := 0; ; {
		least := i
		for _, child := range [2]int{2*i + 1, 2*i + 2} {
			if child < last && a.heap[child] < a.heap[least] {
				least = child
			}
		}
		if least == i {
			return top
		}
		a.heap[i], a.heap[least] = a.heap[least], a.heap[i]
		i = least
	}
}

// again is a state from before the states were forgotten.
func (a *automaton) again(s *state, known map[*state]*state) *state {
	if t, ok := known[s]; ok {
		return t
	}
	readings := slices.Clone(s.readings)
	for i := range readings {
		readings[i].after = a.again(readings[i].after, known)
	}
	t := a.intern(readings, s.ends)
	known[s] = t
	return t
}
